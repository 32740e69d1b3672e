package unet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/diffusion"
	"saccade/ops"
)

// Model estimates the noise in a map at a time of the diffusion: a way down, a
// middle and a way up, which takes each map of the way down again.
type Model struct {
	Way
	Up      []diffusion.Stage `w:"up_blocks"`
	NormOut ops.GroupNorm     `w:"conv_norm_out"`
	ConvOut ops.Conv2d        `w:"conv_out"`
}

// Way is the way down and the middle, and what the blocks are told beside the map.
type Way struct {
	Config

	ConvIn   ops.Conv2d        `w:"conv_in"`
	FramesIn *diffusion.Motion `w:"transformer_in"` // of a network of videos, or nil
	Time     MLP               `w:"time_embedding"`
	Class    *MLP              `w:"class_embedding"` // or nil
	Added    *MLP              `w:"add_embedding"`   // SDXL's, or nil
	Down     []diffusion.Stage `w:"down_blocks"`
	Middle   *diffusion.Stage  `w:"mid_block"` // or nil

	b     *ops.Builder
	times ops.Sinusoid
	sizes ops.Sinusoid // of SDXL's pictures
	skips []int        // widths of the maps on the way down
}

// MLP brings an embedding to the width that the blocks take.
type MLP struct {
	Cond    *ops.Linear `w:"cond_proj"` // of what is told beside the embedding, or nil
	Linear1 ops.Linear  `w:"linear_1"`
	Linear2 ops.Linear  `w:"linear_2"`

	act ops.Activation
}

// Inputs are what a pass takes, each on the device.
type Inputs struct {
	Sample  *gpu.Tensor // [N, In, H, W] dense, or an activation [N, H, W, In]
	Time    *gpu.Tensor // f32 [N, 1] dense
	Context *gpu.Tensor // the prompt, an activation [N, T, Context], where the network takes one

	TimeCond   *gpu.Tensor // an activation [N, TimeCond], where the network takes one
	Class      *gpu.Tensor // [N, Class] activation, or with ClassTime f32 [N, 1] dense
	TextEmbeds *gpu.Tensor // SDXL's pooled prompt, an activation [N, P]
	TimeIDs    *gpu.Tensor // SDXL's sizes of pictures, f32 [N, S] dense

	Images []*gpu.Tensor // tokens of images, each an activation [N, T, Context], where the network takes some
	Video  diffusion.Video

	// Features are added to the maps of the way down, one behind the blocks of each level, and
	// one more to the middle's, as a T2I-Adapter gives them. Nil: nothing.
	Features []*gpu.Tensor
	// Residuals are added to what the way up takes: to the maps of the way down, and the last
	// to that of the middle. Nil: nothing.
	Residuals []*gpu.Tensor
}

// prompt is what the blocks see beside the map.
func (in *Inputs) prompt() *diffusion.Prompt {
	return &diffusion.Prompt{Text: in.Context, Images: in.Images, Video: in.Video}
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	way, err := NewWay(b, c)
	if err != nil {
		return nil, err
	}
	m := &Model{Way: *way}
	m.addUp(b)
	first := c.Widths()[0]
	m.NormOut = b.GroupNorm(c.Block.Groups, first, c.Block.Eps)
	m.ConvOut = b.Conv2d(ops.Conv{In: first, Out: c.Out, Kernel: ops.Square(c.KernelOut), Pad: ops.Pad(c.KernelOut / 2), Bias: true})
	return m, nil
}

// NewWay makes the way down and the middle of a network.
func NewWay(b *ops.Builder, c Config) (*Way, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	w := &Way{Config: c, b: b, Time: newMLP(b, c.Widths()[0], c.Block.Time, c.ActTime)}
	var err error
	if w.times, err = b.Sinusoid(c.Widths()[0], c.CosFirst, c.FreqShift); err != nil {
		return nil, err
	}
	if c.TimeCond > 0 {
		cond := b.Linear(c.TimeCond, c.Widths()[0], false)
		w.Time.Cond = &cond
	}
	if c.Class > 0 {
		class := newMLP(b, c.Class, c.Block.Time, c.ActClass)
		w.Class = &class
	}
	if c.Added > 0 {
		added := newMLP(b, c.Added, c.Block.Time, ops.SiLU)
		w.Added = &added
		if w.sizes, err = b.Sinusoid(c.AddedTime, c.CosFirst, c.FreqShift); err != nil {
			return nil, err
		}
	}
	w.addDown(b)
	return w, nil
}

// addDown makes the stages of the way down and the middle.
func (w *Way) addDown(b *ops.Builder) {
	c := w.Config
	width := c.Widths()[0]
	w.ConvIn = b.Conv2d(ops.Conv{In: c.In, Out: width, Kernel: ops.Square(c.KernelIn), Pad: ops.Pad(c.KernelIn / 2), Bias: true})
	w.skips = []int{width}
	if c.Frames > 0 {
		w.FramesIn = diffusion.NewMotion(b, c.framesIn())
	}
	for i, level := range c.Down {
		var s diffusion.Stage
		for range level.Blocks {
			c.add(b, &s, level, i, width)
			width = level.Width
			w.skips = append(w.skips, width)
		}
		if i < len(c.Down)-1 {
			s.AddDown(b, width, c.DownPadding)
			w.skips = append(w.skips, width)
		}
		w.Down = append(w.Down, s)
	}
	switch c.Middle.Blocks {
	case 0:
	case 1:
		w.Middle = &diffusion.Stage{Blocks: []diffusion.Block{diffusion.NewBlock(b, c.Block, width, width)}}
	default:
		w.Middle = diffusion.NewMiddle(b, c.Block, width, c.attention(b, c.Middle.Attention, width, 0))
		c.addFrames(b, w.Middle, width, width)
		if c.Motion != nil && c.Motion.Middle > 0 {
			w.Middle.Motion = []*diffusion.Motion{diffusion.NewMotion(b, c.Motion.Module(width, c.Motion.Middle))}
		}
	}
}

// addUp makes the stages of the way up, which takes the maps of the way down, the latest
// first.
func (m *Model) addUp(b *ops.Builder) {
	c, skips := m.Config, m.skips
	width := skips[len(skips)-1]
	for i, level := range c.Up {
		var s diffusion.Stage
		for range level.Blocks {
			last := len(skips) - 1
			c.add(b, &s, level, len(c.Up)-1-i, width+skips[last])
			width, skips = level.Width, skips[:last]
		}
		if i < len(c.Up)-1 {
			s.AddUp(b, width, false)
		}
		m.Up = append(m.Up, s)
	}
}

// Skips are the channels of the maps on the way down that the way up takes.
func (w *Way) Skips() []int { return w.skips }

// add puts a block of in channels, with its attention, at the end of a stage of level i from the
// largest map.
func (c Config) add(b *ops.Builder, s *diffusion.Stage, level Level, i, in int) {
	s.Blocks = append(s.Blocks, diffusion.NewBlock(b, c.Block, in, level.Width))
	if a := c.attention(b, level.Attention, level.Width, len(s.Attentions)); a != nil {
		s.Attentions = append(s.Attentions, a)
	}
	c.addFrames(b, s, level.Width)
	if c.Motion != nil {
		s.Motion = append(s.Motion, diffusion.NewMotion(b, c.Motion.Module(level.Width, c.Motion.Depths[i])))
	}
}

// addFrames puts what a network of videos has behind blocks of those widths at the end of a stage:
// convolutions over frames, and attention among them behind the last attention.
func (c Config) addFrames(b *ops.Builder, s *diffusion.Stage, widths ...int) {
	if c.Frames == 0 {
		return
	}
	for _, width := range widths {
		s.Temporal = append(s.Temporal, diffusion.NewTemporalConv(b, c.Block.Groups, width))
	}
	if len(s.Motion) < len(s.Attentions) {
		s.Motion = append(s.Motion, diffusion.NewMotion(b, c.frames(widths[0])))
	}
}

// attention makes what follows block i of that width, or nil.
func (c Config) attention(b *ops.Builder, a Attention, width, i int) diffusion.Attention {
	switch a.Kind {
	case PixelAttention:
		return diffusion.NewPixelAttention(b, c.Block, width, a.Heads)
	case CrossAttention:
		return newTransformer(b, c, width, a.Heads, a.Depths[i])
	}
	return nil
}

func newMLP(b *ops.Builder, in, out int, act ops.Activation) MLP {
	return MLP{Linear1: b.Linear(in, out, true), Linear2: b.Linear(out, out, true), act: act}
}

// Forward is the two layers on x [N, in]: [N, E]. The activation is not fused: it
// is recorded on its own behind the embeddings, too, and takes less time there than
// another kernel of the matmul takes to compile.
func (m *MLP) Forward(r *gpu.Recorder, x *gpu.Tensor, options ...ops.Epilogue) *gpu.Tensor {
	return m.Linear2.Forward(r, ops.Apply(r, m.Linear1.Forward(r, x), m.act), options...)
}

// Forward records one estimate, [N, H, W, Out].
func (m *Model) Forward(r *gpu.Recorder, in Inputs) *gpu.Tensor {
	time := m.embed(r, in) // [N E]
	maps := m.way(r, in, time, nil)
	for i, residual := range in.Residuals {
		maps[i] = ops.Add(r, maps[i], residual, 1)
	}
	x, skips := maps[len(maps)-1], maps[:len(maps)-1]
	for i := range m.Up {
		s, name := &m.Up[i], fmt.Sprintf("up_blocks.%d", i)
		for j := range s.Blocks {
			last := len(skips) - 1
			x = s.Step(r, name, j, ops.Concat(r, x, skips[last]), time, in.prompt())
			skips = skips[:last]
		}
		if s.Up != nil { // to the size of what comes next, which is odd where half of it was rounded up
			next := skips[len(skips)-1].Shape
			x = s.Up.ForwardUpsampled(r, x, [2]int{next[1], next[2]})
		}
	}
	return m.ConvOut.Forward(r, m.NormOut.Forward(r, x, m.ActOut))
}

// Forward records the way down and the middle: the maps on the way, and that of the middle at
// the end. hint, if it is not nil, is added to what the first convolution makes.
func (w *Way) Forward(r *gpu.Recorder, in Inputs, hint *gpu.Tensor) []*gpu.Tensor {
	return w.way(r, in, w.embed(r, in), hint)
}

func (w *Way) way(r *gpu.Recorder, in Inputs, time, hint *gpu.Tensor) []*gpu.Tensor {
	var options []ops.Epilogue
	if hint != nil {
		options = append(options, ops.Residual(hint))
	}
	x := w.ConvIn.Forward(r, in.Sample, options...) // [N H W C]
	r.TapNCHW("conv_in", x)
	if w.FramesIn != nil {
		r.Enter("transformer_in")
		x = w.FramesIn.Forward(r, x, in.Video)
		r.Leave()
		r.TapNCHW("transformer_in", x)
	}
	maps := []*gpu.Tensor{x}
	for i := range w.Down {
		s, name := &w.Down[i], fmt.Sprintf("down_blocks.%d", i)
		for j := range s.Blocks {
			x = s.Step(r, name, j, x, time, in.prompt())
			maps = append(maps, x)
		}
		if w.Config.Down[i].Attention.Kind == CrossAttention {
			x = in.feature(r, i, maps)
		}
		if s.Down != nil {
			x = s.Down.Forward(r, x)
			maps = append(maps, x)
		}
		if w.Config.Down[i].Attention.Kind != CrossAttention {
			x = in.feature(r, i, maps)
		}
	}
	if w.Middle != nil {
		x = w.Middle.Forward(r, "mid_block", x, time, in.prompt())
	}
	if len(in.Features) > len(w.Down) {
		x = ops.Add(r, x, in.Features[len(w.Down)], 1)
	}
	return append(maps, x)
}

// feature adds that of level i to the last of the maps, which it gives.
func (in *Inputs) feature(r *gpu.Recorder, i int, maps []*gpu.Tensor) *gpu.Tensor {
	last := len(maps) - 1
	if i < len(in.Features) && in.Features[i] != nil {
		maps[last] = ops.Add(r, maps[last], in.Features[i], 1)
	}
	return maps[last]
}

// embed is the time with all else that is no map or prompt, [N, E], as the
// blocks take it: behind their activation.
func (w *Way) embed(r *gpu.Recorder, in Inputs) *gpu.Tensor {
	t := w.times.Forward(r, in.Time)
	if w.Time.Cond != nil {
		t = w.Time.Cond.Forward(r, in.TimeCond, ops.Residual(t))
	}
	t = w.Time.Forward(r, t)
	r.Tap("time_embedding", t)
	if w.Class != nil {
		class := in.Class
		if w.ClassTime {
			class = w.times.Forward(r, class)
		}
		t = w.Class.Forward(r, class, ops.Residual(t))
	}
	if w.Added != nil {
		t = w.Added.Forward(r, ops.Concat(r, in.TextEmbeds, w.sizes.Forward(r, in.TimeIDs)), ops.Residual(t))
	}
	r.Tap("emb", t)
	t = ops.Apply(r, t, w.Block.Act)
	if n := t.Rows(); r.Err() == nil && w.Config.Frames > 0 && n*in.Video.Frames == in.Sample.Shape[0] { // one for a video
		t = ops.Rows(r, t, w.b.Repeat(n, 1, in.Video.Frames))
	}
	return t
}
