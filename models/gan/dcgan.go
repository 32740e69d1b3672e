package gan

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// DCGANConfig is what a DCGAN's size depends on.
type DCGANConfig struct {
	Latent int
	Layers []DCGANLayer
}

// DCGANLayer is a transposed convolution to so many channels, which may have a bias and a batch
// norm behind it.
type DCGANLayer struct {
	Width      int
	Bias, Norm bool
}

// The kernel of all convolutions, and torch's eps of batch norms.
const (
	dcganKernel = 4
	dcganEps    = 1e-5
)

// DCGAN is transposed convolutions in a row: the first makes a map of 4×4 pixels of one, the
// others double it.
type DCGAN struct {
	Main []ops.ConvTranspose2d `w:"layers"`
}

func newDCGAN(b *ops.Builder, c DCGANConfig) *DCGAN {
	m := &DCGAN{}
	in := c.Latent
	for i, l := range c.Layers {
		conv := ops.ConvTranspose{In: in, Out: l.Width, Kernel: ops.Square(dcganKernel), Bias: l.Bias}
		if i > 0 {
			conv.Stride, conv.Pad = ops.Square(2), ops.Square(1)
		}
		if l.Norm {
			conv.Norm = dcganEps
		}
		m.Main = append(m.Main, b.ConvTranspose2d(conv))
		in = l.Width
	}
	return m
}

// Forward records the network on noise [N, Latent, 1, 1]: images [N, H, W, C] in [−1, 1].
func (m *DCGAN) Forward(r *gpu.Recorder, z *gpu.Tensor) *gpu.Tensor {
	x, last := ops.PackNCHW(r, z), len(m.Main)-1
	for i := range last {
		x = m.Main[i].Forward(r, x, ops.Then(ops.ReLU))
		r.TapNCHW(fmt.Sprintf("main.%d", i), x)
	}
	return m.Main[last].Forward(r, x, ops.Then(ops.Tanh))
}

// Layers makes the network.
func (c DCGANConfig) Make(b *ops.Builder) (*nn.Layers, error) {
	m := newDCGAN(b, c)
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
		Inputs: []nn.Input{{Name: Z, Dims: nn.Dims("N", c.Latent, 1, 1)}},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) { r.OutputNCHW(Image, m.Forward(r, in[Z])) },
	}}}, nil
}
