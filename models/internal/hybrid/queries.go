package hybrid

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Sources are the maps that the decoder looks at, projected. Those beyond the encoder's are
// made of its last by strides.
type Sources struct {
	Projections []*ops.Conv2d `w:"projections"` // nil: the map itself
}

// Forward gives tokens [N, S, D] of all maps, one after the other, and their sizes.
func (s *Sources) Forward(r *gpu.Recorder, b *ops.Builder, maps []*gpu.Tensor) (tokens *gpu.Tensor, sizes [][2]int) {
	var all []*gpu.Tensor
	for i, p := range s.Projections {
		x := maps[min(i, len(maps)-1)]
		if p != nil {
			x = p.Forward(r, x)
		}
		all, sizes = append(all, x), append(sizes, [2]int{x.Shape[1], x.Shape[2]})
	}
	return Joined(r, b, all), sizes
}

// Joined puts the pixels of maps one after the other: [N, S, D].
func Joined(r *gpu.Recorder, b *ops.Builder, maps []*gpu.Tensor) *gpu.Tensor {
	n, total := maps[0].Shape[0], 0
	for _, m := range maps {
		total += m.Rows() / n
	}
	var tokens *gpu.Tensor
	first := 0
	for _, m := range maps {
		pixels := m.Rows() / n
		rows := make([]uint32, n*total)
		for i := range rows {
			rows[i] = ops.NoRow
			if at := i%total - first; at >= 0 && at < pixels {
				rows[i] = uint32(i/total*pixels + at)
			}
		}
		index := b.Index("levels", rows, n, total)
		if tokens == nil {
			tokens = ops.Rows(r, m, index)
		} else {
			tokens = ops.RowsOver(r, tokens, m, index)
		}
		first += pixels
	}
	return tokens
}

// Proposals chooses the pixels that are most likely something, and the boxes around them.
type Proposals struct {
	Output     ops.Linear              `w:"output"`
	OutputNorm ops.LayerNorm           `w:"output_norm"`
	Scores     ops.Linear              `w:"scores"`
	Boxes      *transformer.Perceptron `w:"boxes"`

	c    Config
	grid Grid
}

// NewProposals makes the layers.
func NewProposals(b *ops.Builder, c Config) *Proposals {
	width := c.Decoder.Width
	p := &Proposals{Output: b.Linear(width, width, true), OutputNorm: b.LayerNorm(width, c.Decoder.Eps), Scores: b.Linear(width, c.Classes, true),
		Boxes: transformer.NewPerceptron(b, width, width, width, 4), c: c, grid: NewGrid(b)}
	return p
}

// Forward gives the queries' states [N, Q, D] and boxes, f32 [N, Q, 4], of tokens [N, S, D] of
// maps of those sizes.
func (p *Proposals) Forward(r *gpu.Recorder, tokens *gpu.Tensor, sizes [][2]int) (states, boxes *gpu.Tensor) {
	r.Enter("proposals")
	defer r.Leave()
	n := tokens.Shape[0]
	anchors, inside := p.grid.Of(n, sizes)
	memory := p.OutputNorm.Forward(r, p.Output.Forward(r, ops.Rows(r, tokens, inside)))
	scores := p.Scores.Forward(r, memory, ops.Floats())
	r.Tap("enc_outputs_class", scores)
	index := ops.Top(r, ops.RowMax(r, scores), p.c.Queries)
	chosen := ops.Rows(r, memory, index) // [N Q D]
	boxes = anchors.Choose(r, p.Boxes.Forward(r, chosen, ops.Floats()), index)
	return chosen, boxes
}

// Grid is the anchors of maps' pixels, which proposals begin with.
type Grid struct {
	b       *ops.Builder
	anchors map[string]*ops.Anchors // by the batch and the maps' sizes
	inside  map[string]*gpu.Tensor
}

// NewGrid makes a store of them.
func NewGrid(b *ops.Builder) Grid {
	return Grid{b: b, anchors: map[string]*ops.Anchors{}, inside: map[string]*gpu.Tensor{}}
}

// Of are the anchors of the pixels of maps of those sizes, and the index by which [ops.Rows]
// leaves those tokens out of n items that lie too near to the border to have one.
func (g *Grid) Of(n int, sizes [][2]int) (*ops.Anchors, *gpu.Tensor) {
	key := fmt.Sprint(n, sizes)
	if a, ok := g.anchors[key]; ok {
		return a, g.inside[key]
	}
	var logits []float32
	var rows []uint32
	for level, size := range sizes {
		for i := range size[0] * size[1] {
			side := 0.05 * math.Pow(2, float64(level))
			box := [4]float64{(float64(i%size[1]) + 0.5) / float64(size[1]), (float64(i/size[1]) + 0.5) / float64(size[0]), side, side}
			row := uint32(len(rows))
			for _, v := range box {
				if !(float32(v) > 1e-2 && float32(v) < 1-1e-2) {
					row = ops.NoRow
				}
			}
			for _, v := range box {
				logit := float32(math.Log(v / (1 - v)))
				if row == ops.NoRow {
					logit = certain
				}
				logits = append(logits, logit)
			}
			rows = append(rows, row)
		}
	}
	total := len(rows)
	for i := total; i < n*total; i++ {
		row := rows[i-total]
		if row != ops.NoRow {
			row += uint32(total)
		}
		rows = append(rows, row)
	}
	g.anchors[key], g.inside[key] = g.b.Anchors(logits), g.b.Index("inside", rows, n, total)
	return g.anchors[key], g.inside[key]
}

// certain is a logit that nothing added to it takes from one. The reference has the largest
// float there.
const certain = 1e6

// Positions embeds boxes: what is added to queries and keys.
func Positions(b *ops.Builder, c Config) *transformer.Perceptron {
	return transformer.NewPerceptron(b, 4, 2*c.Decoder.Width, c.Decoder.Width)
}
