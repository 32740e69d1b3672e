package diffusion

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// MotionConfig is that of the motion modules of a video (Guo et al. 2023, "AnimateDiff").
type MotionConfig struct {
	Heads  int
	Groups int   // of the group norm
	Most   int   // frames that there are positions for
	Depths []int // transformer blocks of the modules of each level
	Middle int   // of that in the middle, 0: there is none
}

// Module is the module of maps of width channels, of depth blocks.
func (c MotionConfig) Module(width, depth int) MotionSize {
	return MotionSize{Width: width, Inner: width, Heads: c.Heads, Groups: c.Groups, Depth: depth, Most: c.Most}
}

// MotionSize is what a module's size depends on.
type MotionSize struct {
	Width, Inner int // channels of the maps, and of its blocks
	Heads        int
	Groups       int // of the group norm
	Depth        int // transformer blocks
	Most         int // frames that there are positions for; 0: the blocks know none, and take any number of frames
}

// Motion is attention among the frames of a video, pixel by pixel (AnimateDiffTransformer3D, and
// with it TransformerTemporalModel, whose blocks know no positions).
type Motion struct {
	Norm    ops.GroupNorm `w:"norm"`
	ProjIn  ops.Linear    `w:"proj_in"`
	Blocks  []MotionBlock `w:"transformer_blocks"`
	ProjOut ops.Linear    `w:"proj_out"`

	b    *ops.Builder
	most int
}

// MotionBlock is attention twice, each of tokens with their positions, and a gated perceptron.
type MotionBlock struct {
	Norm1 ops.LayerNorm `w:"norm1"`
	Attn1 SelfAttention `w:"attn1"`
	Norm2 ops.LayerNorm `w:"norm2"`
	Attn2 SelfAttention `w:"attn2"`
	Norm3 ops.LayerNorm `w:"norm3"`
	FC1   ops.Linear    `w:"ff.net.0.proj"`
	FC2   ops.Linear    `w:"ff.net.2"`

	Positions *ops.Parameter `w:"pos_embed.pe"` // [1, most, width], or nil

	b       *ops.Builder
	tables  map[int]*ops.Table // of positions, by the number of frames
	windows map[string]*windows
}

// The epsilons of diffusers' module.
const (
	motionGroupEps = 1e-6
	motionLayerEps = 1e-5
)

// NewMotion makes a module.
func NewMotion(b *ops.Builder, c MotionSize) *Motion {
	m := &Motion{Norm: b.GroupNorm(c.Groups, c.Width, motionGroupEps), ProjIn: b.Linear(c.Width, c.Inner, true), ProjOut: b.Linear(c.Inner, c.Width, true),
		b: b, most: c.Most}
	norm := func() ops.LayerNorm { return b.LayerNorm(c.Inner, motionLayerEps) }
	for range c.Depth {
		block := MotionBlock{
			Norm1: norm(), Attn1: NewSelfAttention(b, c.Inner, c.Heads, false),
			Norm2: norm(), Attn2: NewSelfAttention(b, c.Inner, c.Heads, false),
			Norm3: norm(), FC1: b.Linear(c.Inner, 8*c.Inner, true, ops.Grouped{Out: 2}), FC2: b.Linear(4*c.Inner, c.Inner, true),
			b: b, tables: map[int]*ops.Table{}, windows: map[string]*windows{},
		}
		if c.Most > 0 {
			block.Positions = &ops.Parameter{Shape: []int{1, c.Most, c.Inner}}
		}
		m.Blocks = append(m.Blocks, block)
	}
	return m
}

// Forward is x + blocks(x) of the maps x [N·frames, H, W, C] of N videos.
func (m *Motion) Forward(r *gpu.Recorder, x *gpu.Tensor, v Video) *gpu.Tensor {
	frames, seen := v.Frames, v.Frames
	if v.windowed() {
		seen = v.Context
	}
	switch {
	case r.Err() != nil:
	case frames < 1 || x.Shape[0]%frames != 0:
		r.Fail(fmt.Errorf("%d maps are no videos of %d frames", x.Shape[0], frames))
	case m.most > 0 && seen > m.most:
		r.Fail(fmt.Errorf("%d maps of %d frames, of which %d are seen at once; expected 1 to %d", x.Shape[0], frames, seen, m.most))
	}
	if r.Err() != nil {
		return x
	}
	n, pixels := x.Shape[0]/frames, x.Shape[1]*x.Shape[2]
	h := ops.Rows(r, m.Norm.ForwardFrames(r, x, frames, ops.Identity), m.b.Exchange(n, frames, pixels, n*pixels, frames)) // [N·H·W frames C]
	h = m.ProjIn.Forward(r, h)
	for i := range m.Blocks {
		r.Enter(fmt.Sprintf("transformer_blocks.%d", i))
		h = m.Blocks[i].Forward(r, h, v)
		r.Leave()
	}
	h = m.ProjOut.Forward(r, h)
	return ops.Add(r, x, ops.Rows(r, h, m.b.Exchange(n, pixels, frames, x.Shape[:3]...)), 1)
}

// Forward is the block on x [N·H·W, frames, C].
func (b *MotionBlock) Forward(r *gpu.Recorder, x *gpu.Tensor, v Video) *gpu.Tensor {
	if v.windowed() {
		w := b.windowsOf(v, x.Shape[0])
		x = w.join(r, b.attend(r, w.split(r, x)))
	} else {
		x = b.attend(r, x)
	}
	h := ops.GLU(r, b.FC1.Forward(r, b.Norm3.Forward(r, x)), ops.GELU, ops.GateSecond)
	return b.FC2.Forward(r, h, ops.Residual(x))
}

// attend is both attentions among the frames of x [rows, frames, C].
func (b *MotionBlock) attend(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = b.Attn1.Forward(r, b.placed(r, b.Norm1.Forward(r, x)), x)
	return b.Attn2.Forward(r, b.placed(r, b.Norm2.Forward(r, x)), x)
}

// placed is x [rows, frames, C] with the positions of the frames, if the block knows any.
func (b *MotionBlock) placed(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if b.Positions == nil {
		return x
	}
	return ops.AddTable(r, x, b.positions(x.Shape[1]))
}

// windowsOf are the windows of so many rows of frames.
func (b *MotionBlock) windowsOf(v Video, rows int) *windows {
	w, ok := b.windows[v.key(rows)]
	if !ok {
		w = newWindows(b.b, v, rows, b.FC2.Out)
		b.windows[v.key(rows)] = w
	}
	return w
}

// positions are the embeddings of the first frames.
func (b *MotionBlock) positions(frames int) *ops.Table {
	if t, ok := b.tables[frames]; ok {
		return t
	}
	width := b.FC2.Out
	t := b.b.Table("positions", frames, width)
	b.tables[frames] = t
	b.b.Later(func() error { return t.Upload(b.Positions.Values[:frames*width]) })
	return t
}
