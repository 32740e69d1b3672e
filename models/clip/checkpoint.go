package clip

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their
// defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference, nor of where texts are pooled.
var inert = append([]string{
	"id2label", "problem_type", "attention_dropout", "initializer_range", "initializer_factor", "logit_scale_init_value", "pad_token_id", "bos_token_id",
}, checkpoint.CommonInert...)

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names: of a dual encoder, or of a picture tower alone, which alone
// is then set. config is config.json of CLIPConfig, SiglipConfig, CLIPVisionConfig or
// SiglipVisionConfig.
func Describe(src weights.Source, config []byte) (c Config, alone bool, named weights.Source, err error) {
	h, err := parse(config)
	if err != nil && known(src) {
		return c, false, nil, err
	}
	if !checkpoint.Has(src, "vision_model.embeddings.patch_embedding.weight") {
		return c, false, nil, checkpoint.Unknown(src, "dual encoder", "no text_model.embeddings.token_embedding.weight beside vision_model.embeddings.patch_embedding.weight (transformers)")
	}
	switch h.ModelType {
	case "", "clip", "clip_vision_model":
	case "siglip", "siglip_vision_model":
		c.Sigmoid = true
	default:
		return c, false, nil, fmt.Errorf("config.json is of a model of type %q; clip, siglip, clip_vision_model and siglip_vision_model are expected", h.ModelType)
	}
	alone = !checkpoint.Has(src, "text_model.embeddings.token_embedding.weight")
	if c.Vision, err = h.vision(c.Sigmoid); err != nil {
		return c, false, nil, err
	}
	if alone {
		err = c.Vision.alone(src, config)
	} else {
		err = c.dual(src, h)
	}
	if err == nil && c.Vision.AttentionPool && !c.Vision.Headless {
		src, err = splitPool(src)
	}
	if err != nil {
		return c, false, nil, err
	}
	if named = weights.Rename(src, transformersNames); alone {
		named = weights.StripPrefix(named, "vision")
	}
	return c, alone, named, nil
}

// known says whether a source has the names of one of transformers' towers.
func known(src weights.Source) bool {
	for _, name := range []string{"embeddings.patch_embedding.weight", "embeddings.token_embedding.weight"} {
		if checkpoint.Has(src, name) || checkpoint.Has(src, "vision_model."+name) || checkpoint.Has(src, "text_model."+name) {
			return true
		}
	}
	return false
}

// dual takes what two towers have.
func (c *Config) dual(src weights.Source, h dualConfig) (err error) {
	if c.Vision.Headless {
		return fmt.Errorf("config.json: vision_config: vision_use_head is false; a picture tower without a head has no embedding to compare")
	}
	if c.Text, err = h.text(c.Sigmoid); err != nil {
		return err
	}
	if !c.Sigmoid {
		c.Vision.Projection, c.Text.Projection = h.Projection, h.Projection
	}
	if t, ok := src.Tensor("logit_scale"); ok {
		c.Scalar = t.Shape
	}
	return nil
}

// alone takes what a picture tower alone has: a projection where it was saved with one, or
// a classifier.
func (v *VisionConfig) alone(src weights.Source, config []byte) error {
	stated := v.Projection
	v.Alone, v.Projection = true, 0
	if v.Classes = checkpoint.Rows(src, "classifier.weight"); v.Classes > 0 {
		var head checkpoint.Common
		err := checkpoint.Decode("config.json", config, &head)
		if err != nil {
			return err
		}
		v.Labels, v.Scores, err = head.Head(v.Classes)
		return err
	}
	if v.AttentionPool {
		return nil
	}
	if v.Projection = checkpoint.Rows(src, "visual_projection.weight"); v.Projection > 0 && v.Projection != stated {
		return fmt.Errorf("config.json: projection_dim is %d, visual_projection.weight has %d rows", stated, v.Projection)
	}
	return nil
}

// DescribeText is Describe for a text encoder alone, CLIPTextModel or
// CLIPTextModelWithProjection, or the text tower of a CLIPModel.
func DescribeText(src weights.Source, config []byte) (TextConfig, weights.Source, error) {
	whole := checkpoint.Has(src, "vision_model.embeddings.patch_embedding.weight")
	if whole {
		src = weights.Rename(src, []weights.Rule{{From: "vision_model.**", To: ""}, {From: "visual_projection.*", To: ""}, {From: "logit_scale", To: ""}})
	}
	src = weights.StripPrefix(src, "text_model")
	if !checkpoint.Has(src, "embeddings.token_embedding.weight") {
		return TextConfig{}, nil, checkpoint.Unknown(src, "text encoder", "no text_model.embeddings.token_embedding.weight (transformers' CLIPTextModel)")
	}
	h, err := parse(config)
	if err != nil {
		return TextConfig{}, nil, err
	}
	if h.ModelType != "" && h.ModelType != "clip" && h.ModelType != "clip_text_model" {
		return TextConfig{}, nil, fmt.Errorf("config.json is of a model of type %q; clip_text_model and clip are expected", h.ModelType)
	}
	if h.TextConfig == nil {
		h.TextConfig = config
	}
	c, err := h.text(false)
	if err != nil {
		return TextConfig{}, nil, err
	}
	c.Alone = true
	if c.Projection = checkpoint.Rows(src, "text_projection.weight"); c.Projection > 0 && c.Projection != h.Projection {
		return TextConfig{}, nil, fmt.Errorf("config.json: projection_dim is %d, text_projection.weight has %d rows", h.Projection, c.Projection)
	}
	rules := append(textNames("", ""), weights.Rule{From: "text_projection.*", To: "projection.*"})
	return c, weights.Rename(src, rules), nil
}

// dualConfig is config.json of CLIPConfig and SiglipConfig, or of a tower alone. The
// dicts are of files of 2022, and override the others.
type dualConfig struct {
	ModelType  string          `json:"model_type"`
	TextConfig json.RawMessage `json:"text_config"`
	TextDict   json.RawMessage `json:"text_config_dict"`
	Vision     json.RawMessage `json:"vision_config"`
	VisionDict json.RawMessage `json:"vision_config_dict"`
	Projection int             `json:"projection_dim"`
}

func parse(config []byte) (h dualConfig, err error) {
	if config == nil {
		return h, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
	}
	h.Projection = 512
	if err := checkpoint.Decode("config.json", config, &h); err != nil {
		return h, err
	}
	if h.ModelType == "clip_vision_model" || h.ModelType == "siglip_vision_model" {
		h.Vision = config
	}
	return h, nil
}

// tower is the part of all nested configurations that is alike.
type tower struct {
	Width      int             `json:"hidden_size"`
	MLP        int             `json:"intermediate_size"`
	Depth      int             `json:"num_hidden_layers"`
	Heads      int             `json:"num_attention_heads"`
	Act        string          `json:"hidden_act"`
	Eps        float64         `json:"layer_norm_eps"`
	Vocab      int             `json:"vocab_size"`
	Length     int             `json:"max_position_embeddings"`
	End        int             `json:"eos_token_id"`
	Embeds     int             `json:"projection_size"`
	Projection int             `json:"projection_dim"` // of a tower alone
	Image      checkpoint.Pair `json:"image_size"`
	Patch      checkpoint.Pair `json:"patch_size"`
	Channels   int             `json:"num_channels"`
	Head       bool            `json:"vision_use_head"`
}

// readTower reads the nested configuration of a class, or the dict that overrides it.
func readTower(name, class string, nested, dict json.RawMessage) (t tower, err error) {
	if len(dict) > 0 && string(dict) != "null" {
		nested = dict
	}
	if len(nested) == 0 || string(nested) == "null" {
		nested = json.RawMessage("{}")
	}
	return t, signatures.Decode("config.json: "+name, class, nested, &t, inert...)
}

func (t *tower) block(name string) (transformer.Config, error) {
	act, err := ops.ActivationByName(t.Act)
	if err != nil {
		return transformer.Config{}, fmt.Errorf("config.json: %s: hidden_act: %w", name, err)
	}
	return transformer.Config{Width: t.Width, Heads: t.Heads, MLP: t.MLP, Act: act, Eps: t.Eps, QKVBias: true}, nil
}

// text reads text_config.
func (h *dualConfig) text(siglip bool) (TextConfig, error) {
	class := "CLIPTextConfig"
	if siglip {
		class = "SiglipTextConfig"
	}
	t, err := readTower("text_config", class, h.TextConfig, h.TextDict)
	if err != nil {
		return TextConfig{}, err
	}
	block, err := t.block("text_config")
	if err != nil {
		return TextConfig{}, err
	}
	block.Causal = !siglip
	c := TextConfig{Vocab: t.Vocab, Length: t.Length, Depth: t.Depth, Block: block, End: t.End, ProjectionBias: siglip}
	if siglip {
		if c.Projection = t.Embeds; c.Projection == 0 {
			c.Projection = t.Width
		}
	}
	return c, nil
}

// vision reads vision_config.
func (h *dualConfig) vision(siglip bool) (VisionConfig, error) {
	class := "CLIPVisionConfig"
	if siglip {
		class = "SiglipVisionConfig"
	}
	t, err := readTower("vision_config", class, h.Vision, h.VisionDict)
	if err != nil {
		return VisionConfig{}, err
	}
	block, err := t.block("vision_config")
	if err != nil {
		return VisionConfig{}, err
	}
	return VisionConfig{Image: t.Image, Patch: t.Patch, Channels: t.Channels, Depth: t.Depth, Block: block, AttentionPool: siglip, Headless: siglip && !t.Head, Projection: t.Projection}, nil
}

// splitPool shows the rows of the attention pool's in_proj as the projections of
// q, k and v.
func splitPool(src weights.Source) (weights.Source, error) {
	const prefix = "vision_model.head.attention."
	var err error
	for _, kind := range []string{"weight", "bias"} {
		if src, err = checkpoint.SplitRows(src, prefix+"in_proj_"+kind, prefix+"q."+kind, prefix+"k."+kind, prefix+"v."+kind); err != nil {
			return nil, err
		}
	}
	return src, nil
}
