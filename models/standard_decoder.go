package models

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"saccade/gpu"
	"saccade/models/blip"
	"saccade/models/generate"
	"saccade/models/internal/llama"
	"saccade/models/nn"
	"saccade/ops"
)

// StandardDecoder is an architecture that writes texts, with seeded random weights: for
// timing and verifying without a checkpoint. Its user closes it.
type StandardDecoder struct {
	Name string
	// Begin is how many tokens its texts begin with, Tokens how many are written.
	Begin, Tokens int
	// Sees says that it reads an image, once for each text.
	Sees bool
	// Drawn is the part of NewStandardDecoder's time that the random numbers took.
	Drawn time.Duration

	writer *generate.Generator
	q      generate.Request
}

// standardDecoders are those that have a name for measurements.
var standardDecoders = []struct {
	name          string
	make          nn.Make
	begin, tokens int
}{
	{"smollm_135m_decode", llama.Standard().Layers, 128, 16},
	{"blip_base_caption", blip.Base, 1, 10},
}

// StandardDecoders are the names of [NewStandardDecoder].
func StandardDecoders() []string {
	var names []string
	for _, d := range standardDecoders {
		names = append(names, d.name)
	}
	return names
}

// NewStandardDecoder makes one by its name, for so many texts at once.
func NewStandardDecoder(dev *gpu.Device, name string, precision gpu.DType, texts int, seed uint64) (*StandardDecoder, error) {
	at := slices.Index(StandardDecoders(), name)
	if at < 0 {
		return nil, fmt.Errorf("%s is no decoder with a size of its own; name one of %v", name, StandardDecoders())
	}
	x := standardDecoders[at]
	began := time.Now()
	plain, err := x.make(ops.NewBuilder(dev, precision))
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	src, err := ops.RandomWeights(plain.Parameters, seed)
	if err != nil {
		return nil, err
	}
	d := &StandardDecoder{Name: name, Begin: x.begin, Tokens: x.tokens}
	m := nn.NewModule(dev, name, precision, &nn.Description{Tensors: src, Make: x.make})
	l, err := m.Layers()
	if err != nil {
		return nil, err
	}
	in, err := l.Decoder.About().Example(texts, nil, seed)
	if err != nil {
		m.Drop()
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	_, d.Sees = in[nn.PixelValues]
	d.q = generate.Request{In: in, Room: x.begin + 1 + x.tokens}
	rng := rand.New(rand.NewPCG(seed, 2))
	for range texts {
		ids := make([]uint32, x.begin)
		for i := range ids {
			ids[i] = rng.Uint32N(uint32(l.Decoder.Vocab))
		}
		d.q.Begin = append(d.q.Begin, ids)
	}
	d.Drawn = time.Since(began)
	d.writer = generate.New(m, l.Decoder, generate.Config{})
	d.writer.Config.End = nil // random weights may end a text at once
	return d, nil
}

// Read reads what texts are about and what they begin with, and writes a token of each.
func (d *StandardDecoder) Read(ctx context.Context) ([][]uint32, error) {
	return d.write(ctx, d.q, 1)
}

// GoOn writes Tokens tokens behind texts that Read gave.
func (d *StandardDecoder) GoOn(ctx context.Context, texts [][]uint32) error {
	q := d.q
	q.Begin, q.Continue = texts, true
	_, err := d.write(ctx, q, d.Tokens)
	return err
}

// Write reads and writes Tokens tokens.
func (d *StandardDecoder) Write(ctx context.Context) error {
	_, err := d.write(ctx, d.q, d.Tokens)
	return err
}

func (d *StandardDecoder) write(ctx context.Context, q generate.Request, tokens int) ([][]uint32, error) {
	d.writer.Config.MaxTokens = tokens
	texts, err := d.writer.Write(ctx, q)
	var all [][]uint32
	for _, t := range texts {
		all = append(all, t.IDs)
	}
	return all, err
}

// Verify recomputes operations on the CPU, of what is read and of a token behind that: in
// a sample of the rows of all but small ones.
func (d *StandardDecoder) Verify(ctx context.Context) ([]gpu.OpCheck, error) {
	return d.writer.VerifySample(ctx, d.q, []int{d.Begin + 1})
}

// Profile times the dispatches of what is read of images, lengths of 0, of what texts
// begin with, their length, and of a token behind texts of a length.
func (d *StandardDecoder) Profile(ctx context.Context, lengths ...int) ([]gpu.Timing, error) {
	return d.writer.Profile(ctx, d.q, lengths)
}

// Memory is what it takes on the device: weights, and what a plan says.
func (d *StandardDecoder) Memory() (weights int64, plan generate.Plan, err error) {
	plan, err = d.writer.Plan(d.q)
	return d.writer.Module.Bytes(), plan, err
}

// Close frees all memory.
func (d *StandardDecoder) Close() {
	d.writer.Close()
	d.writer.Module.Drop()
}
