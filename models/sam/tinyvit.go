package sam

import (
	"fmt"
	"maps"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/windows"
	"saccade/ops"
)

// TinyViTConfig is what the size of a TinyViT depends on.
type TinyViTConfig struct {
	Channels int
	Stem     [2]int // widths of its two convolutions, of which the second's is the first stage's
	Convs    []int  // inner widths of the blocks of the first stage
	Stages   []TinyViTStage
	Out      int // channels of the map
}

// TinyViTStage is the size of a stage behind the first.
type TinyViTStage struct{ Depth, Width, Inner, Heads, Window, Kernel int }

// The eps of TinyViT's norms, PyTorch's defaults.
const (
	tinyEps      = 1e-5
	batchNormEps = 1e-5
)

// mapStep is the pixels a side of a picture to a token of the map.
const mapStep = 16

// usualSide is that of the pictures that MobileSAM was trained on, which no tensor tells.
const usualSide = 1024

func (c TinyViTConfig) image() int    { return 0 }
func (c TinyViTConfig) channels() int { return c.Channels }
func (c TinyViTConfig) side() int     { return 0 }
func (c TinyViTConfig) out() int      { return c.Out }

// check refuses what no network can be made of.
func (c TinyViTConfig) check() error {
	sizes := map[string]int{"number of channels": c.Channels, "channels of the map": c.Out, "width of the stem": min(c.Stem[0], c.Stem[1]), "depth of stage 0": len(c.Convs), "number of stages": len(c.Stages)}
	for i, s := range c.Stages {
		for name, n := range map[string]int{"width": s.Width, "depth": s.Depth, "inner width": s.Inner, "number of heads": s.Heads, "window": s.Window, "kernel": s.Kernel} {
			sizes[fmt.Sprintf("%s of stage %d", name, i+1)] = n
		}
	}
	for i, n := range c.Convs {
		sizes[fmt.Sprintf("inner width of stage 0's block %d", i)] = n
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if n := sizes[name]; n < 1 || n > 1<<16 {
			return fmt.Errorf("the encoder's %s is %d; expected 1 to %d", name, n, 1<<16)
		}
	}
	for i, s := range c.Stages {
		if s.Width%s.Heads != 0 || s.Window > 64 || s.Kernel%2 == 0 {
			return fmt.Errorf("stage %d of width %d has %d heads, windows of %d and a kernel of %d; expected heads that divide the width, at most 64 and an odd kernel", i+1, s.Width, s.Heads, s.Window, s.Kernel)
		}
	}
	return nil
}

// TinyViT is MobileSAM's picture encoder (Wu et al. 2022, Zhang et al. 2023): convolutions,
// then transformers within windows, whose last merging leaves the map's size.
type TinyViT struct {
	TinyViTConfig

	Stem   []ops.Conv2d  `w:"stem"`
	Convs  []Inverted    `w:"convs"` // the first stage
	Stages []MergedStage `w:"stages"`
	Neck   Neck          `w:"neck"`

	plans *windows.Plans
}

// Inverted is three convolutions, of which the middle one is depthwise: a block of the
// first stage, or the merging before another.
type Inverted struct {
	Expand    ops.Conv2d `w:"conv1"`
	Depthwise ops.Conv2d `w:"conv2"`
	Project   ops.Conv2d `w:"conv3"`
}

// MergedStage is blocks of one width, behind a merging.
type MergedStage struct {
	Merge  Inverted       `w:"merge"`
	Blocks []TinyViTBlock `w:"blocks"`
}

// TinyViTBlock is attention within windows, a depthwise convolution and a perceptron.
type TinyViTBlock struct {
	Norm1 ops.LayerNorm  `w:"norm1"`
	QKV   ops.Linear     `w:"qkv"`
	Bias  *ops.Parameter `w:"biases"` // by the distance of key and query along both axes, [heads, window²]
	Proj  ops.Linear     `w:"proj"`
	Local ops.Conv2d     `w:"local_conv"`
	Norm2 ops.LayerNorm  `w:"norm2"`
	FC1   ops.Linear     `w:"fc1"`
	FC2   ops.Linear     `w:"fc2"`

	TinyViTStage
	b    *ops.Builder
	made *ops.Table
}

func newTinyViT(b *ops.Builder, c TinyViTConfig) *TinyViT {
	t := &TinyViT{TinyViTConfig: c, plans: windows.NewPlans(b)}
	in := c.Channels
	for _, width := range c.Stem {
		t.Stem = append(t.Stem, b.Conv2d(ops.Conv{In: in, Out: width, Kernel: ops.Square(3), Stride: ops.Square(2), Pad: ops.Pad(1), Norm: batchNormEps}))
		in = width
	}
	for _, inner := range c.Convs {
		t.Convs = append(t.Convs, newInverted(b, in, inner, in, 1))
	}
	for i, s := range c.Stages {
		stride := 2
		if i == len(c.Stages)-1 {
			stride = 1
		}
		stage := MergedStage{Merge: newInverted(b, in, s.Width, s.Width, stride)}
		for range s.Depth {
			stage.Blocks = append(stage.Blocks, newTinyViTBlock(b, s))
		}
		t.Stages, in = append(t.Stages, stage), s.Width
	}
	t.Neck = newNeck(b, in, c.Out)
	return t
}

func newInverted(b *ops.Builder, in, inner, out, stride int) Inverted {
	return Inverted{
		Expand:    b.Conv2d(ops.Conv{In: in, Out: inner, Kernel: ops.Square(1), Norm: batchNormEps}),
		Depthwise: b.Conv2d(ops.Conv{In: inner, Out: inner, Kernel: ops.Square(3), Stride: ops.Square(stride), Pad: ops.Pad(1), Groups: inner, Norm: batchNormEps}),
		Project:   b.Conv2d(ops.Conv{In: inner, Out: out, Kernel: ops.Square(1), Norm: batchNormEps}),
	}
}

func newTinyViTBlock(b *ops.Builder, s TinyViTStage) TinyViTBlock {
	return TinyViTBlock{
		TinyViTStage: s, b: b,
		Norm1: b.LayerNorm(s.Width, tinyEps),
		QKV:   b.Linear(s.Width, 3*s.Width, true, ops.Grouped{Out: 3 * s.Heads}),
		Bias:  &ops.Parameter{Shape: []int{s.Heads, s.Window * s.Window}},
		Proj:  b.Linear(s.Width, s.Width, true, ops.Grouped{In: s.Heads}),
		Local: b.Conv2d(ops.Conv{In: s.Width, Out: s.Width, Kernel: ops.Square(s.Kernel), Pad: ops.Pad(s.Kernel / 2), Groups: s.Width, Norm: batchNormEps}),
		Norm2: b.LayerNorm(s.Width, tinyEps),
		FC1:   b.Linear(s.Width, s.Inner, true),
		FC2:   b.Linear(s.Inner, s.Width, true),
	}
}

// forward gives the map [N, H/16, W/16, Out] of images [N, C, H, W].
func (t *TinyViT) forward(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := t.Stem[0].Forward(r, pixels, ops.Then(ops.GELU))
	x = t.Stem[1].Forward(r, x)
	r.Tap("stem", x)
	layer := 0
	for i := range t.Convs {
		r.Enter(fmt.Sprintf("convs.%d", i))
		x = t.Convs[i].forward(r, x, ops.Residual(x), ops.Then(ops.GELU))
		r.Leave()
		r.Tap(fmt.Sprintf("layer.%d", layer), x)
		layer++
	}
	for s := range t.Stages {
		stage := &t.Stages[s]
		x = stage.Merge.forward(r, x)
		for i := range stage.Blocks {
			r.Enter(fmt.Sprintf("stages.%d.blocks.%d", s, i))
			x = t.block(r, &stage.Blocks[i], x)
			r.Leave()
			r.Tap(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
	}
	return t.Neck.forward(r, x)
}

// forward is the convolutions of x [N, H, W, C], the last with the options.
func (c *Inverted) forward(r *gpu.Recorder, x *gpu.Tensor, options ...ops.Epilogue) *gpu.Tensor {
	x = c.Expand.Forward(r, x, ops.Then(ops.GELU))
	x = c.Depthwise.Forward(r, x, ops.Then(ops.GELU))
	return c.Project.Forward(r, x, options...)
}

// block is x [N, H, W, C] + attention, convolved, then + perceptron.
func (t *TinyViT) block(r *gpu.Recorder, b *TinyViTBlock, x *gpu.Tensor) *gpu.Tensor {
	p := t.plans.Of(x.Shape[0], windows.Partition{H: x.Shape[1], W: x.Shape[2], Window: ops.Square(b.Window)})
	w := b.Norm1.Forward(r, ops.Rows(r, x, p.Into)) // zeros that fill up windows are normed too
	w = ops.Attention(r, b.QKV.Forward(r, w), b.Heads, ops.Mask{}, ops.Bias(b.table()))
	x = b.Proj.Forward(r, ops.Rows(r, w, p.Back), ops.Residual(x))
	x = b.Local.Forward(r, x)
	y := b.FC1.Forward(r, b.Norm2.Forward(r, x), ops.Then(ops.GELU))
	return b.FC2.Forward(r, y, ops.Residual(x))
}

// table is the bias of each pair of a window's tokens, [heads·T, T], made at the first use.
func (b *TinyViTBlock) table() *ops.Table {
	if b.made != nil {
		return b.made
	}
	side := b.Window
	tokens := side * side
	b.made = b.b.Table("bias", b.Heads*tokens, tokens)
	b.b.Later(func() error {
		values := make([]float32, 0, b.Heads*tokens*tokens)
		for h := range b.Heads {
			for i := range tokens {
				for j := range tokens {
					dy, dx := max(i/side-j/side, j/side-i/side), max(i%side-j%side, j%side-i%side)
					values = append(values, b.Bias.Values[h*tokens+dy*side+dx])
				}
			}
		}
		return b.made.Upload(values)
	})
	return b.made
}
