package clap

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"

	"saccade/models/bert"
	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/models/swin"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes and of their feature
// extractor with their defaults; golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// clapConfig is config.json of ClapConfig. Its projections' width and activation hold for
// both towers, whatever their own parts say.
type clapConfig struct {
	Text       json.RawMessage `json:"text_config"`
	Audio      json.RawMessage `json:"audio_config"`
	Projection int             `json:"projection_dim"`
	Act        string          `json:"projection_hidden_act"`
}

// textConfig is its text_config.
type textConfig struct {
	Vocab  int     `json:"vocab_size"`
	Width  int     `json:"hidden_size"`
	Depth  int     `json:"num_hidden_layers"`
	Heads  int     `json:"num_attention_heads"`
	MLP    int     `json:"intermediate_size"`
	Act    string  `json:"hidden_act"`
	Length int     `json:"max_position_embeddings"`
	Types  int     `json:"type_vocab_size"`
	Eps    float64 `json:"layer_norm_eps"`
	Pad    *int    `json:"pad_token_id"`
}

// audioConfig is its audio_config.
type audioConfig struct {
	Window    int             `json:"window_size"`
	Bins      int             `json:"num_mel_bins"`
	Side      int             `json:"spec_size"`
	Act       string          `json:"hidden_act"`
	Patch     checkpoint.Pair `json:"patch_size"`
	Stride    checkpoint.Pair `json:"patch_stride"`
	Hidden    int             `json:"hidden_size"`
	Depths    []int           `json:"depths"`
	Heads     []int           `json:"num_attention_heads"`
	Fused     bool            `json:"enable_fusion"`
	Fusion    *string         `json:"fusion_type"`
	Channels  int             `json:"patch_embed_input_channels"`
	Flatten   bool            `json:"flatten_patch_embeds"`
	Width     int             `json:"patch_embeds_hidden_size"`
	PatchNorm bool            `json:"enable_patch_layer_norm"`
	QKVBias   bool            `json:"qkv_bias"`
	Ratio     float64         `json:"mlp_ratio"`
	Reduction int             `json:"aff_block_r"`
	Eps       float64         `json:"layer_norm_eps"`
}

// inert change nothing of an inference: dropout, how weights begin, heads that the class
// has not, and what the parts say of projections.
var (
	inert      = append([]string{"initializer_factor", "logit_scale_init_value", "id2label", "problem_type"}, checkpoint.CommonInert...)
	inertText  = append([]string{"hidden_dropout_prob", "attention_probs_dropout_prob", "bos_token_id", "eos_token_id", "projection_dim", "projection_hidden_act"}, inert...)
	inertAudio = append([]string{"hidden_dropout_prob", "attention_probs_dropout_prob", "drop_path_rate", "num_classes", "num_hidden_layers", "projection_dim", "projection_hidden_act"}, inert...)
)

// Describe reads a checkpoint of transformers' ClapModel.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h clapConfig
	if err := signatures.Decode("config.json", "ClapConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	c := Config{Projection: h.Projection}
	var err error
	if c.Act, err = ops.ActivationByName(h.Act); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: projection_hidden_act: %w", err)
	}
	if h.Projection < 1 || h.Projection > 1<<16 {
		return Config{}, nil, fmt.Errorf("config.json: projection_dim is %d; it must be positive", h.Projection)
	}
	if c.Text, err = readText(h.Text); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: text_config: %w", err)
	}
	if c.Audio, err = readAudio(h.Audio); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: audio_config: %w", err)
	}
	if c.Audio.Scale, c.Audio.Shift, err = norm(src, c.Audio.Bins); err != nil {
		return Config{}, nil, err
	}
	return c, weights.Rename(src, names), nil
}

// part is a part of a config, whose absence is all defaults.
func part(data json.RawMessage) []byte {
	if len(data) == 0 || string(data) == "null" {
		return []byte("{}")
	}
	return data
}

func readText(data json.RawMessage) (c bert.Config, err error) {
	var h textConfig
	if err := signatures.Decode("config.json: text_config", "ClapTextConfig", part(data), &h, inertText...); err != nil {
		return c, err
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return c, fmt.Errorf("hidden_act: %w", err)
	}
	if h.Pad == nil || *h.Pad < 0 || *h.Pad >= h.Length-1 {
		return c, fmt.Errorf("pad_token_id: the positions begin behind it, so that it must be a number below max_position_embeddings, %d", h.Length)
	}
	for name, v := range map[string]int{"vocab_size": h.Vocab, "hidden_size": h.Width, "num_hidden_layers": h.Depth, "num_attention_heads": h.Heads, "intermediate_size": h.MLP, "max_position_embeddings": h.Length, "type_vocab_size": h.Types} {
		if v < 1 || v > 1<<22 {
			return c, fmt.Errorf("%s is %d; it must be positive", name, v)
		}
	}
	if h.Width%h.Heads != 0 {
		return c, fmt.Errorf("hidden_size %d is not a multiple of its num_attention_heads %d", h.Width, h.Heads)
	}
	c.First = *h.Pad + 1
	c.TextConfig = bert.TextConfig{Depth: h.Depth, Vocab: h.Vocab, Length: h.Length, Types: h.Types,
		Layer: transformer.LayerConfig{Width: h.Width, Heads: h.Heads, MLP: h.MLP, Act: act, Eps: h.Eps, Post: true}}
	return c, nil
}

func readAudio(data json.RawMessage) (c AudioConfig, err error) {
	var h audioConfig
	if err := signatures.Decode("config.json: audio_config", "ClapAudioConfig", part(data), &h, inertAudio...); err != nil {
		return c, err
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return c, fmt.Errorf("hidden_act: %w", err)
	}
	if err := h.check(); err != nil {
		return c, err
	}
	c = AudioConfig{Bins: h.Bins, Fused: h.Fused, Reduction: h.Reduction}
	c.Trunk = swin.Config{Image: ops.Square(h.Side), FixedImage: true, Channels: 1, Patch: h.Patch, Width: h.Width, QKVBias: h.QKVBias, Unshift: swin.Both, Act: act, Eps: h.Eps}
	for i, depth := range h.Depths {
		width := h.Width << i
		c.Trunk.Stages = append(c.Trunk.Stages, swin.StageConfig{Depth: depth, Width: width, Inner: int(h.Ratio * float64(width)), Heads: h.Heads[i],
			Window: ops.Square(h.Window), Shift: ops.Square(h.Window / 2)})
	}
	return c, nil
}

// check refuses what this network has not.
func (h audioConfig) check() error {
	n := len(h.Depths)
	for name, v := range map[string]int{"num_mel_bins": h.Bins, "spec_size": h.Side, "window_size": h.Window, "patch_embeds_hidden_size": h.Width, "patch_size": min(h.Patch[0], h.Patch[1])} {
		if v < 1 || v > 1<<12 {
			return fmt.Errorf("%s is %d; expected 1 to %d", name, v, 1<<12)
		}
	}
	switch {
	case n < 1 || n > stages || len(h.Heads) != n:
		return fmt.Errorf("depths and num_attention_heads have %d and %d stages; expected as many, 1 to %d", n, len(h.Heads), stages)
	case h.Stride != h.Patch:
		return fmt.Errorf("patch_stride is %v and patch_size %v; patches that do not lie side by side are not supported", h.Stride, h.Patch)
	case h.Side%h.Bins != 0:
		return fmt.Errorf("spec_size %d is not a multiple of num_mel_bins %d", h.Side, h.Bins)
	case h.Channels != 1:
		return fmt.Errorf("patch_embed_input_channels is %d; 1 is supported", h.Channels)
	case h.Fused && h.Fusion != nil && *h.Fusion == "channel_map":
		return fmt.Errorf("fusion_type is %q, which is not supported; the published have aff_2d", *h.Fusion)
	case !h.Flatten:
		return fmt.Errorf("flatten_patch_embeds is false, which is not supported")
	case !h.PatchNorm:
		return fmt.Errorf("enable_patch_layer_norm is false, which is not supported")
	case h.Eps != layerNormEps:
		return fmt.Errorf("layer_norm_eps is %g; %g is supported", h.Eps, layerNormEps)
	case !(h.Ratio > 0 && h.Ratio < 100):
		return fmt.Errorf("mlp_ratio is %g; expected more than 0 and less than 100", h.Ratio)
	case h.Hidden != h.Width<<(n-1):
		return fmt.Errorf("hidden_size is %d; expected that of the last stage by patch_embeds_hidden_size and depths, %d", h.Hidden, h.Width<<(n-1))
	case h.Fused && (h.Reduction < 1 || h.Reduction > h.Width):
		return fmt.Errorf("aff_block_r is %d; expected 1 to patch_embeds_hidden_size, %d", h.Reduction, h.Width)
	}
	for i, heads := range h.Heads {
		if heads < 1 || (h.Width<<i)%heads != 0 || h.Depths[i] < 1 {
			return fmt.Errorf("stage %d has %d num_attention_heads, depths of %d and a width of %d, which is to be a multiple of the heads", i, heads, h.Depths[i], h.Width<<i)
		}
		if side := min(h.Side/h.Patch[0], h.Side/h.Patch[1]) >> i; side < h.Window || side%h.Window != 0 {
			return fmt.Errorf("stage %d's maps of %d patches a side are not of whole windows of window_size %d", i, side, h.Window)
		}
	}
	return nil
}

// norm is the batch norm of the bins, as a factor and a summand of each.
func norm(src weights.Source, bins int) (scale, shift []float32, err error) {
	var values [4][]float32
	for i, name := range []string{"weight", "bias", "running_mean", "running_var"} {
		name = "audio_model.audio_encoder.batch_norm." + name
		t, ok := src.Tensor(name)
		if !ok {
			return nil, nil, checkpoint.Unknown(src, "CLAP", "no "+name+" (transformers' ClapModel)")
		}
		if t.Len() != bins {
			return nil, nil, fmt.Errorf("tensor %s has shape %v, and num_mel_bins is %d", name, t.Shape, bins)
		}
		values[i] = make([]float32, bins)
		if err := t.Float32s(values[i]); err != nil {
			return nil, nil, err
		}
	}
	scale, shift = make([]float32, bins), make([]float32, bins)
	for b := range bins {
		s := float64(values[0][b]) / math.Sqrt(float64(values[3][b])+batchNormEps)
		scale[b], shift[b] = float32(s), float32(float64(values[1][b])-s*float64(values[2][b]))
	}
	return scale, shift, nil
}
