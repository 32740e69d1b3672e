package swin

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// transformersConfig is config.json of SwinConfig and Swinv2Config.
type transformersConfig struct {
	checkpoint.Common
	Channels   int             `json:"num_channels"`
	Image      checkpoint.Pair `json:"image_size"`
	Patch      checkpoint.Pair `json:"patch_size"`
	Width      int             `json:"embed_dim"`
	Depths     []int           `json:"depths"`
	Heads      []int           `json:"num_heads"`
	Window     int             `json:"window_size"`
	Pretrained []int           `json:"pretrained_window_sizes"` // V2's
	Ratio      float64         `json:"mlp_ratio"`
	QKVBias    bool            `json:"qkv_bias"`
	Act        string          `json:"hidden_act"`
	Absolute   bool            `json:"use_absolute_embeddings"`
	Eps        float64         `json:"layer_norm_eps"`
}

// transformersInert change nothing of an inference of the whole network.
var transformersInert = append([]string{"initializer_range", "drop_path_rate", "hidden_dropout_prob", "attention_probs_dropout_prob", "encoder_stride", "_out_features", "_out_indices"}, checkpoint.CommonInert...)

func describeTransformers(src weights.Source, config []byte, family string) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells the windows; give the folder that holds both")
	}
	if err := checkpoint.OfType(config, family); err != nil {
		return Config{}, nil, err
	}
	var h transformersConfig
	class := map[string]string{"swin": "SwinConfig", "swinv2": "Swinv2Config"}[family]
	if err := signatures.Decode("config.json", class, config, &h, transformersInert...); err != nil {
		return Config{}, nil, err
	}
	if err := h.check(family); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	v2 := family == "swinv2"
	src = weights.Rename(src, append(projectionNames(v2), transformersNames...))
	c := Config{V2: v2, Image: h.Image, Channels: h.Channels, Patch: h.Patch, PadPatches: true, Width: h.Width, QKVBias: h.QKVBias, Unshift: Both,
		Act: act, Eps: h.Eps, Classes: checkpoint.Rows(src, "head.weight")}
	if v2 {
		c.Unshift = Never
	}
	for i := range h.Depths {
		c.Stages = append(c.Stages, h.stage(i, v2))
	}
	c.Labels, c.Scores, err = h.Head(c.Classes)
	return c, src, err
}

// check refuses what this network has not, and lists of unequal lengths.
func (h transformersConfig) check(family string) error {
	n := len(h.Depths)
	switch {
	case n < 1 || n > maxStages || len(h.Heads) != n:
		return fmt.Errorf("depths and num_heads have %d and %d stages; expected as many, 1 to %d", n, len(h.Heads), maxStages)
	case family == "swinv2" && len(h.Pretrained) < n:
		return fmt.Errorf("pretrained_window_sizes has %d stages; expected %d", len(h.Pretrained), n)
	case h.Absolute:
		return fmt.Errorf("use_absolute_embeddings is true, which is not supported; relative positions alone are")
	case h.Width < 1 || h.Width > 1<<12 || !(h.Ratio > 0 && h.Ratio < 100):
		return fmt.Errorf("embed_dim is %d and mlp_ratio %g; they must be positive, at most %d and below 100", h.Width, h.Ratio, 1<<12)
	case h.Window < 1 || h.Window > 64:
		return fmt.Errorf("window_size is %d; expected 1 to 64", h.Window)
	case h.Patch[0] < 1 || h.Patch[1] < 1:
		return fmt.Errorf("patch_size is %v; expected positive sizes", h.Patch)
	}
	return nil
}

// stage is the sizes of stage i. V2's windows are at most as high as the map that pictures
// of the config's size have there, and are not shifted where that is one of them, also of
// pictures of other sizes.
func (h transformersConfig) stage(i int, v2 bool) StageConfig {
	width := h.Width << i
	s := StageConfig{Depth: h.Depths[i], Width: width, Inner: int(h.Ratio * float64(width)), Heads: h.Heads[i]}
	s.setWindow(ops.Square(h.Window))
	if !v2 {
		return s
	}
	if n := h.Image[0] / h.Patch[0] >> i; n <= h.Window {
		s.Window, s.Shift = ops.Square(n), [2]int{}
	}
	s.Pretrained = ops.Square(h.Pretrained[i])
	return s
}
