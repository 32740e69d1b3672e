package hybrid

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Config is what the shared layers depend on.
type Config struct {
	Backbone Backbone
	Maps     []int // of the backbone's that are read

	Width        int // of the encoder's maps
	Attention    transformer.LayerConfig
	EncoderDepth int   // of the attention within a map
	Attended     []int // maps that have it
	Temperature  float64
	Unplaced     bool           // the attention has no positions
	Act          ops.Activation // of convolutions
	NormEps      float64        // of batch norms
	Expansion    float64        // of the fusions' inner width

	Decoder      transformer.LayerConfig
	DecoderDepth int
	Levels       int   // of maps that the decoder looks at
	Points       []int // of each
	OffsetScale  float64
	Discrete     bool // the decoder takes the nearest pixel
	Queries      int
	Learned      bool   // the queries' states are parameters
	Anchors      [2]int // height and width of images that it is made for; zero: any
	Strides      []int  // of the maps, where that counts
	Classes      int

	Labels []string
}

// Layer makes one map of another.
type Layer interface {
	Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
}

// Encoder fuses maps with layers of a kind, and halves their sizes by others.
type Encoder[F, D Layer] struct {
	Attention [][]transformer.PlacedLayer `w:"attention"`
	Lateral   []ops.Conv2d                `w:"lateral"`
	Top       []F                         `w:"top"`  // from the deepest map to the first
	Down      []D                         `w:"down"` // and back
	Bottom    []F                         `w:"bottom"`

	c       Config
	b       *ops.Builder
	lateral ops.Activation
	places  map[[2]int]*ops.Table // positions by map size
}

// NewEncoder makes one; lateral is the activation of the convolutions between maps.
func NewEncoder[F, D Layer](b *ops.Builder, c Config, lateral ops.Activation, fusion func() F, down func() D) *Encoder[F, D] {
	e := &Encoder[F, D]{c: c, b: b, lateral: lateral, places: map[[2]int]*ops.Table{}}
	for range c.Attended {
		e.Attention = append(e.Attention, transformer.NewPlacedLayers(b, c.Attention, c.EncoderDepth))
	}
	for range len(c.Maps) - 1 {
		e.Lateral = append(e.Lateral, Convolution(b, c, c.Width, c.Width, 1, 1, 1))
		e.Top, e.Bottom, e.Down = append(e.Top, fusion()), append(e.Bottom, fusion()), append(e.Down, down())
	}
	return e
}

// Convolution is one with a batch norm and as much padding as keeps the size.
func Convolution(b *ops.Builder, c Config, in, out, kernel, stride, groups int) ops.Conv2d {
	return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Stride: ops.Square(stride), Pad: ops.Pad((kernel - 1) / 2), Groups: groups, Norm: c.NormEps})
}

// Forward fuses maps [N, h, w, D], the largest first.
func (e *Encoder[F, D]) Forward(r *gpu.Recorder, maps []*gpu.Tensor) []*gpu.Tensor {
	maps = append([]*gpu.Tensor{}, maps...)
	for i, m := range e.c.Attended {
		if e.c.EncoderDepth > 0 {
			maps[m] = e.attend(r, i, maps[m])
		}
	}
	last := len(maps) - 1
	for i := range e.Top { // top-down: Lin et al. 2016
		r.Enter(fmt.Sprintf("encoder.fpn_blocks.%d", i))
		at := last - 1 - i
		maps[at+1] = e.Lateral[i].Forward(r, maps[at+1], ops.Then(e.lateral))
		large := ops.Resize(r, maps[at+1], [2]int{2 * maps[at+1].Shape[1], 2 * maps[at+1].Shape[2]}, ops.Resampling{Nearest: true})
		maps[at] = e.Top[i].Forward(r, ops.Concat(r, large, maps[at]))
		r.Leave()
		r.TapNCHW(fmt.Sprintf("encoder.fpn_blocks.%d", i), maps[at])
	}
	for i := range e.Bottom { // and back: Liu et al. 2018
		r.Enter(fmt.Sprintf("encoder.pan_blocks.%d", i))
		maps[i+1] = e.Bottom[i].Forward(r, ops.Concat(r, e.Down[i].Forward(r, maps[i]), maps[i+1]))
		r.Leave()
		r.TapNCHW(fmt.Sprintf("encoder.pan_blocks.%d", i), maps[i+1])
	}
	return maps
}

// attend is the attention within a map.
func (e *Encoder[F, D]) attend(r *gpu.Recorder, i int, x *gpu.Tensor) *gpu.Tensor {
	n, h, w := x.Shape[0], x.Shape[1], x.Shape[2]
	x = ops.Rows(r, x, e.b.Span(n, h*w, 0, h*w)) // [N T D]
	place := func(x *gpu.Tensor) *gpu.Tensor { return x }
	if !e.c.Unplaced {
		table := e.placed(h, w)
		place = func(x *gpu.Tensor) *gpu.Tensor { return ops.AddTable(r, x, table) }
	}
	for j := range e.Attention[i] {
		r.Enter(fmt.Sprintf("encoder.aifi.%d.layers.%d", i, j))
		x = e.Attention[i][j].Forward(r, x, place, ops.Mask{}, nil)
		r.Leave()
		r.Tap(fmt.Sprintf("encoder.aifi.%d.layers.%d", i, j), x)
	}
	return ops.Rows(r, x, e.b.Span(n, h*w, 0, h, w))
}

// placed are the positions of a map: the sines and then the cosines of the rows' numbers, then
// those of the columns'.
func (e *Encoder[F, D]) placed(h, w int) *ops.Table {
	if t, ok := e.places[[2]int{h, w}]; ok {
		return t
	}
	width := e.c.Width
	t := e.b.Table("positions", h*w, width)
	e.places[[2]int{h, w}] = t
	e.b.Later(func() error {
		values := make([]float32, h*w*width)
		for i := range h * w {
			row := values[i*width:][:width]
			for axis, at := range [2]int{i / w, i % w} {
				pairs := transformer.Sines(float64(at), width/2, e.c.Temperature) // by turns
				for j := range width / 4 {
					row[axis*width/2+j], row[axis*width/2+width/4+j] = pairs[2*j], pairs[2*j+1]
				}
			}
		}
		return t.Upload(values)
	})
	return t
}

// CSPRep is the fusion of RT-DETR: a row of blocks beside a shortcut (Wang et al. 2019).
type CSPRep struct {
	Conv1  ops.Conv2d  `w:"conv1"`
	Conv2  ops.Conv2d  `w:"conv2"`
	Conv3  *ops.Conv2d `w:"conv3"` // or nil
	Blocks []RepVGG    `w:"bottlenecks"`

	act ops.Activation
}

// RepVGG is a convolution of 3×3 and one of 1×1 pixels beside it (Ding et al. 2021).
type RepVGG struct {
	Conv1 ops.Conv2d `w:"conv1"`
	Conv2 ops.Conv2d `w:"conv2"`
}

// NewCSPRep makes one of so many blocks of an inner width.
func NewCSPRep(b *ops.Builder, c Config, in, hidden, out, blocks int) *CSPRep {
	l := &CSPRep{Conv1: Convolution(b, c, in, hidden, 1, 1, 1), Conv2: Convolution(b, c, in, hidden, 1, 1, 1), act: c.Act}
	for range blocks {
		l.Blocks = append(l.Blocks, RepVGG{Convolution(b, c, hidden, hidden, 3, 1, 1), Convolution(b, c, hidden, hidden, 1, 1, 1)})
	}
	if hidden != out {
		last := Convolution(b, c, hidden, out, 1, 1, 1)
		l.Conv3 = &last
	}
	return l
}

// Forward is the layer on x [N, H, W, C].
func (l *CSPRep) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	act := ops.Then(l.act)
	y := l.Conv1.Forward(r, x, act)
	for i := range l.Blocks {
		y = l.Blocks[i].Conv1.Forward(r, y, ops.Residual(l.Blocks[i].Conv2.Forward(r, y)), act)
	}
	y = l.Conv2.Forward(r, x, act, ops.Residual(y))
	if l.Conv3 != nil {
		y = l.Conv3.Forward(r, y, act)
	}
	return y
}
