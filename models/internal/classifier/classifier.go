// Package classifier is how AlexNet and VGG end: three dense layers over a map
// that is pooled to a fixed size.
package classifier

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// Config is what the layers' sizes depend on.
type Config struct {
	Channels int    // of the map
	Side     int    // of the map that the first layer takes, pixels
	Hidden   [2]int // widths of the first and the second layer
	Classes  int
}

// Model is the three layers, with ReLU between them.
type Model struct {
	FC1  ops.Linear `w:"fc1"`
	FC2  ops.Linear `w:"fc2"`
	Head ops.Linear `w:"head"`

	side int
}

// New makes the layers.
func New(b *ops.Builder, c Config) Model {
	pixels := c.Side * c.Side
	return Model{
		FC1:  b.Linear(pixels*c.Channels, c.Hidden[0], true, ops.Grouped{In: pixels}),
		FC2:  b.Linear(c.Hidden[0], c.Hidden[1], true),
		Head: b.Linear(c.Hidden[1], c.Classes, true),
		side: c.Side,
	}
}

// Forward pools x [N, H, W, C] to the fixed size and gives logits [N, classes].
func (m *Model) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = ops.AdaptiveAvgPool(r, x, m.side, m.side)
	r.TapNCHW("pooled", x)
	x = m.FC1.Forward(r, ops.Flatten(r, x), ops.Then(ops.ReLU)) // [N hidden]
	x = m.FC2.Forward(r, x, ops.Then(ops.ReLU))                 // [N hidden]
	return m.Head.Forward(r, x)
}

// Sizes reads the sizes that the layers of those names have behind a map of so
// many channels, and shows the weight of the first as [Model] takes it.
func Sizes(src weights.Source, channels int, fc1, fc2, head string) (Config, weights.Source, error) {
	first, ok := src.Tensor(fc1 + ".weight")
	if !ok || len(first.Shape) < 2 || first.Shape[0] < 1 || channels < 1 {
		return Config{}, nil, fmt.Errorf("the checkpoint has no weight %s.weight of a classifier's first layer", fc1)
	}
	pixels := first.Len() / first.Shape[0] / channels
	side := int(math.Round(math.Sqrt(float64(pixels))))
	if side < 1 || first.Len() != first.Shape[0]*channels*side*side {
		return Config{}, nil, fmt.Errorf("%s.weight: found %v; with the %d channels of the last convolution it makes no square map", fc1, first.Shape, channels)
	}
	c := Config{Channels: channels, Side: side,
		Hidden:  [2]int{first.Shape[0], checkpoint.Rows(src, fc2+".weight")},
		Classes: checkpoint.Rows(src, head+".weight")}
	for name, v := range map[string]int{fc2: c.Hidden[1], head: c.Classes} {
		if v < 1 {
			return Config{}, nil, fmt.Errorf("the checkpoint has no weight %s.weight of the classifier", name)
		}
	}
	src = weights.PixelsFirst(src, side*side, fc1+".weight")
	return c, weights.PixelsFirst(src, 1, fc2+".weight"), nil
}

// Names are the rules that bring such layers' names to those of a Model at path.
func Names(path, fc1, fc2, head string) []weights.Rule {
	return []weights.Rule{
		{From: fc1 + ".*", To: path + ".fc1.*"},
		{From: fc2 + ".*", To: path + ".fc2.*"},
		{From: head + ".*", To: path + ".head.*"},
	}
}
