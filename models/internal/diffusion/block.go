package diffusion

import (
	"saccade/gpu"
	"saccade/ops"
)

// Config is what all blocks of a network have in common.
type Config struct {
	Groups int     // of the group norms
	Eps    float64 // of those
	Act    ops.Activation
	Time   int // width of the time's embedding, 0: the network knows no time
}

// Block is the residual block (ResnetBlock2D): two convolutions, each behind a
// norm, beside a shortcut. The time is added between them.
type Block struct {
	Norm1    ops.GroupNorm `w:"norm1"`
	Conv1    ops.Conv2d    `w:"conv1"`
	Time     *ops.Linear   `w:"time_emb_proj"` // nil without a time
	Norm2    ops.GroupNorm `w:"norm2"`
	Conv2    ops.Conv2d    `w:"conv2"`
	Shortcut *ops.Conv2d   `w:"conv_shortcut"` // nil: the input itself

	act ops.Activation
}

// NewBlock makes a block of in to out channels.
func NewBlock(b *ops.Builder, c Config, in, out int) Block {
	first, second := Conv3(in, out), Conv3(out, out)
	first.Exact, second.Exact = c.Time == 0, c.Time == 0 // an autoencoder
	block := Block{
		Norm1: b.GroupNorm(c.Groups, in, c.Eps),
		Conv1: b.Conv2d(first),
		Norm2: b.GroupNorm(c.Groups, out, c.Eps),
		Conv2: b.Conv2d(second),
		act:   c.Act,
	}
	if c.Time > 0 {
		l := b.Linear(c.Time, out, true)
		block.Time = &l
	}
	if in != out {
		conv := b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Bias: true})
		block.Shortcut = &conv
	}
	return block
}

// Conv3 is a 3×3 convolution that keeps the size.
func Conv3(in, out int) ops.Conv {
	return ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Pad: ops.Pad(1), Bias: true}
}

// Forward is f(x, time) + shortcut(x). x: [N, H, W, in], time: [N, E] or nil.
func (b *Block) Forward(r *gpu.Recorder, x, time *gpu.Tensor) *gpu.Tensor {
	h := b.Conv1.Forward(r, b.Norm1.Forward(r, x, b.act))
	if b.Time != nil {
		h = b.Norm2.ForwardShifted(r, h, b.Time.Forward(r, time), b.act)
	} else {
		h = b.Norm2.Forward(r, h, b.act)
	}
	if b.Shortcut != nil {
		x = b.Shortcut.Forward(r, x)
	}
	return b.Conv2.Forward(r, h, ops.Residual(x))
}
