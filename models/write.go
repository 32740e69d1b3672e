package models

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/tokenizer"
)

// ErrWritesNone is wrapped where a model that writes no texts is asked for some.
var ErrWritesNone = errors.New("the model writes no texts")

// writer makes what writes texts with a checkpoint's decoder.
func (f *files) writer(m *nn.Module, d *nn.Decoder) (*generate.Generator, error) {
	c, err := f.generation(d)
	if err != nil {
		return nil, err
	}
	return generate.New(m, d, c), nil
}

// generation is the generation config: generation_config.json, or without it what
// config.json says, which classes that know the end of their texts do not look at.
func (f *files) generation(d *nn.Decoder) (generate.Config, error) {
	if f.fsys != nil {
		data, err := optional(f.fsys, "generation_config.json")
		if err != nil {
			return generate.Config{}, err
		}
		if data != nil {
			return generate.ParseConfig(data)
		}
	}
	if f.config == nil || d.OwnEnd {
		return generate.Config{}, nil
	}
	return generate.ParseModelConfig(f.config)
}

// Writer is what writes the model's texts, nil if it writes none. Its config may be
// changed before the first text.
func (m *Model) Writer() *generate.Generator { return m.writer }

// Written is a text that a model wrote.
type Written struct {
	generate.Text
	Words string // without special tokens
	// Tiles and ImageTokens are how many tiles the picture of a conversation was cut into,
	// and how many tokens they are together.
	Tiles, ImageTokens int
}

// Ask is what a text is asked for.
type Ask struct {
	Image *picture.Image
	// Words are what the text begins with, or if Question is set a question; "" is none.
	Words    string
	Question bool
	Seed     uint64
	// Said are answers to the first turns of a conversation.
	Said []string
	// Each is called with each token as it is chosen and the words so far, but of beams.
	Each func(id uint32, words string)
}

// Write writes a text about an image, of a model that is talked to the answer to a turn.
func (m *Model) Write(ctx context.Context, a Ask) (Written, error) {
	if m.Converses() {
		answers, err := m.Converse(ctx, a, []string{a.Words}, nil)
		if err != nil {
			return Written{}, err
		}
		return answers[0], nil
	}
	q, err := m.request(a)
	if err != nil {
		return Written{}, err
	}
	t, err := m.tokenize()
	if err != nil {
		return Written{}, err
	}
	so := slices.Clone(q.Begin[0])
	if a.Each != nil {
		q.Each = func(_ int, id uint32) {
			so = append(so, id)
			a.Each(id, m.words(t, so))
		}
	}
	texts, err := m.writer.Write(ctx, q)
	if err != nil {
		return Written{}, err
	}
	return Written{Text: texts[0], Words: m.words(t, texts[0].IDs)}, nil
}

// words is the text of ids, without those that begin, end and pad it.
func (m *Model) words(t *tokenizer.Tokenizer, ids []uint32) string {
	c, start := m.writer.Config, m.writer.Start()
	return t.Decode(slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool {
		return id == *c.Pad || slices.Contains(start, id) || slices.Contains(c.End, id)
	}))
}

// PlanWrite is the memory that [Model.Write] takes at most, without the weights.
func (m *Model) PlanWrite(a Ask) (generate.Plan, error) {
	if m.Converses() {
		return m.PlanConverse(a, []string{a.Words})
	}
	q, err := m.request(a)
	if err != nil {
		return generate.Plan{}, err
	}
	return m.writer.Plan(q)
}

// request is what the decoder is asked about a picture, or about none.
func (m *Model) request(a Ask) (generate.Request, error) {
	in := map[string]Array{}
	if a.Image != nil {
		one, err := m.pixels(a.Image)
		if err != nil {
			return generate.Request{}, err
		}
		in = nn.Images(one)
	}
	return m.askOf(a, in, 1)
}

// pixels is a picture as an input [1, C, H, W].
func (m *Model) pixels(img *picture.Image) (Array, error) {
	pixels, h, w, err := m.Preprocess(img)
	if err != nil {
		return Array{}, err
	}
	return Array{Shape: []int{1, len(pixels) / (h * w), h, w}, Data: pixels}, nil
}

// askOf is what the decoder is asked in the same words about each of n items. Tokens are drawn
// for each as if it were alone.
func (m *Model) askOf(a Ask, in map[string]Array, n int) (generate.Request, error) {
	if m.writer == nil {
		return generate.Request{}, fmt.Errorf("%s: %w", m.Name, ErrWritesNone)
	}
	d := m.writer.Decoder
	switch {
	case a.Question && d.Words == "":
		return generate.Request{}, fmt.Errorf("%s from %s answers no questions; leave the question out, or give weights that were trained for answers", m.Name, m.Source)
	case d.Words != "" && !a.Question:
		return generate.Request{}, fmt.Errorf("%s from %s answers questions; give one with -question", m.Name, m.Source)
	}
	var ids []uint32
	if a.Words != "" {
		t, err := m.tokenize()
		if err != nil {
			return generate.Request{}, err
		}
		var cut bool
		if ids, cut = t.Encode(a.Words, d.Context); cut {
			return generate.Request{}, fmt.Errorf("the words take more than the context of %d tokens; shorten them", d.Context)
		}
	}
	if d.Words != "" {
		in[d.Words] = idsOf(ids, n)
		ids = nil
	}
	if d.Begin == nil && len(ids) > 0 && slices.Contains(m.writer.Config.End, ids[len(ids)-1]) {
		ids = ids[:len(ids)-1] // by which tokenizers end what they read: the text goes on
	}
	q := generate.Request{In: in, Begin: slices.Repeat([][]uint32{m.writer.Begin(ids)}, n), Seed: a.Seed}
	if n > 1 {
		alone := generate.Request{Seed: a.Seed}
		q.Draw = func(t, n int) []float32 { return slices.Repeat(alone.Draws(t, 1), n) }
	}
	return q, nil
}

// idsOf is ids as an input of n items.
func idsOf(ids []uint32, n int) Array {
	var one []float32
	for _, id := range ids {
		one = append(one, float32(id))
	}
	return Array{Shape: []int{n, len(ids)}, Data: slices.Repeat(one, n)}
}

// Draws say how tokens are drawn, where they are: by a seed, or by the numbers of
// 0 ≤ u < 1 of each step and item.
type Draws struct {
	Seed    uint64
	Numbers func(step, n int) []float32
}

// Sequences writes a text for each item of raw inputs, and gives them as transformers'
// generate does: sequences [N, L], what they begin with first, padded behind their end.
// The ids of the text among the inputs, if there are any, are what each begins with.
func (m *Model) Sequences(ctx context.Context, in map[string]Array, by Draws) (Array, []generate.Text, error) {
	if m.writer == nil {
		return Array{}, nil, fmt.Errorf("%s: %w", m.Name, ErrWritesNone)
	}
	if m.hearing != nil {
		return m.ListenRaw(ctx, in, Listening{}, by)
	}
	d := m.writer.Decoder
	about, begin, err := m.begin(in)
	if err != nil {
		return Array{}, nil, err
	}
	q := generate.Request{In: about, Begin: begin, Seed: by.Seed, Draw: by.Numbers}
	if mask, masked := in[d.Mask]; masked && !slices.ContainsFunc(d.Inputs, func(x nn.Input) bool { return x.Name == d.Mask }) {
		delete(about, d.Mask)
		padding, err := leftPadding(mask, in[d.IDs].Shape)
		if err != nil {
			return Array{}, nil, fmt.Errorf("%s: %w", d.Mask, err)
		}
		if slices.Max(padding) > 0 && len(begin[0]) != mask.Shape[1] { // such as BLIP's, which leaves the last out
			return Array{}, nil, fmt.Errorf("%s: padding before what texts begin with is not supported of %s; give texts of one length", d.Mask, m.Name)
		}
		if slices.Max(padding) > 0 {
			return m.sequencesApart(ctx, q, padding)
		}
	}
	texts, err := m.writer.Write(ctx, q)
	if err != nil {
		return Array{}, nil, err
	}
	rows := make([][]uint32, len(texts))
	for i, t := range texts {
		rows[i] = t.IDs
	}
	return m.Padded(rows), texts, nil
}

// Padded are texts as one array [N, L], as transformers' generate pads them.
func (m *Model) Padded(rows [][]uint32) Array {
	longest := 0
	for _, row := range rows {
		longest = max(longest, len(row))
	}
	a := Array{Shape: []int{len(rows), longest}}
	for _, row := range rows {
		for _, id := range row {
			a.Data = append(a.Data, float32(id))
		}
		for range longest - len(row) {
			a.Data = append(a.Data, float32(m.writer.Fill()))
		}
	}
	return a
}

// Words is the text of ids, without those that are no words.
func (m *Model) Words(ids []uint32) (string, error) {
	t, err := m.tokenize()
	if err != nil {
		return "", err
	}
	return m.words(t, ids), nil
}

// begin parts raw inputs into what the texts are about and what each begins with.
func (m *Model) begin(in map[string]Array) (about map[string]Array, begin [][]uint32, err error) {
	d := m.writer.Decoder
	about = maps.Clone(in)
	ids, given := in[d.IDs]
	if delete(about, d.IDs); !given {
		n := 1
		for _, x := range d.Inputs {
			if a, ok := in[x.Name]; ok && len(a.Shape) > 0 {
				n = a.Shape[0]
				break
			}
		}
		for range n {
			begin = append(begin, m.writer.Begin(nil))
		}
		return about, begin, nil
	}
	rows, err := nn.TokenIDs(ids, d.Vocab)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", d.IDs, err)
	}
	for _, ids := range rows {
		begin = append(begin, m.writer.Begin(ids))
	}
	return about, begin, nil
}
