package ppocr

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

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

// inert are keys that change nothing of an inference: of V4 the scale is read by no layer.
var inert = append([]string{"id2label", "problem_type", "attention_dropout", "initializer_range"}, checkpoint.CommonInert...)

// kind is what a model_type is.
type kind struct {
	class     string
	v6        bool
	detector  bool
	head      Head
	backbone  string   // by itself
	backbones []string // types that are supported
}

var kinds = map[string]kind{
	"pp_ocrv5_mobile_det": {class: "PPOCRV5MobileDetConfig", detector: true, backbone: nestedV3, backbones: []string{lcnetV3}},
	"pp_ocrv5_server_det": {class: "PPOCRV5ServerDetConfig", detector: true, backbone: nestedPage, backbones: []string{hgnetV2, lcnetV4}},
	"pp_ocrv6_small_det":  {class: "PPOCRV6SmallDetConfig", v6: true, detector: true, backbone: nestedV4, backbones: []string{lcnetV4}},
	"pp_ocrv6_medium_det": {class: "PPOCRV6MediumDetConfig", v6: true, detector: true, backbone: nestedV4, backbones: []string{lcnetV4, hgnetV2}},
	"pp_ocrv5_mobile_rec": {class: "PPOCRV5MobileRecConfig", head: Concatenated, backbone: nestedV3, backbones: []string{lcnetV3}},
	"pp_ocrv5_server_rec": {class: "PPOCRV5ServerRecConfig", head: Concatenated, backbone: nestedLine, backbones: []string{hgnetV2, lcnetV4}},
	"pp_ocrv6_small_rec":  {class: "PPOCRV6SmallRecConfig", v6: true, head: Summed, backbone: nestedV4, backbones: []string{lcnetV4}},
	"pp_ocrv6_tiny_rec":   {class: "PPOCRV6TinyRecConfig", v6: true, head: Convolved, backbone: nestedV4, backbones: []string{lcnetV4}},
}

// large says that a detector's neck has large filters and paths both ways.
func (k kind) large() bool {
	return k.class == "PPOCRV5ServerDetConfig" || k.class == "PPOCRV6MediumDetConfig"
}

// find reads the kind of a config.json, a detector's or a recogniser's.
func find(config []byte, detector bool) (kind, error) {
	what := "recogniser of PP-OCR"
	if detector {
		what = "detector of PP-OCR"
	}
	var known []string
	for name, k := range kinds {
		if k.detector == detector {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	name, err := checkpoint.ModelType(config, what, known...)
	return kinds[name], err
}

// IsDetector says that a config.json is a detector's.
func IsDetector(config []byte) bool {
	var head struct {
		ModelType string `json:"model_type"`
	}
	return json.Unmarshal(config, &head) == nil && kinds[head.ModelType].detector
}

// IsV6 says that a config.json is of version 6.
func IsV6(config []byte) bool {
	var head struct {
		ModelType string `json:"model_type"`
	}
	return json.Unmarshal(config, &head) == nil && kinds[head.ModelType].v6
}

// detHeader is the config of a detector.
type detHeader struct {
	Backbone  json.RawMessage `json:"backbone_config"`
	Reduction int             `json:"reduction"`
	Neck      int             `json:"neck_out_channels"`
	Mode      string          `json:"interpolate_mode"`
	Kernels   []int           `json:"kernel_list"`
	Layers    []int           `json:"layer_list_out_channels"`
	Dilated   int             `json:"dilated_kernel_size"`
}

// DescribeDetector finds the configuration of a checkpoint and shows its tensors under
// this package's names.
func DescribeDetector(src weights.Source, config []byte) (DetConfig, weights.Source, error) {
	k, err := find(config, true)
	if err != nil {
		return DetConfig{}, nil, err
	}
	c, err := parseDetector(src, k, config)
	if err != nil {
		return c, nil, err
	}
	f, up := &folder{src: src}, "head.conv_up"
	if c.Refines {
		up = "head.binarize_head.conv_up"
	}
	folded := append(f.backbone(&c.Backbone), f.transposed(up, "up")...)
	if c.Paths != nil {
		folded = append(folded, f.strips(*c.Paths)...)
	}
	if f.err != nil {
		return c, nil, f.err
	}
	return c, weights.With(weights.Rename(src, detNames), folded...), nil
}

func parseDetector(src weights.Source, k kind, config []byte) (c DetConfig, err error) {
	if k.large() {
		return parseLarge(src, k, config)
	}
	h := detHeader{}
	if err := signatures.Decode("config.json", k.class, config, &h, inert...); err != nil {
		return c, err
	}
	if c.Backbone, err = parseBackbone(src, h.Backbone, k.backbone, k.backbones...); err != nil {
		return c, err
	}
	c.Reduction, c.Neck, c.Layers, c.Dilated, c.Bilinear = h.Reduction, h.Neck, h.Layers, h.Dilated, h.Mode == "bilinear"
	if c.Kernel, err = headKernel(h.Kernels, h.Mode); err != nil {
		return c, err
	}
	switch {
	case len(c.Backbone.Outputs) != len(h.Layers) || len(h.Layers) != 4:
		return c, fmt.Errorf("config.json: there are %d layer_list_out_channels and %d maps of the backbone; 4 are expected", len(h.Layers), len(c.Backbone.Outputs))
	case c.Reduction < 1 || c.Neck < 4*c.Reduction || c.Neck%4 != 0 || c.Neck > 1<<14:
		return c, fmt.Errorf("config.json: neck_out_channels is %d and reduction %d; a multiple of 4 and at least 4 for each of the reduction is expected", c.Neck, c.Reduction)
	case c.Dilated < 0 || c.Dilated > 63 || k.v6 && c.Dilated%2 != 1:
		return c, fmt.Errorf("config.json: dilated_kernel_size is %d; an odd size is expected", c.Dilated)
	}
	if k.v6 && !slices.Equal(h.Layers, c.Backbone.Channels()) {
		return c, fmt.Errorf("config.json: layer_list_out_channels is %v and the backbone's maps have %v channels; equal ones are expected", h.Layers, c.Backbone.Channels())
	}
	return c, positive("layer_list_out_channels", h.Layers...)
}

// headKernel is the size of the first filter of a detector's head, of a kernel_list that is
// right as interpolate_mode is.
func headKernel(list []int, mode string) (int, error) {
	switch {
	case mode != "nearest" && mode != "bilinear":
		return 0, fmt.Errorf("config.json: interpolate_mode is %q; nearest or bilinear is expected", mode)
	case len(list) != 3 || list[1] != 2 || list[2] != 2 || list[0]%2 != 1 || list[0] < 1 || list[0] > 31:
		return 0, fmt.Errorf("config.json: kernel_list is %v; an odd size, 2 and 2 are expected", list)
	}
	return list[0], nil
}

// recHeader is the config of a recogniser.
type recHeader struct {
	Backbone json.RawMessage `json:"backbone_config"`
	Act      string          `json:"hidden_act"`
	Width    int             `json:"hidden_size"`
	Ratio    float64         `json:"mlp_ratio"`
	Depth    int             `json:"depth"`
	Classes  int             `json:"head_out_channels"`
	Kernel   []int           `json:"conv_kernel_size"`
	Bias     bool            `json:"qkv_bias"`
	Heads    int             `json:"num_attention_heads"`
	Eps      float64         `json:"layer_norm_eps"`
}

// DescribeRecogniser is [DescribeDetector] of a recogniser.
func DescribeRecogniser(src weights.Source, config []byte) (RecConfig, weights.Source, error) {
	k, err := find(config, false)
	if err != nil {
		return RecConfig{}, nil, err
	}
	c, err := parseRecogniser(src, k, config)
	if err != nil {
		return c, nil, err
	}
	f := &folder{src: src}
	folded := f.backbone(&c.Backbone)
	if c.Head == Convolved {
		folded = append(folded, f.ofLines("head.conv1.weight", "head.conv2.weight")...)
	}
	if f.err != nil {
		return c, nil, f.err
	}
	return c, weights.Rename(weights.With(src, folded...), recNames), nil
}

func parseRecogniser(src weights.Source, k kind, config []byte) (c RecConfig, err error) {
	h := recHeader{Act: "silu"}
	if err := signatures.Decode("config.json", k.class, config, &h, inert...); err != nil {
		return c, err
	}
	if c.Backbone, err = parseBackbone(src, h.Backbone, k.backbone, k.backbones...); err != nil {
		return c, err
	}
	c.Head, c.Width, c.Classes, c.Depth = k.head, h.Width, h.Classes, h.Depth
	if err := positive("hidden_size and head_out_channels", h.Width, h.Classes); err != nil {
		return c, err
	}
	if k.head == Convolved {
		c.Act = ops.HardSwish
		return c, nil
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return c, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	// The convolutions of version 5 are made with silu, whatever the activation.
	if c.Act = ops.SiLU; k.head == Summed {
		c.Act = act
	}
	c.Kernel = [2]int{1, 3}
	if k.head == Summed {
		c.Kernel = [2]int{1, 7}
	}
	if h.Kernel != nil {
		if len(h.Kernel) != 2 {
			return c, fmt.Errorf("config.json: conv_kernel_size is %v; a height and a width are expected", h.Kernel)
		}
		c.Kernel = [2]int(h.Kernel)
	}
	if c.Kernel[0]%2 != 1 || c.Kernel[1]%2 != 1 || c.Kernel[0] < 1 || c.Kernel[1] < 1 || max(c.Kernel[0], c.Kernel[1]) > 63 {
		return c, fmt.Errorf("config.json: conv_kernel_size is %v; odd sizes are expected", c.Kernel)
	}
	c.Block = transformer.Config{Width: h.Width, Heads: h.Heads, MLP: int(float64(h.Width) * h.Ratio), Act: act, Eps: h.Eps, QKVBias: h.Bias}
	if err := positive("num_attention_heads, mlp_ratio and depth", h.Heads, c.Block.MLP, h.Depth); err != nil {
		return c, err
	}
	if h.Width%h.Heads != 0 {
		return c, fmt.Errorf("config.json: hidden_size %d is not a multiple of its %d attention heads", h.Width, h.Heads)
	}
	return c, nil
}

func positive(what string, values ...int) error {
	for _, v := range values {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("config.json: %s: found %d, expected a positive size", what, v)
		}
	}
	return nil
}
