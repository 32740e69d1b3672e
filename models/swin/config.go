package swin

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// Config is what a network's size depends on.
type Config struct {
	V2         bool
	Image      [2]int // height and width that it was trained on, pixels
	FixedImage bool   // others can't be given
	Channels   int
	Patch      [2]int
	PadPatches bool // the picture is filled up to whole patches; else what is beyond them is left out
	// WholePatches says that pictures must be of whole patches.
	WholePatches bool
	Width        int // of the first stage
	Stages       []StageConfig
	RollFirst    bool    // a shifted map is rolled before it is filled up to whole windows, not after
	Unshift      Unshift // where one window holds all
	Backbone     bool    // of another network: without the last norm
	QKVBias      bool
	Classes      int // 0: no head
	Act          ops.Activation
	Eps          float64 // of the layer norms of blocks and the last

	Labels       []string // by class, or nil
	Scores       nn.Scores
	Notes        []string           // on how the checkpoint was read
	Architecture string             // the published one that it is, or ""
	Processor    *picture.Processor // of a checkpoint that states none, or nil: the architecture's
}

// Unshift is when windows are not shifted although a block is one whose are.
type Unshift int

// The ways.
const (
	Never Unshift = iota // the configuration's shift is for maps of any size: timm, transformers' V2
	Each                 // along each axis of which a window holds all: torchvision
	Both                 // along both where a window holds all of one: transformers' V1
)

// StageConfig is the size of a stage.
type StageConfig struct {
	Depth, Width, Inner, Heads int
	Window                     [2]int
	Shift                      [2]int // of every second block
	Pretrained                 [2]int // the window whose distances V2's bias is of; 0: Window
}

// edgeEps is the eps of the layer norms of patches and mergings, PyTorch's default.
const edgeEps = 1e-5

// setWindow sets a stage's window with the usual shift.
func (s *StageConfig) setWindow(window [2]int) {
	s.Window, s.Shift = window, [2]int{window[0] / 2, window[1] / 2}
}

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"num_channels": c.Channels, "image height": c.Image[0], "image width": c.Image[1], "patch height": c.Patch[0], "patch width": c.Patch[1],
		"width": c.Width, "number of stages": len(c.Stages)}
	for i, s := range c.Stages {
		of := fmt.Sprintf("stage %d's ", i)
		sizes[of+"width"], sizes[of+"inner width"], sizes[of+"depth"], sizes[of+"number of heads"] = s.Width, s.Inner, s.Depth, s.Heads
		sizes[of+"window height"], sizes[of+"window width"] = s.Window[0], s.Window[1]
	}
	for name, v := range sizes {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the network's %s is %d; expected 1 to %d", name, v, 1<<16)
		}
	}
	for i, s := range c.Stages {
		switch {
		case s.Width%s.Heads != 0:
			return fmt.Errorf("stage %d's width of %d does not make its %d heads", i, s.Width, s.Heads)
		case max(s.Window[0], s.Window[1]) > 64:
			return fmt.Errorf("stage %d's windows are of %v tokens; at most 64 a side are supported", i, s.Window)
		case s.Shift[0] < 0 || s.Shift[0] >= s.Window[0] || s.Shift[1] < 0 || s.Shift[1] >= s.Window[1]:
			return fmt.Errorf("stage %d's windows of %v tokens are shifted by %v; expected less", i, s.Window, s.Shift)
		}
	}
	if !(c.Eps > 0 && c.Eps < 1) { // NaN too
		return fmt.Errorf("the eps of the layer norms is %g; it must be between 0 and 1", c.Eps)
	}
	return nil
}

// layers makes the network.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{MeanHead: m.Head, Features: "features", HeadInputs: []string{"pooled"}}
	if m.Head == nil {
		image.Features, image.HeadInputs = "last_hidden_state", nil
	}
	l := nn.OfImages(m, c.Channels, c.Image, c.least(), image, m.Forward)
	n := l.Networks[0]
	if c.FixedImage {
		for i, size := range c.Image {
			n.Inputs[0].Dims[2+i].Least, n.Inputs[0].Dims[2+i].Most = size, size
		}
	}
	if c.WholePatches {
		n.Check = func(sizes map[string]int) error {
			if h, w := sizes["H"], sizes["W"]; h%c.Patch[0] != 0 || w%c.Patch[1] != 0 {
				return fmt.Errorf("a picture of %d×%d is not of whole patches of %d×%d", h, w, c.Patch[0], c.Patch[1])
			}
			return nil
		}
	}
	return l, nil
}

// least is the height and width of the smallest picture that goes through: of a patch,
// and where transformers' V1 takes no smaller maps, of a window in each stage.
func (c Config) least() (least [2]int) {
	for axis := range least {
		n := 1
		if c.Unshift == Both {
			for i := len(c.Stages) - 1; i >= 0; i-- {
				if n = max(n, c.Stages[i].Window[axis]); i > 0 {
					n = 2*n - 1
				}
			}
		}
		if least[axis] = n * c.Patch[axis]; c.PadPatches {
			least[axis] = (n-1)*c.Patch[axis] + 1
		}
	}
	return least
}

// fromTensors reads the sizes that tensors of this package's names tell: all but windows.
// A size whose tensor is missing is zero, which check refuses, or for binding to report.
func fromTensors(src weights.Source) Config {
	c := Config{Channels: checkpoint.Dim(src, "patch.weight", 1), Patch: [2]int{checkpoint.Dim(src, "patch.weight", 2), checkpoint.Dim(src, "patch.weight", 3)}, Width: checkpoint.Dim(src, "patch.weight", 0),
		Classes: checkpoint.Dim(src, "head.weight", 0), Act: ops.GELU, Eps: edgeEps, V2: checkpoint.Has(src, "stages.0.blocks.0.bias.scale")}
	c.QKVBias = checkpoint.Has(src, "stages.0.blocks.0.qkv.bias") || checkpoint.Has(src, "stages.0.blocks.0.q.bias")
	for i := 0; checkpoint.Has(src, fmt.Sprintf("stages.%d.blocks.0.proj.weight", i)); i++ {
		first := fmt.Sprintf("stages.%d.blocks.0.", i)
		s := StageConfig{Width: checkpoint.Dim(src, first+"proj.weight", 0), Inner: checkpoint.Dim(src, first+"fc1.weight", 0), Heads: checkpoint.Dim(src, first+"bias.values", 1)}
		if c.V2 {
			s.Heads = checkpoint.Dim(src, first+"bias.scale", 0)
		}
		for checkpoint.Has(src, fmt.Sprintf("stages.%d.blocks.%d.proj.weight", i, s.Depth)) {
			s.Depth++
		}
		c.Stages = append(c.Stages, s)
	}
	return c
}

// sameSizes compares what tensors tell, but for classes and channels of the picture.
func (c Config) sameSizes(with Config) bool {
	if c.V2 != with.V2 || c.Width != with.Width || c.Patch != with.Patch || len(c.Stages) != len(with.Stages) {
		return false
	}
	for i, s := range c.Stages {
		if t := with.Stages[i]; s.Depth != t.Depth || s.Width != t.Width || s.Inner != t.Inner || s.Heads != t.Heads {
			return false
		}
	}
	return true
}
