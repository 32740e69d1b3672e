package ops

import (
	"saccade/gpu"
	"saccade/weights"
)

// ConvTranspose2d is torch.nn.ConvTranspose2d whose stride is its kernel, so that no two
// blocks of its output meet: a linear layer from a pixel to the pixels of a block, which
// [DepthToSpace] puts in their places.
type ConvTranspose2d struct {
	In, Out int
	Kernel  [2]int // height and width, and the stride

	linear Linear
}

// ConvTranspose2d makes a layer of in to out channels.
func (b *Builder) ConvTranspose2d(in, out int, kernel [2]int) ConvTranspose2d {
	blocks := kernel[0] * kernel[1]
	return ConvTranspose2d{In: in, Out: out, Kernel: kernel, linear: b.Linear(in, blocks*out, true, Grouped{Out: blocks})}
}

func (c *ConvTranspose2d) setName(path string) {
	c.linear.setName(path)
	c.linear.folded = func() (w, bias []float32) {
		b := c.linear.b
		return c.rows(b.host(path+".weight", b.Precision)), c.biases(b.host(path+".bias", gpu.F32))
	}
}

// Params are weight [In, Out, h, w] and bias [Out].
func (c *ConvTranspose2d) Params() []weights.Param {
	return []weights.Param{
		{Name: "weight", Shape: []int{c.In, c.Out, c.Kernel[0], c.Kernel[1]}, Set: func(t *weights.Tensor) error {
			w, err := floats(t)
			if err != nil {
				return err
			}
			return c.linear.weight.Upload(func(dst []byte) error {
				return panelsOf(c.linear.weight.Type, &c.linear).pack(dst, filtersOf(c.rows(w), c.In))
			})
		}},
		{Name: "bias", Shape: []int{c.Out}, Set: func(t *weights.Tensor) error {
			v, err := floats(t)
			if err != nil {
				return err
			}
			return c.linear.uploadBias(c.biases(v))
		}},
	}
}

// rows is the weight as that of the linear layer, [h·w·Out, In].
func (c *ConvTranspose2d) rows(w []float32) []float32 {
	blocks := c.Kernel[0] * c.Kernel[1]
	rows := make([]float32, len(w))
	for i, v := range w {
		in, out, block := i/blocks/c.Out, i/blocks%c.Out, i%blocks
		rows[(block*c.Out+out)*c.In+in] = v
	}
	return rows
}

// biases is the bias once for each pixel of a block.
func (c *ConvTranspose2d) biases(v []float32) (all []float32) {
	for range c.Kernel[0] * c.Kernel[1] {
		all = append(all, v...)
	}
	return all
}

// Forward enlarges x [N, H, W, In], with what the options say: [N, h·H, w·W, Out].
func (c *ConvTranspose2d) Forward(r *gpu.Recorder, x *gpu.Tensor, options ...Epilogue) *gpu.Tensor {
	return DepthToSpace(r, c.linear.Forward(r, x, options...), c.Kernel)
}
