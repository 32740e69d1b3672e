package efficientnet

import (
	"math"
	"slices"
	"strings"

	"saccade/models/internal/inverted"
	"saccade/ops"
)

// row is one of a paper's table: stages of MBConv blocks, or FusedMBConv.
type row struct {
	fused                                   bool
	expand, kernel, stride, channels, depth int
}

const fused = true

// The tables, without the stem and the last convolution.
var (
	tableB = []row{ // Tan and Le 2019, table 1: EfficientNet-B0
		{!fused, 1, 3, 1, 16, 1}, {!fused, 6, 3, 2, 24, 2}, {!fused, 6, 5, 2, 40, 2}, {!fused, 6, 3, 2, 80, 3},
		{!fused, 6, 5, 1, 112, 3}, {!fused, 6, 5, 2, 192, 4}, {!fused, 6, 3, 1, 320, 1},
	}
	tableV2S = []row{ // Tan and Le 2021, table 4, and the figures of their code
		{fused, 1, 3, 1, 24, 2}, {fused, 4, 3, 2, 48, 4}, {fused, 4, 3, 2, 64, 4},
		{!fused, 4, 3, 2, 128, 6}, {!fused, 6, 3, 1, 160, 9}, {!fused, 6, 3, 2, 256, 15},
	}
	tableV2M = []row{
		{fused, 1, 3, 1, 24, 3}, {fused, 4, 3, 2, 48, 5}, {fused, 4, 3, 2, 80, 5},
		{!fused, 4, 3, 2, 160, 7}, {!fused, 6, 3, 1, 176, 14}, {!fused, 6, 3, 2, 304, 18}, {!fused, 6, 3, 1, 512, 5},
	}
	tableV2L = []row{
		{fused, 1, 3, 1, 32, 4}, {fused, 4, 3, 2, 64, 7}, {fused, 4, 3, 2, 96, 7},
		{!fused, 4, 3, 2, 192, 10}, {!fused, 6, 3, 1, 224, 19}, {!fused, 6, 3, 2, 384, 25}, {!fused, 6, 3, 1, 640, 7},
	}
)

// plan is that of all tables as far as they go.
var plan = inverted.Plan{Strides: []int{1, 2, 2, 2, 1, 2, 1}}

// variant is an architecture: a table with its stem, scaled.
type variant struct {
	name         string
	table        []row
	stem         int
	width, depth float64
	lite         bool // ReLU6, no squeeze-and-excitation; the stem, the head and the depth of the first and last stage are not scaled
	image        int  // pixels a side
	eps          float64
	pad          inverted.Padding
}

// pytorchImage is the size of the pictures of efficientnet_pytorch's weights.
func (v variant) pytorchImage() int {
	if v.name == "efficientnet_b2" {
		return 260
	}
	return v.image
}

// variants under torchvision's names, which has no Lite. Pictures are of the
// size of torchvision's weights, Lite's of Google's.
var variants = []variant{
	{"efficientnet_b0", tableB, 32, 1.0, 1.0, false, 224, 1e-5, inverted.Symmetric},
	{"efficientnet_b1", tableB, 32, 1.0, 1.1, false, 240, 1e-5, inverted.Symmetric},
	{"efficientnet_b2", tableB, 32, 1.1, 1.2, false, 288, 1e-5, inverted.Symmetric},
	{"efficientnet_b3", tableB, 32, 1.2, 1.4, false, 300, 1e-5, inverted.Symmetric},
	{"efficientnet_b4", tableB, 32, 1.4, 1.8, false, 380, 1e-5, inverted.Symmetric},
	{"efficientnet_b5", tableB, 32, 1.6, 2.2, false, 456, 1e-3, inverted.Symmetric},
	{"efficientnet_b6", tableB, 32, 1.8, 2.6, false, 528, 1e-3, inverted.Symmetric},
	{"efficientnet_b7", tableB, 32, 2.0, 3.1, false, 600, 1e-3, inverted.Symmetric},
	{"efficientnet_v2_s", tableV2S, 24, 1, 1, false, 384, 1e-3, inverted.Symmetric},
	{"efficientnet_v2_m", tableV2M, 24, 1, 1, false, 480, 1e-3, inverted.Symmetric},
	{"efficientnet_v2_l", tableV2L, 32, 1, 1, false, 480, 1e-3, inverted.Symmetric},
	{"efficientnet_lite0", tableB, 32, 1.0, 1.0, true, 224, 1e-3, inverted.Same},
	{"efficientnet_lite1", tableB, 32, 1.0, 1.1, true, 240, 1e-3, inverted.Same},
	{"efficientnet_lite2", tableB, 32, 1.1, 1.2, true, 260, 1e-3, inverted.Same},
	{"efficientnet_lite3", tableB, 32, 1.2, 1.4, true, 280, 1e-3, inverted.Same},
	{"efficientnet_lite4", tableB, 32, 1.4, 1.8, true, 300, 1e-3, inverted.Same},
}

// StandardNames are the names of [Standard]: torchvision's, and timm's with
// TensorFlow's padding.
func StandardNames() []string {
	var names []string
	for _, v := range variants {
		names = append(names, v.name)
	}
	for _, v := range variants {
		names = append(names, inverted.TensorFlow+strings.Replace(v.name, "_v2_", "v2_", 1))
	}
	return names
}

// Standard is an architecture as published, with 1000 classes, by a name of
// torchvision, timm (efficientnetv2_s, tf_efficientnet_b0) or
// efficientnet_pytorch (efficientnet-b0).
func Standard(name string) (Config, bool) {
	v, ok := variantOf(name)
	if !ok {
		return Config{}, false
	}
	if strings.HasPrefix(name, inverted.TensorFlow) {
		v.pad, v.eps = inverted.Same, inverted.EpsTensorFlow
	}
	return v.config(), true
}

func variantOf(name string) (variant, bool) {
	name = strings.Replace(strings.ReplaceAll(strings.TrimPrefix(name, inverted.TensorFlow), "-", "_"), "efficientnetv2_", "efficientnet_v2_", 1)
	i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
	if i < 0 {
		return variant{}, false
	}
	return variants[i], true
}

// config scales the table.
func (v variant) config() Config {
	scaled := func(channels int) int { return inverted.Scaled(float64(channels), v.width, 8, 8) }
	c := Config{Image: [2]int{v.image, v.image}, Channels: 3, Stem: scaled(v.stem), Pad: v.pad, Features: 1280, Classes: 1000, Eps: v.eps}
	activate(&c, ops.SiLU)
	if !v.table[0].fused {
		c.Features = scaled(1280)
	}
	if v.lite {
		c.Stem, c.Features = v.stem, 1280
		activate(&c, ops.ReLU6)
	}
	in := c.Stem
	for s, row := range v.table {
		stage := v.stage(row, in, scaled(row.channels), v.depths()[s])
		c.Stages = append(c.Stages, stage)
		in = scaled(row.channels)
	}
	return c
}

// stage is depth blocks of a table's row, the first from in channels.
func (v variant) stage(r row, in, out, depth int) []inverted.BlockConfig {
	var blocks []inverted.BlockConfig
	for i := range depth {
		b := inverted.BlockConfig{Fused: r.fused, Expand: r.expand != 1, Kernel: r.kernel, Stride: r.stride, Pad: v.pad, Expanded: in * r.expand, Out: out}
		if r.fused && !b.Expand {
			b.Expanded = out
		}
		if i > 0 {
			b.Stride = 1
		}
		if !r.fused && !v.lite {
			b.Squeeze = squeeze(in)
		}
		b.Skip = b.Stride == 1 && in == out
		blocks, in = append(blocks, b), out
	}
	return blocks
}

// squeeze is the usual width of the squeeze-and-excitation of a block's input.
func squeeze(in int) int { return max(1, in/4) }

// depths are the blocks of each stage.
func (v variant) depths() []int {
	var d []int
	for i, r := range v.table {
		n := int(math.Ceil(v.depth * float64(r.depth)))
		if v.lite && (i == 0 || i == len(v.table)-1) {
			n = r.depth
		}
		d = append(d, n)
	}
	return d
}

// variantWith finds the published architecture of which c has all the channels
// and depths.
func variantWith(c Config) (variant, bool) {
	i := slices.IndexFunc(variants, func(v variant) bool { return c.SameSizes(v.config()) })
	if i < 0 {
		return variant{}, false
	}
	return variants[i], true
}
