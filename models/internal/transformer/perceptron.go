package transformer

import (
	"saccade/gpu"
	"saccade/ops"
)

// Perceptron is linear layers with ReLUs between them: the heads of detectors.
type Perceptron struct {
	Layers []ops.Linear `w:"layers"`
}

// NewPerceptron makes one of those widths, the input's first.
func NewPerceptron(b *ops.Builder, widths ...int) *Perceptron {
	p := &Perceptron{}
	for i, out := range widths[1:] {
		p.Layers = append(p.Layers, b.Linear(widths[i], out, true))
	}
	return p
}

// Forward is the layers on x [..., In]; last is what is done to the last one's result.
func (p *Perceptron) Forward(r *gpu.Recorder, x *gpu.Tensor, last ...ops.Epilogue) *gpu.Tensor {
	end := len(p.Layers) - 1
	for i := range p.Layers[:end] {
		x = p.Layers[i].Forward(r, x, ops.Then(ops.ReLU))
	}
	return p.Layers[end].Forward(r, x, last...)
}
