package depth

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/vit"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert change nothing of an inference of depth: dropout, how weights begin, the heads of
// other tasks, and hybrid networks' keys in others.
var inert = append([]string{
	"id2label", "problem_type", "initializer_range", "hidden_dropout_prob", "attention_probs_dropout_prob", "use_auxiliary_head", "auxiliary_loss_weight",
	"semantic_loss_ignore_index", "semantic_classifier_dropout", "pooler_output_size", "pooler_act", "backbone_featmap_shape",
}, checkpoint.CommonInert...)

// neck are the keys that both classes have.
type neck struct {
	Backbone json.RawMessage `json:"backbone_config"`
	Factors  []float64       `json:"reassemble_factors"`
	Widths   []int           `json:"neck_hidden_sizes"`
	Width    int             `json:"fusion_hidden_size"`
	Index    int             `json:"head_in_index"`
	Patch    checkpoint.Pair `json:"patch_size"`
}

// config is what they say, but for the backbone.
func (n neck) config() (Config, error) {
	c := Config{Widths: n.Widths, Width: n.Width, Most: 1}
	for _, f := range n.Factors {
		factor := int(f)
		if f > 0 && f < 1 {
			factor = -int(1 / f)
		}
		if factor == 0 || f >= 1 && f != math.Trunc(f) || factor > 64 || factor < -64 {
			return c, fmt.Errorf("config.json: reassemble_factors are %v; expected whole numbers or parts such as 0.5", n.Factors)
		}
		c.Factors = append(c.Factors, factor)
	}
	if n.Index != -1 && n.Index != len(n.Widths)-1 {
		return c, fmt.Errorf("config.json: head_in_index is %d; the last map, -1, is supported", n.Index)
	}
	return c, nil
}

// anythingConfig is config.json of DepthAnythingConfig.
type anythingConfig struct {
	neck
	Hidden int      `json:"head_hidden_size"`
	From   int      `json:"reassemble_hidden_size"`
	Kind   string   `json:"depth_estimation_type"`
	Most   *float64 `json:"max_depth"`
}

// anythingBackbone is the class's own backbone, where the config has none.
const anythingBackbone = `{"model_type":"dinov2","image_size":518,"hidden_size":384,"num_attention_heads":6,"out_indices":[9,10,11,12],"reshape_hidden_states":false}`

// DescribeAnything reads a checkpoint of transformers' DepthAnythingForDepthEstimation.
func DescribeAnything(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h anythingConfig
	if err := signatures.Decode("config.json", "DepthAnythingConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	c, err := h.config()
	if err != nil {
		return Config{}, nil, err
	}
	if len(h.Backbone) == 0 || string(h.Backbone) == "null" {
		h.Backbone = json.RawMessage(anythingBackbone)
	}
	if src, err = c.backbone(src, h.Backbone, false); err != nil {
		return Config{}, nil, err
	}
	c.Hidden, c.Fit, c.FusionBias = h.Hidden, true, true
	if c.Metric = h.Kind == "metric"; h.Most != nil {
		c.Most = *h.Most
	}
	switch {
	case h.Kind != "relative" && !c.Metric:
		return Config{}, nil, fmt.Errorf("config.json: depth_estimation_type is %q; expected relative or metric", h.Kind)
	case h.From != c.Backbone.Width || h.Patch != c.Backbone.Patch:
		return Config{}, nil, fmt.Errorf("config.json: reassemble_hidden_size is %d and patch_size %v, the backbone's are %d and %v", h.From, h.Patch, c.Backbone.Width, c.Backbone.Patch)
	}
	return c, weights.Rename(src, append(c.names("backbone."),
		weights.Rule{From: "head.conv1.*", To: "head1.*"}, weights.Rule{From: "head.conv2.*", To: "head2.*"}, weights.Rule{From: "head.conv3.*", To: "head3.*"})), nil
}

// backbone takes a nested Dinov2Config with the stages that are read; shaped says that its
// features are maps.
func (c *Config) backbone(src weights.Source, config []byte, shaped bool) (weights.Source, error) {
	head := struct {
		Indices []int    `json:"out_indices"`
		Names   []string `json:"out_features"`
		Normed  bool     `json:"apply_layernorm"`
		Shaped  bool     `json:"reshape_hidden_states"`
	}{Normed: true, Shaped: true}
	const where = "config.json: backbone_config"
	if err := checkpoint.Decode(where, config, &head); err != nil {
		return nil, err
	}
	var err error
	if c.Backbone, src, err = vit.BackboneConfig(src, config); err != nil {
		return nil, err
	}
	if head.Shaped != shaped {
		return nil, fmt.Errorf("%s: reshape_hidden_states is %v; the class takes %v", where, head.Shaped, shaped)
	}
	c.Normed = head.Normed
	for _, name := range head.Names {
		n, err := strconv.Atoi(strings.TrimPrefix(name, "stage"))
		if err != nil {
			return nil, fmt.Errorf("%s: out_features has %q; expected stage1 and so on", where, name)
		}
		c.Stages = append(c.Stages, n)
	}
	if head.Names == nil {
		for _, n := range head.Indices {
			if n < 0 {
				n += c.Backbone.Depth + 1
			}
			c.Stages = append(c.Stages, n)
		}
	}
	if len(c.Stages) == 0 {
		c.Stages = []int{c.Backbone.Depth}
	}
	return src, nil
}

// dptConfig is config.json of DPTConfig.
type dptConfig struct {
	neck
	HiddenSize int             `json:"hidden_size"`
	Layers     int             `json:"num_hidden_layers"`
	Heads      int             `json:"num_attention_heads"`
	MLP        int             `json:"intermediate_size"`
	Act        string          `json:"hidden_act"`
	Eps        float64         `json:"layer_norm_eps"`
	Image      checkpoint.Pair `json:"image_size"`
	Channels   int             `json:"num_channels"`
	QKVBias    bool            `json:"qkv_bias"`
	Hybrid     bool            `json:"is_hybrid"`
	Indices    []int           `json:"backbone_out_indices"`
	Readout    string          `json:"readout_type"`
	Norm       bool            `json:"use_batch_norm_in_fusion_residual"`
	Bias       *bool           `json:"use_bias_in_fusion_residual"`
	Projected  bool            `json:"add_projection"`
}

// DescribeDPT reads a checkpoint of transformers' DPTForDepthEstimation.
func DescribeDPT(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h dptConfig
	if err := signatures.Decode("config.json", "DPTConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	c, err := h.config()
	if err != nil {
		return Config{}, nil, err
	}
	if h.Hybrid {
		return Config{}, nil, fmt.Errorf("config.json: is_hybrid is true; a DPT with a convolutional first half is not supported")
	}
	if c.ReadoutAct, err = ops.ActivationByName(h.Act); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	readouts := map[string]Readout{"ignore": Ignore, "add": Add, "project": Project}
	readout, ok := readouts[h.Readout]
	if !ok {
		return Config{}, nil, fmt.Errorf("config.json: readout_type is %q; expected ignore, add or project", h.Readout)
	}
	prefix := "backbone."
	if len(h.Backbone) > 0 && string(h.Backbone) != "null" {
		if src, err = c.backbone(src, h.Backbone, false); err != nil {
			return Config{}, nil, err
		}
	} else {
		prefix = "dpt."
		c.own(h)
	}
	c.Readout, c.Hidden, c.FusionNorm, c.Projected = readout, 32, h.Norm, h.Projected
	if c.FusionBias = !h.Norm; h.Bias != nil {
		c.FusionBias = *h.Bias
	}
	if h.Projected && h.Width != 256 {
		return Config{}, nil, fmt.Errorf("config.json: add_projection goes with a fusion_hidden_size of 256, found %d", h.Width)
	}
	return c, weights.Rename(src, append(c.names(prefix), weights.Rule{From: "head.projection.*", To: "projection.*"},
		weights.Rule{From: "head.head.0.*", To: "head1.*"}, weights.Rule{From: "head.head.2.*", To: "head2.*"}, weights.Rule{From: "head.head.4.*", To: "head3.*"})), nil
}

// own is the vision transformer that a DPT without another backbone has.
func (c *Config) own(h dptConfig) {
	c.Backbone = vit.Config{Image: h.Image, Patch: h.Patch, Channels: h.Channels, Width: h.HiddenSize, Depth: h.Layers, Heads: h.Heads, MLP: h.MLP,
		Act: c.ReadoutAct, Eps: h.Eps, QKVBias: h.QKVBias, Placed: 1, Linear: true}
	c.Square = true
	for _, i := range h.Indices {
		c.Stages = append(c.Stages, i+1)
	}
}

// names bring the library's names to this package's, of a backbone below a prefix.
func (c Config) names(prefix string) []weights.Rule {
	rules := []weights.Rule{
		{From: "neck.fusion_stage.layers.0.residual_layer1.**", To: ""}, // there is nothing that it would add to
		{From: "**.num_batches_tracked", To: ""},
		{From: "neck.reassemble_stage.readout_projects.*.0.*", To: "readouts.*.*"},
		{From: "neck.reassemble_stage.layers.*.projection.*", To: "assemble.*.projection.*"},
		{From: "neck.convs.*.*", To: "convs.*.*"},
		{From: "neck.fusion_stage.layers.*.projection.*", To: "fusion.*.projection.*"},
	}
	for i, f := range c.Factors {
		to := "up"
		if f < 0 {
			to = "down"
		}
		rules = append(rules, weights.Rule{From: fmt.Sprintf("neck.reassemble_stage.layers.%d.resize.*", i), To: fmt.Sprintf("assemble.%d.%s.*", i, to)})
	}
	for _, unit := range []string{"1", "2"} {
		for _, conv := range []string{"1", "2"} {
			from, to := "neck.fusion_stage.layers.*.residual_layer"+unit+".", "fusion.*.residual"+unit+".conv"+conv
			rules = append(rules, weights.Rule{From: from + "convolution" + conv + ".*", To: to + ".*"}, weights.Rule{From: from + "batch_norm" + conv + ".*", To: to + ".norm.*"})
		}
	}
	return append(rules, vit.EncoderNames(prefix, "backbone.")...)
}

// Standard is an architecture as published, at 518×518.
func Standard(name string) (Config, bool) {
	s, ok := map[string]struct {
		backbone string
		stages   []int
		widths   []int
		width    int
	}{
		"depth_anything_s": {"dinov2_s_14", []int{3, 6, 9, 12}, []int{48, 96, 192, 384}, 64},
		"depth_anything_b": {"dinov2_b_14", []int{3, 6, 9, 12}, []int{96, 192, 384, 768}, 128},
		"depth_anything_l": {"dinov2_l_14", []int{5, 12, 18, 24}, []int{256, 512, 1024, 1024}, 256},
	}[name]
	backbone, _ := vit.Standard(s.backbone)
	backbone.Pooled, backbone.Picture, backbone.LayerScale = false, [2]int{}, false
	return Config{Backbone: backbone, Stages: s.stages, Normed: true, Factors: []int{4, 2, 1, -2}, Widths: s.widths, Width: s.width, Hidden: 32,
		FusionBias: true, Fit: true, Most: 1}, ok
}
