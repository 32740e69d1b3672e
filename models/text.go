package models

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"saccade/gpu"
)

// TextNetwork is a text tower with its layers.
type TextNetwork interface {
	// ForwardText records the tower on token ids [N, T], naming its outputs; the
	// token at which each text is pooled is named by at [N]. lengths [N] are the
	// tokens of each that attention sees, the first; nil: all.
	ForwardText(r *gpu.Recorder, ids, at, lengths *gpu.Tensor)
	// Pooled is the place of the token at which a text is pooled.
	Pooled(ids []uint32) int
	// Context is the most tokens of a text, Vocabulary the number of ids.
	Context() int
	Vocabulary() int
	// Fixed says that texts are padded up to the context, on which their
	// embeddings depend; else to any length.
	Fixed() bool
}

// Pairing compares the embeddings of pictures and texts.
type Pairing interface {
	// Match is the logit of a pair by its cosine.
	Match(cosine float64) float64
	// Sigmoid says that each logit is a probability of its own, not one among
	// those of the other texts.
	Sigmoid() bool
}

// The inputs of a text tower's program.
const (
	inputIDs = "input_ids"
	pooledAt = "pooled_at"
	lengthOf = "lengths"
)

// textShape is a batch of texts.
type textShape struct {
	n, tokens int
	padded    bool // attention leaves out padding
}

// Errors of a tower that is not there.
var (
	ErrNoText     = errors.New("the model has no text tower")
	ErrNoPictures = errors.New("the model has no picture tower, it takes -input with input_ids")
)

// HasText says that the model takes texts.
func (m *Model) HasText() bool { return m.text != nil }

// HasPictures says that the model takes pictures.
func (m *Model) HasPictures() bool { return m.net != nil }

// recordText takes down the text tower for a batch.
func (m *Model) recordText(s textShape) *gpu.Recorder {
	r := m.dev.Record(m.Precision)
	r.KeepTaps = m.taps
	forwardText(r, m.text, s)
	return r
}

func forwardText(r *gpu.Recorder, text TextNetwork, s textShape) {
	var lengths *gpu.Tensor
	if s.padded {
		lengths = r.Input(lengthOf, gpu.U32, s.n, 1)
	}
	text.ForwardText(r, r.Input(inputIDs, gpu.U32, s.n, s.tokens), r.Input(pooledAt, gpu.U32, s.n, 1), lengths)
}

// uploadText brings a text encoder alone to the device, as upload does a network
// for pictures.
func (m *Model) uploadText() error {
	s, began := textShape{n: 1, tokens: m.text.Context()}, time.Now()
	p, err := m.b.Program(m.recordText(s))
	if err != nil {
		return err
	}
	m.dev.Wait()
	m.CompileTime = time.Since(began)
	m.texts.keep(s, p)
	return nil
}

// ForwardText runs the text tower on token ids [n, tokens] as PyTorch has them,
// and gives its outputs by name. lengths [n] are the tokens of each text that
// attention sees, the first; nil: all.
func (m *Model) ForwardText(ctx context.Context, ids []uint32, n, tokens int, lengths []uint32) (map[string]Array, error) {
	b, err := m.bindText(ids, n, tokens, lengths)
	if err != nil {
		return nil, err
	}
	defer b.release()
	return m.run(ctx, b)
}

// bindText is the program for texts with its inputs.
func (m *Model) bindText(ids []uint32, n, tokens int, lengths []uint32) (bound, error) {
	if m.text == nil {
		return bound{}, fmt.Errorf("%s: %w", m.Name, ErrNoText)
	}
	if err := m.checkIDs(ids, n, tokens); err != nil {
		return bound{}, err
	}
	p, err := m.texts.acquire(textShape{n, tokens, lengths != nil})
	if err != nil {
		return bound{}, fmt.Errorf("%s: %d texts of %d tokens: %w", m.Name, n, tokens, err)
	}
	at := make([]uint32, n)
	for i := range at {
		at[i] = uint32(m.text.Pooled(ids[i*tokens : (i+1)*tokens]))
	}
	in := map[string]any{inputIDs: ids, pooledAt: at}
	if lengths != nil {
		in[lengthOf] = lengths
	}
	return bound{Program: p.Program, in: in, release: func() { m.texts.release(p) }}, nil
}

// checkIDs refuses what the tower has no position or no embedding for.
func (m *Model) checkIDs(ids []uint32, n, tokens int) error {
	if n < 1 || tokens < 1 || n*tokens != len(ids) || tokens > m.text.Context() {
		return fmt.Errorf("input_ids: found shape [%d %d] with %d values, expected [N T] of at most %d tokens", n, tokens, len(ids), m.text.Context())
	}
	if most := slices.Max(ids); int(most) >= m.text.Vocabulary() {
		return fmt.Errorf("input_ids: found the id %d, the table has %d tokens", most, m.text.Vocabulary())
	}
	return nil
}

// textBatch is how many texts one forward pass takes.
const textBatch = 16

// EmbedTexts gives the embedding of unit length of each text. truncated says
// which were longer than the context and cut as the reference cuts.
func (m *Model) EmbedTexts(ctx context.Context, texts []string) (embeds [][]float32, truncated []bool, err error) {
	if m.text == nil || m.pairing == nil {
		return nil, nil, fmt.Errorf("%s: %w that is paired with pictures", m.Name, ErrNoText)
	}
	for at := 0; at < len(texts); at += textBatch {
		some, cut, err := m.embedBatch(ctx, texts[at:min(len(texts), at+textBatch)])
		if err != nil {
			return nil, nil, err
		}
		embeds, truncated = append(embeds, some...), append(truncated, cut...)
	}
	return embeds, truncated, nil
}

func (m *Model) embedBatch(ctx context.Context, texts []string) (embeds [][]float32, truncated []bool, err error) {
	ids, tokens, truncated, err := m.tokens(texts)
	if err != nil {
		return nil, nil, err
	}
	out, err := m.ForwardText(ctx, ids, len(texts), tokens, nil)
	if err != nil {
		return nil, nil, err
	}
	all := out["text_embeds"]
	width := all.Shape[1]
	for i := range texts {
		embeds = append(embeds, all.Data[i*width:(i+1)*width])
	}
	return embeds, truncated, nil
}

// tokens encodes texts and pads them to one length, one of few, so that few
// programs are recorded.
func (m *Model) tokens(texts []string) (ids []uint32, length int, truncated []bool, err error) {
	t, err := m.tokenize()
	if err != nil {
		return nil, 0, nil, err
	}
	if t.Size() > m.text.Vocabulary() {
		return nil, 0, nil, fmt.Errorf("the tokenizer has %d tokens and the model's table %d; they are not of one checkpoint", t.Size(), m.text.Vocabulary())
	}
	rows, longest := make([][]uint32, len(texts)), 0
	truncated = make([]bool, len(texts))
	for i, text := range texts {
		rows[i], truncated[i] = t.Encode(text, m.text.Context())
		longest = max(longest, len(rows[i]))
	}
	length = m.text.Context()
	for step := 16; !m.text.Fixed() && step < length; step *= 2 {
		if longest <= step {
			length = step
		}
	}
	for _, row := range rows {
		padding := slices.Repeat([]uint32{t.Pad()}, length-len(row))
		if t.PadLeft() {
			row, padding = padding, row
		}
		ids = append(append(ids, row...), padding...)
	}
	return ids, length, truncated, nil
}

// Match is the logit of a picture and a text by their embeddings of unit length.
// The model must be a dual encoder.
func (m *Model) Match(image, text []float32) float64 {
	return m.MatchCosine(dot(image, text))
}

// MatchCosine is Match by the cosine of the embeddings.
func (m *Model) MatchCosine(cosine float64) float64 { return m.pairing.Match(cosine) }

// Scores makes probabilities of the logits of one picture: among the texts
// (CLIP), or each on its own (SigLIP).
func (m *Model) Scores(logits []float64) []float64 {
	out := make([]float64, len(logits))
	if m.pairing.Sigmoid() {
		for i, v := range logits {
			out[i] = 1 / (1 + math.Exp(-v))
		}
		return out
	}
	var sum float64
	for i, v := range logits {
		out[i] = math.Exp(v - slices.Max(logits))
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// Dual says that the model pairs pictures with texts.
func (m *Model) Dual() bool { return m.pairing != nil }
