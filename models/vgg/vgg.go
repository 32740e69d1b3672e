// Package vgg is VGG (Simonyan and Zisserman 2014, "Very Deep Convolutional
// Networks for Large-Scale Image Recognition"), with and without batch norms,
// with the checkpoints of torchvision and timm.
//
// vgg.go is the network, config.go its sizes, checkpoint.go where they come
// from. Loading files, preprocessing and labels are package models' business.
package vgg

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/classifier"
	"saccade/ops"
)

// Model is a VGG.
type Model struct {
	Config

	Stages     [][]ops.Conv2d   `w:"stages"`
	Classifier classifier.Model `w:"classifier"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) *Model {
	m := &Model{Config: c, Classifier: classifier.New(b, c.Classifier)}
	conv := ops.Conv{In: c.Channels, Kernel: ops.Square(3), Pad: ops.Pad(1), Bias: true}
	if c.Norm {
		conv.Norm = eps
	}
	for _, widths := range c.Stages {
		var stage []ops.Conv2d
		for _, width := range widths {
			conv.Out = width
			stage = append(stage, b.Conv2d(conv))
			conv.In = width
		}
		m.Stages = append(m.Stages, stage)
	}
	return m
}

// Forward records the network on images [N, C, H, W]: stages of convolutions,
// each followed by a max pooling, then the classifier. Its output is logits
// [N, classes].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := pixels
	for s, stage := range m.Stages {
		for i := range stage {
			x = stage[i].Forward(r, x, ops.Then(ops.ReLU)) // [N h w width]
		}
		x = ops.MaxPool(r, x, ops.Pool{Kernel: ops.Square(2), Stride: ops.Square(2)})
		r.TapNCHW(fmt.Sprintf("layer.%d", s), x)
	}
	if side := m.Config.Classifier.Side; m.Slides && (x.Shape[1] > side || x.Shape[2] > side) {
		r.Fail(fmt.Errorf("timm slides the classifier over maps of more than %dx%d, which is not supported; pictures of at most %dx%d are", side, side, m.largest(), m.largest()))
		return
	}
	r.Output("logits", m.Classifier.Forward(r, x))
}
