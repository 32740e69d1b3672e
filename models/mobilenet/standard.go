package mobilenet

import (
	"math"
	"slices"
	"strings"

	"saccade/models/internal/inverted"
	"saccade/ops"
)

// stage is a row of a paper's table, or several that differ in the expansion alone.
type stage struct {
	kernel, stride, channels int
	squeeze                  bool
	expand                   []float64 // of each block
}

// times is an expansion for so many blocks.
func times(n int, expand float64) []float64 { return slices.Repeat([]float64{expand}, n) }

// The tables, without the stem and the last convolution.
var (
	tableV2 = []stage{ // table 2
		{3, 1, 16, false, times(1, 1)}, {3, 2, 24, false, times(2, 6)}, {3, 2, 32, false, times(3, 6)}, {3, 2, 64, false, times(4, 6)},
		{3, 1, 96, false, times(3, 6)}, {3, 2, 160, false, times(3, 6)}, {3, 1, 320, false, times(1, 6)},
	}
	tableLarge = []stage{ // V3's table 1
		{3, 1, 16, false, times(1, 1)}, {3, 2, 24, false, []float64{4, 3}}, {5, 2, 40, true, times(3, 3)},
		{3, 2, 80, false, []float64{6, 2.5, 2.3, 2.3}}, {3, 1, 112, true, times(2, 6)}, {5, 2, 160, true, times(3, 6)},
	}
	tableSmall = []stage{ // V3's table 2
		{3, 2, 16, true, times(1, 1)}, {3, 2, 24, false, []float64{4.5, 3.67}}, {5, 2, 40, true, []float64{4, 6, 6}},
		{5, 1, 48, true, times(2, 3)}, {5, 2, 96, true, times(3, 6)},
	}
)

// variant is an architecture: a table with its stem and head, scaled.
type variant struct {
	name         string // timm's
	torchvision  string // "" if that has none
	version      int
	table        []stage
	minimal      bool // V3 without squeeze-and-excitation, kernels of 5 and other than ReLU
	width, depth float64
	// fixed says that the stem, the last convolution and the depth of the first and last
	// stage are not scaled.
	fixed bool
}

// variants under timm's names.
var variants = []variant{
	{"mobilenetv2_035", "", 2, tableV2, false, 0.35, 1, false},
	{"mobilenetv2_050", "", 2, tableV2, false, 0.5, 1, false},
	{"mobilenetv2_075", "", 2, tableV2, false, 0.75, 1, false},
	{"mobilenetv2_100", "mobilenet_v2", 2, tableV2, false, 1, 1, false},
	{"mobilenetv2_110d", "", 2, tableV2, false, 1.1, 1.2, true},
	{"mobilenetv2_120d", "", 2, tableV2, false, 1.2, 1.4, true},
	{"mobilenetv2_140", "", 2, tableV2, false, 1.4, 1, false},
	{"mobilenetv3_small_050", "", 3, tableSmall, false, 0.5, 1, true},
	{"mobilenetv3_small_075", "", 3, tableSmall, false, 0.75, 1, false},
	{"mobilenetv3_small_100", "mobilenet_v3_small", 3, tableSmall, false, 1, 1, false},
	{"mobilenetv3_small_minimal_100", "", 3, tableSmall, true, 1, 1, false},
	{"mobilenetv3_large_075", "", 3, tableLarge, false, 0.75, 1, false},
	{"mobilenetv3_large_100", "mobilenet_v3_large", 3, tableLarge, false, 1, 1, false},
	{"mobilenetv3_large_minimal_100", "", 3, tableLarge, true, 1, 1, false},
}

// imageSide of all of them, pixels.
const imageSide = 224

// StandardNames are the names of [Standard] of a version: torchvision's, and timm's with
// PyTorch's padding and, beginning with tf_, TensorFlow's. timm itself has no MobileNetV2
// with that and no minimal V3 without.
func StandardNames(version int) []string {
	var torchvision, timm, tensorFlow []string
	for _, v := range variants {
		if v.version != version {
			continue
		}
		if v.torchvision != "" {
			torchvision = append(torchvision, v.torchvision)
		}
		if !v.minimal {
			timm = append(timm, v.name)
		}
		if !v.fixed {
			tensorFlow = append(tensorFlow, inverted.TensorFlow+v.name)
		}
	}
	return slices.Concat(torchvision, timm, tensorFlow)
}

// Standard is an architecture as published, with 1000 classes.
func Standard(name string) (Config, bool) {
	v, ok := variantOf(name)
	if !ok {
		return Config{}, false
	}
	c := v.config()
	switch {
	case strings.HasPrefix(name, inverted.TensorFlow):
		c.SetPadding(inverted.Same)
		c.Eps = inverted.EpsTensorFlow
	case name == v.torchvision:
		c.Eps = torchvisionEps(v.version)
	}
	return c, true
}

// torchvisionEps is that of the batch norms.
func torchvisionEps(version int) float64 {
	if version == 3 {
		return inverted.EpsTensorFlow
	}
	return inverted.EpsPyTorch
}

// momentum is that of the batch norms of PyTorch.
const momentum = 0.1

// torchvisionMomentum is that of the batch norms.
func torchvisionMomentum(version int) float64 {
	if version == 3 {
		return 0.01
	}
	return momentum
}

func variantOf(name string) (variant, bool) {
	name = strings.TrimPrefix(name, inverted.TensorFlow)
	i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name || v.torchvision == name && name != "" })
	if i < 0 {
		return variant{}, false
	}
	return variants[i], true
}

// architecture is what timm's name tells of a network.
func (v variant) architecture() inverted.TimmArchitecture {
	a := inverted.TimmArchitecture{Image: imageSide, Act: ops.ReLU6, SqueezeAct: ops.ReLU, Gate: ops.HardSigmoid}
	for _, s := range v.table {
		a.Strides, a.Gated = append(a.Strides, s.stride), append(a.Gated, s.squeeze && !v.minimal)
	}
	switch {
	case v.minimal:
		a.Act = ops.ReLU
	case v.version == 3:
		a.Act, a.ReLU = ops.HardSwish, len(v.table)-3
	}
	return a
}

// config scales the table.
func (v variant) config() Config {
	a := v.architecture()
	scaled := func(channels float64) int { return inverted.Scaled(channels, v.width, 8, 8) }
	c := Config{Image: ops.Square(a.Image), Channels: 3, Classes: 1000, Eps: inverted.EpsPyTorch, Act: a.Act, SqueezeAct: a.SqueezeAct, Gate: a.Gate, ReLU: a.ReLU}
	stem := 16
	switch {
	case v.version == 2:
		stem, c.Features = 32, max(1280, scaled(1280))
		if v.fixed {
			c.Features = 1280
		}
	case len(v.table) == len(tableSmall):
		c.Features, c.Hidden = scaled(576), 1024
	default:
		c.Features, c.Hidden = scaled(960), 1280
	}
	if c.Stem = stem; !v.fixed {
		c.Stem = scaled(float64(stem))
	}
	in := c.Stem
	for s, row := range v.table {
		out := scaled(float64(row.channels))
		c.Stages = append(c.Stages, v.stage(s, in, out))
		in = out
	}
	return c
}

// stage is the blocks of a table's row, the first from in channels.
func (v variant) stage(s, in, out int) []inverted.BlockConfig {
	row, scale := v.table[s], v.depth
	if v.fixed && (s == 0 || s == len(v.table)-1) {
		scale = 1
	}
	var blocks []inverted.BlockConfig
	for i := range int(math.Ceil(scale * float64(len(row.expand)))) {
		expand := row.expand[min(i, len(row.expand)-1)]
		b := inverted.BlockConfig{Expand: expand != 1, Kernel: row.kernel, Stride: row.stride, Expanded: inverted.Scaled(float64(in), expand, 8, 8), Out: out}
		if i > 0 {
			b.Stride = 1
		}
		if v.minimal {
			b.Kernel = 3
		} else if row.squeeze {
			b.Squeeze = inverted.Scaled(float64(b.Expanded), 0.25, 8, 8)
		}
		b.Skip = b.Stride == 1 && in == out
		blocks, in = append(blocks, b), out
	}
	return blocks
}

// variantWith finds the published architecture of a version of which c has all the
// channels and depths.
func variantWith(c Config, version int) (variant, bool) {
	i := slices.IndexFunc(variants, func(v variant) bool { return v.version == version && c.SameSizes(v.config()) })
	if i < 0 {
		return variant{}, false
	}
	return variants[i], true
}
