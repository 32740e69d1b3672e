package generate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Text is one that was written.
type Text struct {
	IDs      []uint32  // of all tokens, without padding; what ended it is the last
	Begun    int       // how many of them it began with
	LogProbs []float64 // of the others, in the distribution that each was chosen from; nil of beams
	Score    float64   // of beams: the sum of log-probabilities by the length penalty
	Stopped  Stopped
}

// Stopped is why a text ends.
type Stopped string

// The reasons.
const (
	AtEnd    Stopped = "eos"
	AtLength Stopped = "length"
)

// Request is what texts are to be written.
type Request struct {
	// In are the decoder's inputs, of N items.
	In map[string]nn.Array
	// Begin are the ids that each item's text begins with, as many for all.
	Begin [][]uint32
	// Draw gives the numbers of 0 ≤ u < 1 by which step t draws the tokens of n items;
	// nil: by Seed.
	Draw func(t, n int) []float32
	Seed uint64
	// Continue says that the texts go on from those of the last Write, of the same In: their
	// keys and values are taken as they are as far as the texts are the same. Not of beams.
	Continue bool
	// Room is for how many tokens there is to be room for texts that go on, Later how many
	// are read at once behind those that are written: what a plan of them needs to know.
	Room  int
	Later []int
	// Each is called with each token as it is chosen, but of beams.
	Each func(item int, id uint32)
}

// Generator writes texts with a decoder. It keeps the programs of the last sizes, so that
// texts of one size are written one after the other without recording anything. It must
// not be used by several goroutines at once.
type Generator struct {
	Module  *nn.Module
	Decoder *nn.Decoder
	Config  Config

	s       *session
	watched []string // outputs of writers beside what is chosen
	// before is called before a program runs with the length of the texts then, after with
	// what it gave.
	before func(p *gpu.Program, in map[string]any, length int) error
	after  func(out map[string][]float32)
}

// New makes a generator. What the config leaves open is the decoder's.
func New(m *nn.Module, d *nn.Decoder, c Config) *Generator {
	if len(c.End) == 0 || d.OwnEnd {
		c.End = d.End
	}
	if c.Pad == nil || d.OwnEnd {
		c.Pad = &d.Pad
	}
	return &Generator{Module: m, Decoder: d, Config: c}
}

// Start are the tokens that begin a text and are none of its words.
func (g *Generator) Start() []uint32 {
	if g.Decoder.Begin == nil && g.Config.Start != nil {
		return []uint32{*g.Config.Start}
	}
	return g.Decoder.Start
}

// Begin is what a text goes on from, of the ids that were given for it (nil: none).
func (g *Generator) Begin(ids []uint32) []uint32 {
	start := g.Start()
	switch {
	case g.Decoder.Begin != nil:
		return g.Decoder.Begin(ids)
	case len(ids) >= len(start) && slices.Equal(ids[:len(start)], start):
		return ids
	}
	return slices.Concat(start, ids)
}

// Fill is what stands behind the end of texts that are shorter than others. Of beams,
// transformers takes a padding of id 0 for none, and fills with the end.
func (g *Generator) Fill() uint32 {
	if g.Config.Beams > 1 && *g.Config.Pad == 0 && len(g.Config.End) > 0 {
		return g.Config.End[0]
	}
	return *g.Config.Pad
}

// Close frees the programs. The weights stay.
func (g *Generator) Close() {
	if g.s != nil {
		g.s.close()
		g.s = nil
	}
}

// SetConfig changes how tokens are chosen, between two texts. Of how many there are the
// programs do not depend; where others are to be recorded for a change they are closed.
func (g *Generator) SetConfig(c Config) {
	same, old := c, g.Config
	same.MaxTokens, old.MaxTokens = 0, 0
	if !reflect.DeepEqual(same, old) {
		g.Close()
	}
	g.Config = c
}

// Plan is the most memory that the texts of a request will take, without the weights:
// the greatest length bounds it.
func (g *Generator) Plan(q Request) (Plan, error) {
	s, err := g.open(q)
	if err != nil {
		return Plan{}, err
	}
	p, err := s.plan(len(q.Begin[0]), q.Later)
	p.Tokens = max(p.Tokens, min(q.Room, g.Decoder.Context))
	return p, err
}

// Write writes a text for each item. Between two steps it ends when ctx does.
func (g *Generator) Write(ctx context.Context, q Request) ([]Text, error) {
	s, err := g.open(q)
	if err != nil {
		return nil, err
	}
	if s.shown, err = g.shown(q); err != nil {
		return nil, err
	}
	if !q.Continue || s.kept == nil {
		if err := s.begin(ctx, q.In); err != nil {
			return nil, err
		}
	}
	if g.Config.Beams > 1 {
		return s.search(ctx, q)
	}
	return s.sample(ctx, q)
}

// shown says what the tokens that texts begin with show of memory.
func (g *Generator) shown(q Request) ([]uint32, error) {
	if g.Decoder.Shown == nil {
		return nil, nil
	}
	which, err := g.Decoder.Shown(q.In, q.Begin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.Module.Name, err)
	}
	return which, nil
}

// open gives a session for the sizes of a request, the last one if it has them.
func (g *Generator) open(q Request) (*session, error) {
	if len(q.Begin) == 0 || len(q.Begin[0]) == 0 {
		return nil, errors.New("generate: there is no token to begin with")
	}
	begun := len(q.Begin[0])
	for i, ids := range q.Begin {
		if len(ids) != begun {
			return nil, fmt.Errorf("generate: text 0 begins with %d tokens and text %d with %d; texts of different lengths are written one by one", begun, i, len(ids))
		}
		if j := slices.IndexFunc(ids, func(id uint32) bool { return int(id) >= g.Decoder.Vocab }); j >= 0 {
			return nil, fmt.Errorf("generate: text %d begins with the id %d, the table has %d tokens", i, ids[j], g.Decoder.Vocab)
		}
	}
	if begun >= g.Decoder.Context {
		return nil, fmt.Errorf("generate: the %d tokens that it begins with fill the context of %d; shorten the prompt", begun, g.Decoder.Context)
	}
	least, greatest := g.Config.lengths(begun, g.Decoder.Context)
	if greatest <= begun {
		return nil, fmt.Errorf("generate: it begins with %d tokens and the greatest length is %d; raise that", begun, greatest)
	}
	if n := max(2, 1+len(g.Config.End)) * g.Config.Beams; g.Config.Beams > 1 && n > ops.MostBeams {
		return nil, fmt.Errorf("generate: %d beams with %d tokens that end a text look at %d candidates in a step, of which %d are the most; take fewer beams", g.Config.Beams, len(g.Config.End), n, ops.MostBeams)
	}
	about := g.Decoder.About()
	feed, err := about.Prepare(q.In)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.Module.Name, err)
	}
	z := sizes{items: len(q.Begin), beams: max(1, g.Config.Beams), room: (max(greatest, min(q.Room, g.Decoder.Context)) + roomStep - 1) / roomStep * roomStep, feed: feed.String()}
	if rule := g.Config.Rule; rule != nil {
		z.ranges, z.times = rule.Most, rule.Times
	}
	if g.s == nil || g.s.sizes != z {
		g.Close()
		if g.s, err = newSession(g, z, about, feed); err != nil {
			return nil, err
		}
	}
	g.s.least, g.s.greatest, g.s.begun = least, greatest, begun
	return g.s, nil
}

// roomStep is the multiple to which the caches' room is rounded up, so that texts of
// about one length share programs.
const roomStep = 16

// Plan is what texts take on the device, in bytes.
type Plan struct {
	Caches   int64 // keys and values at the greatest length
	Memory   int64 // what is remembered of what the texts are about
	Programs int64 // activations of the programs
	Tokens   int   // the greatest length
}

// Sum is all of it.
func (p Plan) Sum() int64 { return p.Caches + p.Memory + p.Programs }

func (p Plan) String() string {
	return fmt.Sprintf("up to %d tokens: %s of keys and values, %s of what they are about, %s of activations", p.Tokens, gpu.MiB(p.Caches), gpu.MiB(p.Memory), gpu.MiB(p.Programs))
}

// Draws are the numbers by which step t draws the tokens of n items. By a seed, those of
// an item are the same whatever stands beside it and wherever they are made.
func (q Request) Draws(t, n int) []float32 {
	if q.Draw != nil {
		return q.Draw(t, n)
	}
	u := make([]float32, n)
	for i := range u {
		u[i] = rand.New(rand.NewPCG(q.Seed+uint64(i), uint64(t))).Float32()
	}
	return u
}
