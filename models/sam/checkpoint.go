package sam

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their
// defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference without masks as prompts.
var inert = append([]string{
	"id2label", "problem_type", "initializer_range", "tie_word_embeddings", "attention_dropout", "mask_input_channels",
}, checkpoint.CommonInert...)

// Describe finds the configuration of a checkpoint, by its tensors and config.json of
// SamConfig or by those of the authors, and shows its tensors under this package's names.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	switch {
	case checkpoint.Has(src, "vision_encoder.patch_embed.projection.weight"):
		return describeTransformers(src, config)
	case checkpoint.Has(src, "image_encoder.blocks.0.attn.qkv.weight"):
		return describeAuthors(src)
	case checkpoint.Has(src, "image_encoder.patch_embed.seq.0.c.weight"):
		return describeMobile(src)
	case checkpoint.Has(src, "vision_encoder.backbone.pos_embed_window"):
		return describeSecond(src, config)
	case checkpoint.Has(src, "image_encoder.trunk.pos_embed_window"):
		return describeSecondAuthors(src)
	}
	return Config{}, nil, checkpoint.Unknown(src, "SAM", "no vision_encoder.patch_embed.projection.weight (transformers), image_encoder.blocks.0.attn.qkv.weight (the authors), image_encoder.patch_embed.seq.0.c.weight (MobileSAM) or pos_embed_window of SAM 2")
}

// visionJSON is vision_config of SamConfig, promptJSON and decoderJSON are its others.
type visionJSON struct {
	Width     int             `json:"hidden_size"`
	Out       int             `json:"output_channels"`
	Depth     int             `json:"num_hidden_layers"`
	Heads     int             `json:"num_attention_heads"`
	Channels  int             `json:"num_channels"`
	Image     checkpoint.Pair `json:"image_size"`
	Patch     checkpoint.Pair `json:"patch_size"`
	Act       string          `json:"hidden_act"`
	Eps       float64         `json:"layer_norm_eps"`
	QKVBias   bool            `json:"qkv_bias"`
	Ratio     float64         `json:"mlp_ratio"`
	MLP       *int            `json:"mlp_dim"`
	Positions bool            `json:"use_abs_pos"`
	Relative  bool            `json:"use_rel_pos"`
	Window    int             `json:"window_size"`
	Global    []int           `json:"global_attn_indexes"`
	Points    int             `json:"num_pos_feats"`
}

type promptJSON struct {
	Width  int             `json:"hidden_size"`
	Image  checkpoint.Pair `json:"image_size"`
	Patch  checkpoint.Pair `json:"patch_size"`
	Points int             `json:"num_point_embeddings"`
	Act    string          `json:"hidden_act"`     // of masks as prompts
	Eps    float64         `json:"layer_norm_eps"` // as that
}

type decoderJSON struct {
	Width      int     `json:"hidden_size"`
	Act        string  `json:"hidden_act"`
	MLP        int     `json:"mlp_dim"`
	Depth      int     `json:"num_hidden_layers"`
	Heads      int     `json:"num_attention_heads"`
	Downsample int     `json:"attention_downsample_rate"`
	Masks      int     `json:"num_multimask_outputs"`
	ScoreDepth int     `json:"iou_head_depth"`
	ScoreWidth int     `json:"iou_head_hidden_dim"`
	Eps        float64 `json:"layer_norm_eps"`
}

func describeTransformers(src weights.Source, config []byte) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells the windows and heads; give the folder that holds both")
	}
	if err := checkpoint.OfType(config, "sam"); err != nil {
		return Config{}, nil, err
	}
	var h struct {
		Vision  json.RawMessage `json:"vision_config"`
		Prompt  json.RawMessage `json:"prompt_encoder_config"`
		Decoder json.RawMessage `json:"mask_decoder_config"`
	}
	if err := signatures.Decode("config.json", "SamConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	var v visionJSON
	var p promptJSON
	var d decoderJSON
	err := decodeParts(map[string]json.RawMessage{"vision_config": h.Vision, "prompt_encoder_config": h.Prompt, "mask_decoder_config": h.Decoder}, map[string]part{
		"vision_config": {"SamVisionConfig", &v, inert}, "prompt_encoder_config": {"SamPromptEncoderConfig", &p, inert}, "mask_decoder_config": {"SamMaskDecoderConfig", &d, inert},
	})
	if err != nil {
		return Config{}, nil, err
	}
	c, err := fromJSON(v, p, d)
	if err == nil {
		src, err = tied(src)
	}
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	return c, weights.Rename(withPadding(src, "prompt_encoder.not_a_point_embed.weight"), transformersNames(c.Decoder.ScoreDepth)), nil
}

// layerDownsample is that of SamModel's layers, whatever attention_downsample_rate is: that
// is the last attention's.
const layerDownsample = 2

// part is what a part of a config.json is read into: the keys of a class but for the inert.
type part struct {
	class string
	into  any
	inert []string
}

// decodeParts reads the parts of a config.json by the keys that they stand under.
func decodeParts(texts map[string]json.RawMessage, parts map[string]part) error {
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		p, text := parts[name], texts[name]
		if len(text) == 0 || string(text) == "null" {
			text = json.RawMessage("{}")
		}
		if err := signatures.Decode("config.json: "+name, p.class, text, p.into, p.inert...); err != nil {
			return err
		}
	}
	return nil
}

// fromJSON is the configuration that the three say.
func fromJSON(v visionJSON, p promptJSON, d decoderJSON) (Config, error) {
	switch {
	case v.Image[0] != v.Image[1] || v.Patch[0] != v.Patch[1] || v.Patch[0] < 1:
		return Config{}, fmt.Errorf("vision_config: image_size is %v and patch_size %v; expected squares, which the class makes", v.Image, v.Patch)
	case p.Patch[0] < 1 || p.Image != v.Image || p.Image[0]/p.Patch[0] != v.Image[0]/v.Patch[0]:
		return Config{}, fmt.Errorf("prompt_encoder_config: image_size is %v and patch_size %v, and %v and %v in vision_config; expected maps of one size", p.Image, p.Patch, v.Image, v.Patch)
	case p.Width != d.Width:
		return Config{}, fmt.Errorf("hidden_size is %d in prompt_encoder_config and %d in mask_decoder_config; expected equal", p.Width, d.Width)
	case p.Points != 4:
		return Config{}, fmt.Errorf("prompt_encoder_config: num_point_embeddings is %d; expected 4, points outside and inside and two corners of boxes", p.Points)
	}
	act, err := ops.ActivationByName(v.Act)
	if err != nil {
		return Config{}, fmt.Errorf("vision_config: hidden_act: %w", err)
	}
	decoderAct, err := ops.ActivationByName(d.Act)
	if err != nil {
		return Config{}, fmt.Errorf("mask_decoder_config: hidden_act: %w", err)
	}
	c := Config{
		Vision: &VisionConfig{Image: v.Image[0], Patch: v.Patch[0], Channels: v.Channels, Width: v.Width, Depth: v.Depth, Heads: v.Heads,
			MLP: int(float64(v.Width) * v.Ratio), Out: v.Out, Window: v.Window, Global: v.Global, QKVBias: v.QKVBias, Positions: v.Positions, Relative: v.Relative, Act: act, Eps: v.Eps},
		Points:  v.Points,
		Decoder: d.config(decoderAct, layerDownsample),
	}
	if v.MLP != nil {
		c.Vision.MLP = *v.MLP
	}
	return c, nil
}

// config is the mask decoder's configuration, whose layers have a downsampling rate.
func (d decoderJSON) config(act ops.Activation, rate int) DecoderConfig {
	return DecoderConfig{Width: d.Width, Depth: d.Depth, Heads: d.Heads, MLP: d.MLP, Downsample: rate, Final: d.Downsample, Masks: d.Masks,
		ScoreDepth: d.ScoreDepth, ScoreWidth: d.ScoreWidth, Act: act, Eps: d.Eps}
}

// The two places of one tensor, the Fourier features' matrix; files may have either or both.
const (
	sharedMatrix = "shared_image_embedding.positional_embedding"
	promptMatrix = "prompt_encoder.shared_embedding.positional_embedding"
)

// tied refuses matrices that differ, and shows one that has the prompt encoder's name alone
// under the other.
func tied(src weights.Source) (weights.Source, error) {
	shared, ok := src.Tensor(sharedMatrix)
	own, both := src.Tensor(promptMatrix)
	switch {
	case !both:
		return src, nil
	case !ok:
		own.Name = sharedMatrix
		return weights.With(src, own), nil
	case !bytes.Equal(shared.Bytes(), own.Bytes()):
		return nil, fmt.Errorf("the checkpoint's %s is not what it is tied to, %s; expected equal values", promptMatrix, sharedMatrix)
	}
	return src, nil
}

// paddingName is the tensor of the points that are padding, which no checkpoint has.
const paddingName = "padding_point"

// withPadding adds it: zeros like another embedding of points.
func withPadding(src weights.Source, like string) weights.Source {
	t, ok := src.Tensor(like)
	if !ok {
		return src // which binding reports
	}
	zeros := weights.Computed(t, t.DType, func() []byte { return make([]byte, len(t.Bytes())) })
	zeros.Name = paddingName
	return weights.With(src, zeros)
}

// The sizes that all of the authors' checkpoints have and no tensor tells.
const (
	authorsHeads = 8
	authorsEps   = 1e-6 // of the image encoder
)

// describeAuthors reads a file of the authors. Windows and heads follow from the tables of
// relative positions.
func describeAuthors(src weights.Source) (Config, weights.Source, error) {
	const first = "image_encoder.blocks.0."
	dim := func(name string, i int) int { return checkpoint.Dim(src, name, i) }
	v := VisionConfig{
		Patch: dim("image_encoder.patch_embed.proj.weight", 2), Channels: dim("image_encoder.patch_embed.proj.weight", 1), Width: dim("image_encoder.patch_embed.proj.weight", 0),
		MLP: dim(first+"mlp.lin1.weight", 0), Out: dim("image_encoder.neck.0.weight", 0), QKVBias: checkpoint.Has(src, first+"attn.qkv.bias"),
		Positions: checkpoint.Has(src, "image_encoder.pos_embed"), Relative: true, Act: ops.GELU, Eps: authorsEps,
	}
	head, side := dim(first+"attn.rel_pos_h", 1), dim("image_encoder.pos_embed", 1)
	if head < 1 || v.Width%head != 0 || side < 1 {
		return Config{}, nil, fmt.Errorf("image_encoder.pos_embed has %d places a side and %sattn.rel_pos_h heads of %d in %d channels; expected both, which tell the picture's size and the heads", side, first, head, v.Width)
	}
	v.Image, v.Heads = side*v.Patch, v.Width/head
	for ; checkpoint.Has(src, fmt.Sprintf("image_encoder.blocks.%d.attn.qkv.weight", v.Depth)); v.Depth++ {
		window := (dim(fmt.Sprintf("image_encoder.blocks.%d.attn.rel_pos_h", v.Depth), 0) + 1) / 2
		switch {
		case window == side:
			v.Global = append(v.Global, v.Depth)
		case v.Window == 0:
			v.Window = window
		case v.Window != window:
			return Config{}, nil, fmt.Errorf("image_encoder.blocks.%d has windows of %d tokens a side and others of %d; expected equal", v.Depth, window, v.Window)
		}
	}
	c := Config{Vision: &v, Points: dim("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", 1), Decoder: authorsDecoder(src)}
	return c, weights.Rename(withPadding(src, "prompt_encoder.not_a_point_embed.weight"), authorsNames), nil
}

// authorsDecoder is the mask decoder of a file of the authors, who know one size.
func authorsDecoder(src weights.Source) DecoderConfig {
	dim := func(name string, i int) int { return checkpoint.Dim(src, "mask_decoder."+name, i) }
	d := DecoderConfig{Width: dim("iou_token.weight", 1), Masks: dim("mask_tokens.weight", 0) - 1, MLP: dim("transformer.layers.0.mlp.lin1.weight", 0),
		ScoreWidth: dim("iou_prediction_head.layers.0.weight", 0), Heads: authorsHeads, Act: ops.ReLU, Eps: finalEps}
	for name, rate := range map[string]*int{"layers.0.cross_attn_token_to_image": &d.Downsample, "final_attn_token_to_image": &d.Final} {
		if inner := dim("transformer."+name+".q_proj.weight", 0); inner > 0 {
			*rate = d.Width / inner
		}
	}
	for checkpoint.Has(src, fmt.Sprintf("mask_decoder.transformer.layers.%d.norm1.weight", d.Depth)) {
		d.Depth++
	}
	for checkpoint.Has(src, fmt.Sprintf("mask_decoder.iou_prediction_head.layers.%d.weight", d.ScoreDepth)) {
		d.ScoreDepth++
	}
	return d
}

// processor is the preprocessing of files that state none: the longer side to the network's
// size, zeros below and to the right; SAM 2 has both sides stretched to it.
func (c Config) processor() *picture.Processor {
	if c.Second != nil {
		p := picture.Squash(c.Second.Image, c.Second.Image, picture.Bilinear)
		p.Resize.Order = picture.RowsFirst
		return p
	}
	return picture.Padded(c.usual())
}
