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
	var all []gpu.OpCheck
	err := g.inspect(ctx, q, lengths, func(p *gpu.Program, in map[string]any, _ int) error {
		if stopAtFirst && slices.ContainsFunc(all, func(c gpu.OpCheck) bool { return c.Err != nil }) {
			return nil
		}
		checks, err := p.Verify(ctx, in, stopAtFirst)
		all = append(all, checks...)
		return err
	})
	return all, err
}

// VerifySample is Verify in a sample of the rows of all but small operations.
func (g *Generator) VerifySample(ctx context.Context, q Request, lengths []int) ([]gpu.OpCheck, error) {
	var all []gpu.OpCheck
	err := g.inspect(ctx, q, lengths, func(p *gpu.Program, in map[string]any, _ int) error {
		checks, err := p.VerifySample(ctx, in)
		all = append(all, checks...)
		return err
	})
	return all, err
}

// Profile times each dispatch of the programs that write behind texts of some lengths; 0 is
// what is read before them.
func (g *Generator) Profile(ctx context.Context, q Request, lengths []int) ([]gpu.Timing, error) {
	var all []gpu.Timing
	err := g.inspect(ctx, q, lengths, func(p *gpu.Program, in map[string]any, length int) error {
		if !slices.Contains(lengths, length) {
			return nil
		}
		timings, err := p.Profile(ctx, in)
		all = append(all, timings...)
		return err
	})
	return all, err
}

// inspect calls f with the program that reads the inputs, whose length is 0, that of what
// texts begin with, and those behind texts of some lengths.
func (g *Generator) inspect(ctx context.Context, q Request, lengths []int, f func(p *gpu.Program, in map[string]any, length int) error) error {
	c := g.Config // by which no text ends before the last of the lengths
	c.End, c.MaxLength, c.MaxTokens = nil, 0, max(1, slices.Max(lengths)+1-len(q.Begin[0]))
	g = &Generator{Module: g.Module, Decoder: g.Decoder, Config: c}
	defer g.Close()
	s, err := g.open(q)
	if err != nil {
		return err
	}
	if len(s.memory) > 0 {
		feed, err := g.Decoder.About().Prepare(q.In)
		if err == nil {
			err = s.ready(s.reader)
		}
		if err == nil {
			err = f(s.reader.Program, feed.Values(), 0)
		}
		if err != nil {
			return err
		}
	}
	g.before = func(p *gpu.Program, in map[string]any, length int) error {
		if length != len(q.Begin[0]) && !slices.Contains(lengths, length) {
			return nil
		}
		return f(p, in, length)
	}
	_, err = g.Write(ctx, q)
	return err
}
