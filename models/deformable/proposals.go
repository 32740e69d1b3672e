package deformable

import (
	"saccade/gpu"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Proposals is the first of two stages: the queries are the pixels that are most likely
// something, with the boxes around them.
type Proposals struct {
	Output     ops.Linear              `w:"output"`
	OutputNorm ops.LayerNorm           `w:"output_norm"`
	Classes    ops.Linear              `w:"classes"`
	Boxes      *transformer.Perceptron `w:"boxes"`
	Embed      ops.Linear              `w:"embed"` // of boxes, in positions and states
	EmbedNorm  ops.LayerNorm           `w:"embed_norm"`

	queries int
	sines   ops.Sinusoid
	grid    hybrid.Grid
}

func newProposals(b *ops.Builder, c Config) (*Proposals, error) {
	width := c.Encoder.Width
	sines, err := b.PlaceSinusoid(width / 2)
	return &Proposals{Output: b.Linear(width, width, true), OutputNorm: b.LayerNorm(width, eps), Classes: b.Linear(width, c.Classes, true),
		Boxes: transformer.NewPerceptron(b, width, width, width, 4), Embed: b.Linear(2*width, 2*width, true), EmbedNorm: b.LayerNorm(2*width, eps),
		queries: c.Queries, sines: sines, grid: hybrid.NewGrid(b)}, err
}

// forward gives the queries' states and positions [N, Q, D] and their boxes, f32 [N, Q, 4], of
// tokens [N, S, D] of maps of those sizes. The logit of the first class says how likely a pixel
// is something.
func (p *Proposals) forward(r *gpu.Recorder, tokens *gpu.Tensor, sizes [][2]int) (states, positions, boxes *gpu.Tensor) {
	r.Enter("proposals")
	defer r.Leave()
	anchors, inside := p.grid.Of(tokens.Shape[0], sizes)
	memory := p.OutputNorm.Forward(r, p.Output.Forward(r, ops.Rows(r, tokens, inside)))
	scores := p.Classes.Forward(r, memory, ops.Floats())
	r.Tap("enc_outputs_class", scores)
	index := ops.Top(r, ops.RowMax(r, ops.Part(r, scores, 0, 1)), p.queries)
	boxes = anchors.Choose(r, p.Boxes.Forward(r, ops.Rows(r, memory, index), ops.Floats()), index)
	embedded := p.EmbedNorm.Forward(r, p.Embed.Forward(r, p.sines.Forward(r, boxes)))
	width := tokens.Width()
	return ops.Part(r, embedded, width, width), ops.Part(r, embedded, 0, width), boxes
}
