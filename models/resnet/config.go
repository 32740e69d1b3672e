package resnet

import (
	"fmt"
	"slices"

	"saccade/models/nn"
	"saccade/ops"
)

// Config is what a residual network's size depends on.
type Config struct {
	Image    [2]int // height and width that it was trained on, pixels; it takes others too
	Channels int
	Stem     int // channels after the first convolution
	// Small says that the stem is for small pictures (CIFAR): a 3×3 convolution
	// that keeps their size, where others have 7×7 with stride 2 and max pooling.
	Small bool
	// Deep are the channels of two convolutions before that of the stem, all of 3×3,
	// the first with stride 2 (timm's resnet…d).
	Deep       []int
	Stages     []Stage
	Bottleneck bool // blocks are 1×1, 3×3, 1×1 convolutions, not two of 3×3
	Groups     int  // of the 3×3 convolutions of bottlenecks (ResNeXt)
	// StrideFirst puts a bottleneck's stride into its first convolution, as in
	// the paper and transformers' downsample_in_bottleneck, not into the 3×3.
	StrideFirst bool
	// Identity says that shortcuts that change the shape have no parameters
	// (the paper's option A): every second pixel, between channels of zeros.
	Identity bool
	// AvgDown has shortcuts take the mean of 2×2 pixels before their projection, where
	// others have its stride (timm's resnet…d).
	AvgDown bool
	// Projects has the first block of every stage project its shortcut, where the shape stays,
	// too; of basic blocks it then takes means only where there are more channels (RT-DETR).
	Projects bool
	Act      ops.Activation // of the stem and after each block
	Inner    ops.Activation // within blocks
	Classes  int            // 0: no head

	Labels []string // by class, or nil
	Scores nn.Scores
	Notes  []string // on how the checkpoint was read
}

// Stage is a sequence of blocks of one width.
type Stage struct {
	Depth  int // blocks
	Inner  int // channels within a block
	Out    int // channels after each block
	Stride int // of the first block
}

// eps and momentum of all batch norms: PyTorch's defaults.
const (
	eps      = 1e-5
	momentum = 0.1
)

// Standard are the sizes of He et al. (table 1 and section 4.2), Zagoruyko and
// Komodakis, and Xie et al., under torchvision's names at 224×224 with 1000
// classes, and resnet20 … resnet56 for CIFAR-10.
func Standard(name string) (Config, bool) {
	if depth, ok := cifarDepths[name]; ok {
		return Config{Image: ops.Square(cifarSide), Channels: 3, Stem: 16, Small: true, Groups: 1, Identity: true, Act: ops.ReLU, Inner: ops.ReLU, Classes: 10,
			Stages: []Stage{{depth, 16, 16, 1}, {depth, 32, 32, 2}, {depth, 64, 64, 2}}}, true
	}
	s, ok := imageNetSizes[name]
	c := Config{Image: ops.Square(imageNetSide), Channels: 3, Stem: 64, Bottleneck: s.bottleneck, Groups: s.groups, Act: ops.ReLU, Inner: ops.ReLU, Classes: 1000}
	for i, depth := range s.depths {
		stage := Stage{Depth: depth, Inner: s.groups * s.width << i, Out: 64 << i, Stride: 2}
		if s.bottleneck {
			stage.Out *= 4
		}
		if i == 0 {
			stage.Stride = 1
		}
		c.Stages = append(c.Stages, stage)
	}
	return c, ok
}

// Sides of the pictures that the networks were published for, pixels.
const (
	imageNetSide = 224
	cifarSide    = 32
)

// cifarDepths are the blocks of each of three stages: (layers − 2) / 6.
var cifarDepths = map[string]int{"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9}

// imageNetSizes are the blocks of the four stages, and the groups of the first
// one's 3×3 convolutions with the channels of each.
var imageNetSizes = map[string]struct {
	depths        [4]int
	bottleneck    bool
	groups, width int
}{
	"resnet18":         {[4]int{2, 2, 2, 2}, false, 1, 64},
	"resnet34":         {[4]int{3, 4, 6, 3}, false, 1, 64},
	"resnet50":         {[4]int{3, 4, 6, 3}, true, 1, 64},
	"resnet101":        {[4]int{3, 4, 23, 3}, true, 1, 64},
	"resnet152":        {[4]int{3, 8, 36, 3}, true, 1, 64},
	"wide_resnet50_2":  {[4]int{3, 4, 6, 3}, true, 1, 128},
	"wide_resnet101_2": {[4]int{3, 4, 23, 3}, true, 1, 128},
	"resnext50_32x4d":  {[4]int{3, 4, 6, 3}, true, 32, 4},
	"resnext101_32x8d": {[4]int{3, 4, 23, 3}, true, 32, 8},
	"resnext101_64x4d": {[4]int{3, 4, 23, 3}, true, 64, 4},
}

// StandardNames are the names of [Standard].
func StandardNames() []string {
	return []string{
		"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2",
		"resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d",
		"resnet20", "resnet32", "resnet44", "resnet56",
	}
}

// Published is the name of the published architecture whose channels and depths
// c has, "" if it is none's.
func (c Config) Published() string {
	for _, name := range StandardNames() {
		p, _ := Standard(name)
		if c.Stem == p.Stem && c.Deep == nil && !c.AvgDown && c.Small == p.Small && c.Bottleneck == p.Bottleneck && c.Groups == p.Groups && slices.Equal(c.Stages, p.Stages) {
			return name
		}
	}
	return ""
}

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"num_channels": c.Channels, "embedding_size": c.Stem, "image height": c.Image[0], "image width": c.Image[1], "number of stages": len(c.Stages), "number of groups": c.Groups}
	for i, width := range c.Deep {
		sizes[fmt.Sprintf("width of the stem's convolution %d", i)] = width
	}
	for i, s := range c.Stages {
		stage := fmt.Sprintf("stage %d's ", i)
		sizes[stage+"depth"], sizes[stage+"width"], sizes[stage+"width within blocks"] = s.Depth, s.Out, s.Inner
	}
	for name, v := range sizes {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the network's %s is %d; expected 1 to %d", name, v, 1<<16)
		}
	}
	in := c.Stem
	for i, s := range c.Stages {
		if c.Bottleneck && s.Inner%c.Groups != 0 {
			return fmt.Errorf("stage %d's 3x3 convolutions have %d channels, which do not make the %d groups of the first stage's", i, s.Inner, c.Groups)
		}
		if grown := s.Out - in; c.Identity && (grown < 0 || grown%2 != 0) {
			return fmt.Errorf("stage %d makes %d channels of %d; without a projection as many zeros go on both sides", i, s.Out, in)
		}
		in = s.Out
	}
	return nil
}

// projects says whether the first block of stage s changes the shape, so that
// its shortcut must too.
func (c Config) projects(s int) bool {
	return c.width(s-1) != c.Stages[s].Out || c.Stages[s].Stride != 1
}

// width is the channels after stage s, or after the stem for −1.
func (c Config) width(s int) int {
	if s < 0 {
		return c.Stem
	}
	return c.Stages[s].Out
}
