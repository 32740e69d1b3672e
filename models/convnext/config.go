package convnext

import (
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// Config is what a network's size depends on.
type Config struct {
	Image     [2]int // height and width that it was trained on, pixels; others can be given
	Channels  int
	Stem      []StemConv
	StemAct   bool // an activation between the stem's convolutions
	Stages    []StageConfig
	ConvBias  bool // of the convolutions
	GRN       bool // V2
	NormFirst bool // the last norm is of the map, not of its mean
	Backbone  bool // of another network: without the last norm
	Hidden    int  // width of a layer before the classifier; 0: none
	Classes   int  // 0: no head
	Act       ops.Activation
	Eps       float64 // of the layer norms but the last
	HeadEps   float64 // of the last

	Labels       []string // by class, or nil
	Scores       nn.Scores
	Notes        []string           // on how the checkpoint was read
	Architecture string             // the published one that it is, or ""
	Processor    *picture.Processor // of a checkpoint that states none, or nil: the architecture's
}

// StemConv is one of the first convolutions. One whose windows overlap is padded.
type StemConv struct{ Width, Kernel, Stride int }

// StageConfig is the size of a stage.
type StageConfig struct {
	Down   int // kernel and stride of the convolution before it; 0: none
	Width  int
	Inner  int // of the perceptrons
	Kernel int // of the depthwise convolutions
	Depth  int
}

// The eps of the layer norms of all libraries, but where a config says otherwise.
const defaultEps = 1e-6

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"num_channels": c.Channels, "image height": c.Image[0], "image width": c.Image[1], "number of stages": len(c.Stages)}
	for i, s := range c.Stem {
		of := fmt.Sprintf("stem's convolution %d's ", i)
		sizes[of+"width"], sizes[of+"kernel"] = s.Width, s.Kernel
	}
	for i, s := range c.Stages {
		of := fmt.Sprintf("stage %d's ", i)
		sizes[of+"width"], sizes[of+"inner width"], sizes[of+"depth"], sizes[of+"kernel"] = s.Width, s.Inner, s.Depth, s.Kernel
		if s.Kernel%2 == 0 || s.Kernel > 31 {
			return fmt.Errorf("stage %d's kernels are of %d pixels; they must be odd and at most 31", i, s.Kernel)
		}
	}
	for name, v := range sizes {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the network's %s is %d; expected 1 to %d", name, v, 1<<16)
		}
	}
	for name, eps := range map[string]float64{"layer norms": c.Eps, "last layer norm": c.HeadEps} {
		if !(eps > 0 && eps < 1) { // NaN too
			return fmt.Errorf("the eps of the %s is %g; it must be between 0 and 1", name, eps)
		}
	}
	return nil
}

// layers makes the network.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{Features: "features", HeadInputs: []string{"pooled"}}
	if m.Head == nil {
		image.Features, image.HeadInputs = "last_hidden_state", nil
	}
	if c.NormFirst && c.Hidden == 0 {
		image.MeanHead = m.Head
	}
	return nn.OfImages(m, c.Channels, c.Image, ops.Square(c.Least()), image, m.Forward), nil
}

// Least is the side of the smallest image of which each convolution leaves a pixel.
func (c Config) Least() int {
	n := 1
	for _, s := range slices.Backward(c.Stages) {
		n *= max(1, s.Down)
	}
	for _, s := range slices.Backward(c.Stem) {
		if s.Kernel > s.Stride {
			n = (n-1)*s.Stride + s.Kernel - 2*(s.Kernel/2)
		} else {
			n = (n-1)*s.Stride + s.Kernel
		}
	}
	return max(1, n)
}

// fromTensors reads the sizes that tensors of this package's names tell. A size whose
// tensor is missing is zero, which check refuses, or for binding to report.
func fromTensors(src weights.Source) Config {
	c := Config{Channels: checkpoint.Dim(src, "stem.0.weight", 1), ConvBias: checkpoint.Has(src, "stem.0.bias"), GRN: checkpoint.Has(src, "stages.0.blocks.0.grn.weight"),
		Hidden: checkpoint.Rows(src, "hidden.weight"), Classes: checkpoint.Rows(src, "head.weight"), Act: ops.GELU, Eps: defaultEps, HeadEps: defaultEps}
	for i := 0; checkpoint.Has(src, fmt.Sprintf("stem.%d.weight", i)); i++ {
		name := fmt.Sprintf("stem.%d.weight", i)
		s := StemConv{Width: checkpoint.Rows(src, name), Kernel: checkpoint.Dim(src, name, 2)}
		if s.Stride = s.Kernel; s.Kernel == 3 { // those that overlap
			s.Stride = 2
		}
		c.Stem = append(c.Stem, s)
	}
	for i := 0; checkpoint.Has(src, fmt.Sprintf("stages.%d.blocks.0.depthwise.weight", i)); i++ {
		stage := fmt.Sprintf("stages.%d.", i)
		s := StageConfig{Down: checkpoint.Dim(src, stage+"down.conv.weight", 2), Width: checkpoint.Rows(src, stage+"blocks.0.depthwise.weight"),
			Kernel: checkpoint.Dim(src, stage+"blocks.0.depthwise.weight", 2), Inner: checkpoint.Rows(src, stage+"blocks.0.fc1.weight")}
		for checkpoint.Has(src, fmt.Sprintf("%sblocks.%d.depthwise.weight", stage, s.Depth)) {
			s.Depth++
		}
		c.Stages = append(c.Stages, s)
	}
	return c
}

// sameSizes compares what tensors tell, but for classes and channels of the picture.
func (c Config) sameSizes(with Config) bool {
	return slices.Equal(c.Stem, with.Stem) && slices.Equal(c.Stages, with.Stages) && c.GRN == with.GRN && c.NormFirst == with.NormFirst && c.Hidden == with.Hidden
}
