package generate

import (
	"context"
	"slices"

	"saccade/gpu"
)

// Verify recomputes every operation on the CPU from the GPU's own inputs, as
// [gpu.Program.Verify] does: of what is read, and of the tokens that a request begins
// with and those behind texts of some lengths.
func (g *Generator) Verify(ctx context.Context, q Request, lengths []int, stopAtFirst bool) ([]gpu.OpCheck, error) {
	c := g.Config // by which no text ends before the last of the lengths
	c.End, c.MaxLength, c.MaxTokens = nil, 0, max(1, slices.Max(lengths)+1-len(q.Begin[0]))
	g = &Generator{Module: g.Module, Decoder: g.Decoder, Config: c}
	defer g.Close()
	s, err := g.open(q)
	if err != nil {
		return nil, err
	}
	var all []gpu.OpCheck
	wrong := func() bool {
		return stopAtFirst && slices.ContainsFunc(all, func(c gpu.OpCheck) bool { return c.Err != nil })
	}
	if len(s.memory) > 0 {
		feed, err := g.Decoder.About().Prepare(q.In)
		if err == nil {
			err = s.ready(s.reader)
		}
		if err == nil {
			all, err = s.reader.Verify(ctx, feed.Values(), stopAtFirst)
		}
		if err != nil {
			return nil, err
		}
	}
	g.before = func(p *gpu.Program, in map[string]any, length int) error {
		if wrong() || length != len(q.Begin[0]) && !slices.Contains(lengths, length) {
			return nil
		}
		checks, err := p.Verify(ctx, in, stopAtFirst)
		all = append(all, checks...)
		return err
	}
	_, err = g.Write(ctx, q)
	return all, err
}
