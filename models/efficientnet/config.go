package efficientnet

import (
	"fmt"

	"saccade/models/nn"
	"saccade/ops"
)

// Config is what a network's size depends on.
type Config struct {
	Image    [2]int // height and width that it was trained on, pixels; others can be given
	Channels int
	Stem     int // channels of the first convolution
	Pad      Padding
	Stages   [][]BlockConfig
	Features int  // channels of the last convolution
	MaxPool  bool // the head gets their maxima, not their means
	Classes  int  // 0: no head
	Act      ops.Activation
	Eps      float64 // of the batch norms

	Labels       []string // by class, or nil
	Scores       nn.Scores
	Notes        []string // on how the checkpoint was read
	Architecture string   // torchvision's name of the published one that it is, or ""
}

// note adds a note, if there is one.
func (c *Config) note(text string) {
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

// maxSize bounds what a checkpoint may ask for.
const maxSize = 1 << 16

// check refuses what no network can be made of.
func (c Config) check() error {
	if err := positive("", map[string]int{"channels of pictures": c.Channels, "image height": c.Image[0], "image width": c.Image[1],
		"channels of the stem": c.Stem, "channels of the last convolution": c.Features}); err != nil {
		return err
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
	if err := positive(of, map[string]int{"kernel": b.Kernel, "stride": b.Stride, "channels within": b.Expanded, "channels": b.Out}); err != nil {
		return err
	}
	switch {
	case b.Kernel%2 == 0 || b.Kernel > 31:
		return fmt.Errorf("%skernel is %d; it must be odd and at most 31", of, b.Kernel)
	case b.Stride > 2:
		return fmt.Errorf("%sstride is %d; it must be 1 or 2", of, b.Stride)
	case b.Squeeze < 0 || b.Squeeze > maxSize:
		return fmt.Errorf("%schannels in the squeeze-and-excitation are %d; they must be 1 to %d", of, b.Squeeze, maxSize)
	case b.Skip && (b.Stride != 1 || b.Out != in):
		return fmt.Errorf("%sinput of %d channels cannot be added to its output of %d with stride %d", of, in, b.Out, b.Stride)
	}
	return nil
}

func positive(of string, sizes map[string]int) error {
	for name, v := range sizes {
		if v < 1 || v > maxSize {
			return fmt.Errorf("%s%s is %d; it must be 1 to %d", of, name, v, maxSize)
		}
	}
	return nil
}

// least is the height and width of the smallest image that goes through: one
// pixel, but where a stride of two leaves out the first column.
func (c Config) least() [2]int {
	n := 1
	for _, blocks := range c.Stages {
		for _, b := range blocks {
			if b.Stride == 2 && b.Pad == Shifted {
				n = min(2*n, maxSize)
			}
		}
	}
	if c.Pad == Shifted {
		n *= 2
	}
	return [2]int{n, n}
}
