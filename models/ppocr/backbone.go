package ppocr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"saccade/models/hgnet"
	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// backboneHeader is the config of a PP-LCNet.
type backboneHeader struct {
	Scale     float64             `json:"scale"`
	Blocks    [][]json.RawMessage `json:"block_configs"`
	Stem      json.RawMessage     `json:"stem_channels"`
	Stride    int                 `json:"stem_stride"`
	Strides   []json.RawMessage   `json:"stem_strides"`
	Reduction int                 `json:"reduction"`
	Divisor   int                 `json:"divisor"`
	Act       string              `json:"hidden_act"`
	Channels  int                 `json:"num_channels"`
	StemType  string              `json:"stem_type"`
	Affine    bool                `json:"use_learnable_affine_block"`
}

// The backbones as the classes make them where a config has none.
const (
	nestedV3   = `{"model_type": "pp_lcnet_v3", "scale": 0.75, "divisor": 16, "out_indices": [2, 3, 4, 5]}`
	nestedV4   = `{"model_type": "pp_lcnet_v4"}`
	nestedPage = `{"model_type": "hgnet_v2", "out_indices": [1, 2, 3, 4]}`
	nestedLine = `{"model_type": "hgnet_v2", "out_indices": [1, 2, 3, 4], "stage_downsample": [true, true, true, true], "stem_strides": [2, 1, 1, 1, 1],
		"stage_downsample_strides": [[2, 1], [1, 2], [2, 1], [2, 1]]}`
)

// The stages where a config has none: size of the filters, channels, stride, squeeze.
const (
	stagesV3 = `[[[3,16,32,1,false]], [[3,32,64,2,false],[3,64,64,1,false]], [[3,64,128,2,false],[3,128,128,1,false]],
		[[3,128,256,2,false],[5,256,256,1,false],[5,256,256,1,false],[5,256,256,1,false],[5,256,256,1,false]],
		[[5,256,512,2,true],[5,512,512,1,true],[5,512,512,1,false],[5,512,512,1,false]]]`
	stagesV4 = `[[[3,96,96,1,true]], [[3,96,96,1,false],[3,96,96,1,false]],
		[[3,96,192,[2,1],false],[3,192,192,1,true],[3,192,192,1,false],[3,192,192,1,true],[3,192,192,1,false],[3,192,192,1,true],[3,192,192,1,false]],
		[[3,192,384,[2,1],false],[3,384,384,1,true],[3,384,384,1,false]]]`
)

// The types of backbones.
const (
	lcnetV3, lcnetV4 = "pp_lcnet_v3", "pp_lcnet_v4"
	hgnetV2          = "hgnet_v2"
)

// parseBackbone reads backbone_config, which is of one of some types and by itself usual.
func parseBackbone(src weights.Source, nested json.RawMessage, usual string, types ...string) (c BackboneConfig, err error) {
	const file = "config.json: backbone_config"
	if len(nested) == 0 || string(nested) == "null" {
		nested = json.RawMessage(usual)
	}
	var own struct {
		ModelType string   `json:"model_type"`
		Features  []string `json:"out_features"`
		Indices   []int    `json:"out_indices"`
	}
	if err := checkpoint.Decode(file, nested, &own); err != nil {
		return c, err
	}
	if !slices.Contains(types, own.ModelType) {
		return c, fmt.Errorf("%s: model_type is %q; %s is expected", file, own.ModelType, strings.Join(types, " or "))
	}
	if own.ModelType == hgnetV2 {
		var net hgnet.Config
		net, c.Outputs, err = hgnet.DescribeStages(src, "model.backbone", nested)
		c.HG = &net
		return c, err
	}
	class, v4, h := "PPLCNetV3Config", own.ModelType == lcnetV4, backboneHeader{}
	if v4 {
		class = "PPLCNetV4Config"
	}
	if err := signatures.Decode(file, class, nested, &h, inert...); err != nil {
		return c, err
	}
	if c, err = h.lcnet(v4); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	if c.Outputs, err = checkpoint.StageOutputs(own.Features, own.Indices, len(c.Stages)); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// lcnet is the network that a config describes.
func (h backboneHeader) lcnet(v4 bool) (c BackboneConfig, err error) {
	stages, number := stagesV3, 5
	if v4 {
		stages, number = stagesV4, 4
	}
	if h.Blocks == nil {
		if err := json.Unmarshal([]byte(stages), &h.Blocks); err != nil {
			return c, err
		}
	}
	if len(h.Blocks) != number {
		return c, fmt.Errorf("there are %d stages in block_configs; expected %d", len(h.Blocks), number)
	}
	if c.Act, err = ops.ActivationByName(h.Act); err != nil {
		return c, fmt.Errorf("hidden_act: %w", err)
	}
	c.V4, c.Reduction = v4, h.Reduction
	width := func(n int) int { return n }
	if !v4 {
		width = func(n int) int { return divisible(float64(n)*h.Scale, max(1, h.Divisor)) }
		err = c.stemV3(h, width)
	} else {
		err = c.stemV4(h)
	}
	if err != nil {
		return c, err
	}
	for i, layers := range h.Blocks {
		var stage []LayerConfig
		for _, text := range layers {
			l, err := parseLayer(text, width)
			if err == nil && l.Squeeze && (h.Reduction < 1 || l.In/h.Reduction < 1) {
				err = fmt.Errorf("reduction is %d of %d channels", h.Reduction, l.In)
			}
			if err != nil {
				return c, fmt.Errorf("block_configs: stage %d: %w", i+1, err)
			}
			stage = append(stage, l)
		}
		if len(stage) == 0 {
			return c, fmt.Errorf("block_configs: stage %d has no layer", i+1)
		}
		c.Stages = append(c.Stages, stage)
	}
	return c, nil
}

func (c *BackboneConfig) stemV3(h backboneHeader, width func(int) int) error {
	var channels int
	if err := json.Unmarshal(h.Stem, &channels); err != nil || channels < 1 || channels > 1<<14 {
		return fmt.Errorf("stem_channels is %s; a number is expected", checkpoint.Shown(h.Stem))
	}
	if h.Stride < 1 || h.Stride > 8 {
		return fmt.Errorf("stem_stride is %d; 1 to 8 is expected", h.Stride)
	}
	c.Stem, c.StemStride = []int{width(channels)}, []int{h.Stride}
	return nil
}

func (c *BackboneConfig) stemV4(h backboneHeader) error {
	if err := json.Unmarshal(h.Stem, &c.Stem); err != nil || len(c.Stem) != 3 || slices.Min(c.Stem) < 1 || slices.Max(c.Stem) > 1<<14 {
		return fmt.Errorf("stem_channels is %s; three numbers are expected", checkpoint.Shown(h.Stem))
	}
	if c.Stem[0] != 3 || h.Channels != 3 {
		return fmt.Errorf("num_channels is %d and the first of stem_channels %d; pictures have 3", h.Channels, c.Stem[0])
	}
	if h.StemType != "large" && h.StemType != "small" {
		return fmt.Errorf("stem_type is %q; large or small is expected", h.StemType)
	}
	if c.SmallStem = h.StemType == "small"; c.SmallStem {
		return nil
	}
	if h.Affine || c.Act != ops.ReLU {
		return fmt.Errorf("use_learnable_affine_block is %t and hidden_act %q; false and relu are supported alone", h.Affine, h.Act)
	}
	for _, text := range h.Strides {
		var n int
		if err := json.Unmarshal(text, &n); err != nil || n < 1 || n > 8 {
			return fmt.Errorf("stem_strides has %s; a number is supported alone", checkpoint.Shown(text))
		}
		c.StemStride = append(c.StemStride, n)
	}
	if len(c.StemStride) != 5 || c.StemStride[1] != 1 || c.StemStride[2] != 1 {
		return fmt.Errorf("stem_strides is %v; five are expected, the second and the third 1", c.StemStride)
	}
	return nil
}

// parseLayer reads [filter, in, out, stride, squeeze].
func parseLayer(text json.RawMessage, width func(int) int) (l LayerConfig, err error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil || len(parts) != 5 {
		return l, fmt.Errorf("found %s, expected [filter, in, out, stride, squeeze]", checkpoint.Shown(text))
	}
	for i, into := range []any{&l.Kernel, &l.In, &l.Out, nil, &l.Squeeze} {
		if into == nil {
			continue
		}
		if err := json.Unmarshal(parts[i], into); err != nil {
			return l, fmt.Errorf("found %s, expected [filter, in, out, stride, squeeze]", checkpoint.Shown(text))
		}
	}
	var one int
	if json.Unmarshal(parts[3], &one) == nil {
		l.Stride, l.Plain, l.Halves = ops.Square(one), one == 1, one == 2
	} else {
		var pair []int
		if json.Unmarshal(parts[3], &pair) != nil || len(pair) != 2 {
			return l, fmt.Errorf("the stride is %s; a number or two are expected", checkpoint.Shown(parts[3]))
		}
		l.Stride = [2]int(pair)
	}
	if l.Kernel < 1 || l.Kernel > 31 || l.Kernel%2 != 1 || l.In < 1 || l.Out < 1 || max(l.In, l.Out) > 1<<14 || l.Stride[0] < 1 || l.Stride[1] < 1 || max(l.Stride[0], l.Stride[1]) > 8 {
		return l, fmt.Errorf("found %s; odd filters, channels and strides that are positive are expected", checkpoint.Shown(text))
	}
	l.In, l.Out = width(l.In), width(l.Out)
	return l, nil
}

// divisible rounds a number of channels to a multiple of the divisor, by at most a tenth
// down.
func divisible(v float64, divisor int) int {
	n := max(divisor, int(v+float64(divisor)/2)/divisor*divisor)
	if float64(n) < 0.9*v {
		n += divisor
	}
	return n
}

// backbone gives the tensors of the backbone that are computed of others.
func (f *folder) backbone(c *BackboneConfig) []*weights.Tensor {
	if c.V4 || c.HG != nil {
		return nil
	}
	return f.lcnet(c)
}

// ofLines shows filters of one dimension as those of maps of one row.
func (f *folder) ofLines(names ...string) (all []*weights.Tensor) {
	for _, name := range names {
		v, shape := f.values(name, 3)
		if f.err != nil {
			return nil
		}
		t, err := weights.FromFloat32s(name, v, shape[0], shape[1], 1, shape[2])
		if err != nil {
			f.err = err
			return nil
		}
		all = append(all, t)
	}
	return all
}
