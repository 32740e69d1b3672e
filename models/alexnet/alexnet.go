// Package alexnet is AlexNet in the form of Krizhevsky 2014, "One weird trick
// for parallelizing convolutional neural networks", with torchvision's
// checkpoints.
//
// alexnet.go is the network, checkpoint.go finds its sizes. Loading files,
// preprocessing and labels are package models' business.
package alexnet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/classifier"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Channels   int
	Widths     [5]int // channels after each convolution
	Classifier classifier.Config
}

// Standard is the published size, at 224×224 with 1000 classes.
func Standard() Config {
	return Config{Channels: 3, Widths: [5]int{64, 192, 384, 256, 256},
		Classifier: classifier.Config{Channels: 256, Side: 6, Hidden: [2]int{4096, 4096}, Classes: 1000}}
}

// Model is an AlexNet.
type Model struct {
	Config

	Conv1      ops.Conv2d       `w:"conv1"`
	Conv2      ops.Conv2d       `w:"conv2"`
	Conv3      ops.Conv2d       `w:"conv3"`
	Conv4      ops.Conv2d       `w:"conv4"`
	Conv5      ops.Conv2d       `w:"conv5"`
	Classifier classifier.Model `w:"classifier"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) *Model {
	conv := func(in, out, kernel, stride, pad int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Stride: ops.Square(stride), Pad: ops.Pad(pad), Bias: true})
	}
	w := c.Widths
	return &Model{
		Config:     c,
		Conv1:      conv(c.Channels, w[0], stemKernel, 4, 2),
		Conv2:      conv(w[0], w[1], 5, 1, 2),
		Conv3:      conv(w[1], w[2], 3, 1, 1),
		Conv4:      conv(w[2], w[3], 3, 1, 1),
		Conv5:      conv(w[3], w[4], 3, 1, 1),
		Classifier: classifier.New(b, c.Classifier),
	}
}

// stemKernel is the side of the first convolution's filter.
const stemKernel = 11

// Forward records the network on images [N, C, H, W]; its output is logits
// [N, classes].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	pools := 0
	pool := func(x *gpu.Tensor) *gpu.Tensor {
		x = ops.MaxPool(r, x, ops.Pool{Kernel: ops.Square(3), Stride: ops.Square(2)})
		r.TapNCHW(fmt.Sprintf("layer.%d", pools), x)
		pools++
		return x
	}
	relu := ops.Then(ops.ReLU)
	x := pool(m.Conv1.Forward(r, pixels, relu))
	x = pool(m.Conv2.Forward(r, x, relu))
	x = m.Conv3.Forward(r, x, relu)
	x = m.Conv4.Forward(r, x, relu)
	x = pool(m.Conv5.Forward(r, x, relu))
	r.Output("logits", m.Classifier.Forward(r, x))
}

// smallest is the side of the least image of which the last pooling still has a
// window: three maps of (size − 3) / 2 + 1 pixels behind one of (size + 4 − 11) / 4 + 1.
const smallest = 63
