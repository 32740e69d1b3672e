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
	c, h, err := parseTransformers(config, family)
	if err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, append(projectionNames(c.V2), transformersNames...))
	c.Classes = checkpoint.Rows(src, "head.weight")
	c.Labels, c.Scores, err = h.Head(c.Classes)
	return c, src, err
}

// parseTransformers reads what config.json of a family tells: all but the classes.
func parseTransformers(config []byte, family string) (Config, transformersConfig, error) {
	var h transformersConfig
	if err := checkpoint.OfType(config, family); err != nil {
		return Config{}, h, err
	}
	class := map[string]string{"swin": "SwinConfig", "swinv2": "Swinv2Config"}[family]
	if err := signatures.Decode("config.json", class, config, &h, transformersInert...); err != nil {
		return Config{}, h, err
	}
	if err := h.check(family); err != nil {
		return Config{}, h, fmt.Errorf("config.json: %w", err)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, h, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	v2 := family == "swinv2"
	c := Config{V2: v2, Image: h.Image, Channels: h.Channels, Patch: h.Patch, PadPatches: true, Width: h.Width, QKVBias: h.QKVBias, Unshift: Both, Act: act, Eps: h.Eps}
	if v2 {
		c.Unshift = Never
	}
	for i := range h.Depths {
		c.Stages = append(c.Stages, h.stage(i, v2))
	}
	return c, h, nil
}

// BackboneConfig is that of transformers' SwinBackbone within another network, by its own part
// of config.json, and which of [Model.Maps] it gives, the patches' as 0.
func BackboneConfig(config []byte) (Config, []int, error) {
	c, h, err := parseTransformers(config, "swin")
	if err != nil {
		return Config{}, nil, fmt.Errorf("backbone_config: %w", err)
	}
	c.Unshift, c.Backbone = Never, true
	maps, err := checkpoint.BackboneOutputs(config, len(h.Depths))
	return c, maps, err
}

// BackboneNames bring transformers' names of a backbone, below the prefix from, to this
// package's below to.
func BackboneNames(from, to string) []weights.Rule {
	rules := []weights.Rule{{From: from + "swin.layernorm.*", To: ""}} // which nothing runs through
	return append(rules, weights.Below(from, to, append(projectionNames(false), transformersNames...))...)
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
