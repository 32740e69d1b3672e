package rtdetr

import (
	_ "embed"
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/models/resnet"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// rtdetrConfig is config.json of RTDetrConfig and RTDetrV2Config.
type rtdetrConfig struct {
	hybrid.Keys
	Points      int     `json:"decoder_n_points"`
	Levels      int     `json:"decoder_n_levels"`     // of V2
	OffsetScale float64 `json:"decoder_offset_scale"` // of V2
	Method      string  `json:"decoder_method"`       // of V2
}

// inert change nothing of an inference.
var inert = append([]string{"disable_custom_kernels", "tie_word_embeddings"}, hybrid.Inert...)

// names are those of both classes. In files of older versions the heads stand at the top, too.
func names(c Config) []weights.Rule {
	last := fmt.Sprint(c.DecoderDepth - 1)
	rules := slices.Concat(hybrid.Names(), []weights.Rule{
		{From: "model.decoder.layers.*.encoder_attn.sampling_offsets.*", To: "layers.*.cross.offsets.*"},
		{From: "model.decoder.layers.*.encoder_attn.attention_weights.*", To: "layers.*.cross.weights.*"},
		{From: "model.decoder.layers.*.encoder_attn.value_proj.*", To: "layers.*.cross.value.*"},
		{From: "model.decoder.layers.*.encoder_attn.output_proj.*", To: "layers.*.cross.proj.*"},
		{From: "model.decoder.layers.*.encoder_attn.n_points_scale", To: ""},
		{From: "model.decoder.layers.*.encoder_attn_layer_norm.*", To: "layers.*.cross_norm.*"},
		{From: "model.decoder.bbox_embed.*.**", To: "layers.*.box_head.**"},
		{From: "model.decoder.class_embed." + last + ".*", To: "class_head.*"},
		{From: "model.decoder.class_embed.**", To: ""}, // of the other layers, for training
	})
	for _, part := range [][2]string{{"fpn_blocks.*.", "top.*."}, {"pan_blocks.*.", "bottom.*."}} {
		rules = append(rules, hybrid.FusionNames("model.encoder."+part[0], "encoder."+part[1])...)
	}
	rules = append(rules,
		weights.Rule{From: "model.encoder.downsample_convs.*.conv.*", To: "encoder.down.*.conv.*"},
		weights.Rule{From: "model.encoder.downsample_convs.*.norm.*", To: "encoder.down.*.conv.norm.*"})
	return append(rules, c.BackboneNames()...)
}

// Describe reads a checkpoint of transformers' RTDetrForObjectDetection, or of
// RTDetrV2ForObjectDetection.
func Describe(src weights.Source, config []byte, v2 bool) (Config, weights.Source, error) {
	h := rtdetrConfig{OffsetScale: 0.5, Method: "default"}
	class := "RTDetrConfig"
	if v2 {
		class = "RTDetrV2Config"
	}
	if err := signatures.Decode("config.json", class, config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	shared, err := h.Describe(src, "rt_detr_resnet")
	if err != nil {
		return Config{}, nil, err
	}
	c := Config{shared}
	c.Points, c.OffsetScale, c.Discrete = slices.Repeat([]int{h.Points}, c.Config.Levels), h.OffsetScale, h.Method == "discrete"
	switch {
	case v2 && h.Levels != c.Config.Levels:
		return Config{}, nil, fmt.Errorf("config.json: decoder_n_levels is %d and num_feature_levels %d; expected the same", h.Levels, c.Config.Levels)
	case h.Method != "default" && h.Method != "discrete":
		return Config{}, nil, fmt.Errorf("config.json: decoder_method is %q; default and discrete are known", h.Method)
	}
	return c, weights.Rename(hybrid.Untied(src), names(c)), nil
}

// Standard is an architecture as published, with COCO's 80 classes.
func Standard(name string) (Config, bool) {
	s, ok := published[name]
	if !ok {
		return Config{}, false
	}
	backbone, _ := resnet.Standard(s.backbone)
	backbone.Classes, backbone.Deep, backbone.AvgDown, backbone.Projects = 0, []int{32, 32}, true, true
	c := hybrid.Config{Backbone: hybrid.Backbone{ResNet: &backbone}, Maps: []int{2, 3, 4}, Width: s.width, EncoderDepth: 1, Attended: []int{2}, Temperature: 10000,
		Act: ops.SiLU, NormEps: 1e-5, Expansion: s.expansion, DecoderDepth: s.layers, Levels: 3, Points: []int{4, 4, 4}, OffsetScale: 0.5, Queries: 300, Classes: 80,
		Attention: transformer.LayerConfig{Width: s.width, Heads: 8, MLP: s.mlp, Act: ops.GELU, Eps: 1e-5},
		Decoder:   transformer.LayerConfig{Width: 256, Heads: 8, MLP: 1024, Act: ops.ReLU, Eps: 1e-5}}
	return Config{c}, true
}

// published are the sizes of Zhao et al., table 4.
var published = map[string]struct {
	backbone   string
	width, mlp int
	expansion  float64
	layers     int
}{
	"rtdetr_r18":  {"resnet18", 256, 1024, 0.5, 3},
	"rtdetr_r34":  {"resnet34", 256, 1024, 0.5, 4},
	"rtdetr_r50":  {"resnet50", 256, 1024, 1, 6},
	"rtdetr_r101": {"resnet101", 384, 2048, 1, 6},
}
