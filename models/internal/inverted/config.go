package inverted

import (
	"fmt"
	"slices"

	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// Config is what a network's size depends on.
type Config struct {
	Image    [2]int // height and width that it was trained on, pixels; others can be given
	Channels int
	Stem     int // channels of the first convolution
	Pad      Padding
	Stages   [][]BlockConfig
	Features int     // channels of the last convolution
	MaxPool  bool    // the head gets their maxima, not their means
	Hidden   int     // width of a layer between pooling and classifier; 0: none
	Classes  int     // 0: no head
	Eps      float64 // of the batch norms
	Momentum float64 // of theirs in training: see [ops.Conv]

	Act ops.Activation // of the network but for the first ReLU stages, which have ReLU
	// Of a squeeze-and-excitation's layers.
	SqueezeAct, Gate ops.Activation
	ReLU             int

	Labels       []string // by class, or nil
	Scores       nn.Scores
	Notes        []string // on how the checkpoint was read
	Architecture string   // of the published one that it is, or ""
}

// SetPadding sets the way of all convolutions.
func (c *Config) SetPadding(p Padding) {
	c.Pad = p
	for _, blocks := range c.Stages {
		for i := range blocks {
			blocks[i].Pad = p
		}
	}
}

// activation is that of the blocks of a stage.
func (c Config) activation(stage int) ops.Activation {
	if stage < c.ReLU {
		return ops.ReLU
	}
	return c.Act
}

// Note adds a note, if there is one.
func (c *Config) Note(text string) {
	if text != "" {
		c.Notes = append(c.Notes, text)
	}
}

// BlockConfig is the size of one MBConv or FusedMBConv.
type BlockConfig struct {
	Fused    bool // one convolution in place of the expansion and the depthwise one
	Expand   bool // to other than the input's channels; a fused block without has no projection
	Kernel   int
	Stride   int
	Dilation int // of the kernel; 0 is 1
	Pad      Padding
	Expanded int // channels within
	Squeeze  int // channels within the squeeze-and-excitation; 0: none
	Out      int
	Skip     bool // add the input
}

// Padding is a library's way to pad a convolution.
type Padding int

// The ways. With stride 1 and odd kernels they are the same.
const (
	Symmetric Padding = iota // half a kernel on each side: torchvision, timm
	Same                     // as much as makes the output ⌈size/stride⌉: TensorFlow, timm's tf_ models
	Shifted                  // half a kernel, one less at the top and left with stride 2: transformers, which takes all pictures for even ones
)

// zeros are those around the input of a block's spatial convolution.
func (b BlockConfig) zeros() ops.Padding {
	if b.Dilation > 1 && b.Pad != Same { // never with a stride
		return ops.Pad(b.Kernel / 2 * b.Dilation)
	}
	return b.Pad.zeros(b.Kernel, b.Stride)
}

// zeros are those around the input of a convolution.
func (p Padding) zeros(kernel, stride int) ops.Padding {
	half := kernel / 2
	switch {
	case p == Same:
		return ops.Padding{Same: true}
	case p == Shifted && stride == 2:
		return ops.Padding{Top: half - 1, Left: half - 1, Bottom: half, Right: half}
	}
	return ops.Pad(half)
}

// MaxSize bounds what a checkpoint may ask for.
const MaxSize = 1 << 16

// check refuses what no network can be made of.
func (c Config) check() error {
	if err := Positive("", map[string]int{"channels of pictures": c.Channels, "image height": c.Image[0], "image width": c.Image[1],
		"channels of the stem": c.Stem, "channels of the last convolution": c.Features}); err != nil {
		return err
	}
	if c.Hidden < 0 || c.Hidden > MaxSize {
		return fmt.Errorf("the head's hidden layer is %d wide; it must be at most %d", c.Hidden, MaxSize)
	}
	if !(c.Eps > 0 && c.Eps < 1) { // NaN too
		return fmt.Errorf("the batch norms' eps is %g; it must be between 0 and 1", c.Eps)
	}
	if len(c.Stages) == 0 {
		return fmt.Errorf("the network has no blocks")
	}
	in := c.Stem
	for s, blocks := range c.Stages {
		for i, b := range blocks {
			if err := b.check(fmt.Sprintf("block %d.%d's ", s, i), in); err != nil {
				return err
			}
			in = b.Out
		}
	}
	return nil
}

func (b BlockConfig) check(of string, in int) error {
	if err := Positive(of, map[string]int{"kernel": b.Kernel, "stride": b.Stride, "channels within": b.Expanded, "channels": b.Out}); err != nil {
		return err
	}
	switch {
	case b.Kernel%2 == 0 || b.Kernel > 31:
		return fmt.Errorf("%skernel is %d; it must be odd and at most 31", of, b.Kernel)
	case b.Dilation < 0 || b.Dilation > 1 && b.Stride > 1:
		return fmt.Errorf("%sdilation is %d with stride %d; it must be positive, and 1 with a stride", of, b.Dilation, b.Stride)
	case b.Stride > 2:
		return fmt.Errorf("%sstride is %d; it must be 1 or 2", of, b.Stride)
	case b.Squeeze < 0 || b.Squeeze > MaxSize:
		return fmt.Errorf("%schannels in the squeeze-and-excitation are %d; they must be 1 to %d", of, b.Squeeze, MaxSize)
	case b.Skip && (b.Stride != 1 || b.Out != in):
		return fmt.Errorf("%sinput of %d channels cannot be added to its output of %d with stride %d", of, in, b.Out, b.Stride)
	}
	return nil
}

// Positive refuses sizes of what a text says that are none, in the first one's name.
func Positive(of string, sizes map[string]int) error {
	for name, v := range sizes {
		if v < 1 || v > MaxSize {
			return fmt.Errorf("%s%s is %d; it must be 1 to %d", of, name, v, MaxSize)
		}
	}
	return nil
}

// Least is the height and width of the smallest image that goes through: one
// pixel, but where a stride of two leaves out the first column.
func (c Config) Least() [2]int {
	n := 1
	for _, blocks := range c.Stages {
		for _, b := range blocks {
			if b.Stride == 2 && b.Pad == Shifted {
				n = min(2*n, MaxSize)
			}
		}
	}
	if c.Pad == Shifted {
		n *= 2
	}
	return [2]int{n, n}
}

// Depths are the blocks of each stage.
func (c Config) Depths() []int {
	var d []int
	for _, blocks := range c.Stages {
		d = append(d, len(blocks))
	}
	return d
}

// SameSizes compares what checkpoints of all libraries tell.
func (c Config) SameSizes(with Config) bool {
	if c.Stem != with.Stem || c.Features != with.Features || c.Hidden != with.Hidden || len(c.Stages) != len(with.Stages) {
		return false
	}
	for s, stage := range c.Stages {
		same := func(a, b BlockConfig) bool {
			return a.Fused == b.Fused && a.Kernel == b.Kernel && a.Expanded == b.Expanded && a.Out == b.Out && (a.Squeeze > 0) == (b.Squeeze > 0)
		}
		if !slices.EqualFunc(stage, with.Stages[s], same) {
			return false
		}
	}
	return true
}

// Scaled multiplies channels and rounds to the nearest multiple of divisor that
// is not less than least, nor than nine tenths of the product.
func Scaled(channels, width float64, divisor, least int) int {
	want := channels * width
	n := max(least, int(want+float64(divisor)/2)/divisor*divisor)
	if float64(n) < 0.9*want {
		n += divisor
	}
	return n
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{MeanHead: m.meanHead(), Features: "features", HeadInputs: []string{"pooled"}}
	if m.Classifier == nil {
		image.Features, image.HeadInputs = "last_hidden_state", nil
	}
	l := nn.OfImages(m, c.Channels, c.Image, c.Least(), image, m.Forward)
	l.Classes = c.Classes
	return l, nil
}

// Description is what a checkpoint of these sizes says of its module.
func (c Config) Description(named weights.Source) *nn.Description {
	return &nn.Description{Tensors: named, Make: c.Layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes, Architecture: c.Architecture}
}
