package diffusion

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/clip"
	"saccade/models/diffusion/checkpoint"
	"saccade/weights"
)

// inversion is a textual inversion: its tokens and their vectors, by text tower.
type inversion struct {
	checkpoint.Embedding
	vectors map[string]checkpoint.Vectors
}

// inversions are those of sources, and those that came with the LoRAs.
func (p *Pipeline) inversions(sources []string) ([]inversion, error) {
	var found []checkpoint.Embedding
	for _, src := range sources {
		e, err := p.files.OpenEmbedding(src)
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	for _, l := range p.files.LoRAs() {
		found = append(found, l.Embeddings...)
	}
	var all []inversion
	for _, e := range found {
		vectors, err := p.files.Fit(e)
		if err != nil {
			return nil, err
		}
		if p.Precision == gpu.F16 && slices.ContainsFunc(e.Vectors, underflows) {
			return nil, fmt.Errorf("textual inversion %s: a vector of it is below 6e-8 throughout, which halves do not hold; give -precision f32", e.Token)
		}
		all = append(all, inversion{e, vectors})
		p.tokens = append(p.tokens, e.Token)
	}
	return all, nil
}

// underflows says that a row of vectors is zeros in halves, and is not zeros.
func underflows(v checkpoint.Vectors) bool {
	for row := range slices.Chunk(v.Values, v.Width) {
		largest := float32(0)
		for _, x := range row {
			largest = max(largest, x, -x)
		}
		if largest > 0 && largest <= 0x1p-25 { // half of the least half, which is rounded to even
			return true
		}
	}
	return false
}

// invert gives a tower the tokens of a textual inversion: ids after the tokenizer's,
// and their rows in the table, which grows where it has none.
func (e *encoder) invert(src weights.Source, c *clip.TextConfig, x inversion, part string) (weights.Source, error) {
	const table = "tokens.weight"
	first := e.tokens.Size()
	more, err := e.tokens.With(x.Tokens()...)
	if err != nil {
		return nil, fmt.Errorf("textual inversion %s: %w", x.Token, err)
	}
	t, ok := src.Tensor(table)
	if !ok {
		return nil, fmt.Errorf("textual inversion %s: %s has no table of tokens", x.Token, part)
	}
	rows, width := max(t.Shape[0], more.Size()), t.Shape[1]
	values := make([]float32, rows*width)
	if err := t.Float32s(values[:t.Len()]); err != nil {
		return nil, err
	}
	copy(values[first*width:], x.vectors[part].Values)
	grown, err := weights.FromFloat32s(table, values, rows, width)
	if err != nil {
		return nil, err
	}
	e.tokens, c.Vocab = more, rows
	if e.groups == nil {
		e.groups = map[uint32]int{}
	}
	e.groups[uint32(first)] = len(x.Tokens())
	return weights.With(src, grown), nil
}

// Tokens are those that textual inversions added to the prompts' words.
func (p *Pipeline) Tokens() []string { return p.tokens }
