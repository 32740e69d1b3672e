package models

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
)

// textBatch is how many texts one forward pass takes.
const textBatch = 16

// EmbedsTexts says that the model makes a vector of each text.
func (m *Model) EmbedsTexts() bool { return m.texts != nil && m.texts.Text.Output != "" }

// Sentences says that making a vector of each text is all that the model does.
func (m *Model) Sentences() bool { return m.EmbedsTexts() && m.pairing == nil }

// Prompts are what the checkpoint says to put before texts.
func (m *Model) Prompts() nn.Prompts { return m.texts.Text.Prompts }

// EmbedTexts gives the embedding of each text: of a dual encoder of unit length, else as
// the checkpoint makes it. truncated says which were longer than what is read and cut as
// the reference cuts. done, if not nil, is told after each pass how many there are.
func (m *Model) EmbedTexts(ctx context.Context, texts []string, done func(n int)) (embeds [][]float32, truncated []bool, err error) {
	if !m.EmbedsTexts() {
		return nil, nil, fmt.Errorf("%s: %w whose embeddings can be compared", m.Name, ErrNoText)
	}
	rows, truncated, err := m.encode(texts)
	if err != nil {
		return nil, nil, err
	}
	order := make([]int, len(texts)) // of like lengths together, as padding takes time
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(rows[a]) - len(rows[b]) })
	embeds = make([][]float32, len(texts))
	n := 0
	for some := range slices.Chunk(order, textBatch) {
		var batch [][]uint32
		for _, i := range some {
			batch = append(batch, rows[i])
		}
		out, err := m.Forward(ctx, m.padTexts(batch), m.texts.Text.Output)
		if err != nil {
			return nil, nil, err
		}
		all := out[m.texts.Text.Output]
		width := all.Shape[1]
		for k, i := range some {
			embeds[i] = all.Data[k*width : (k+1)*width]
			if err := m.directed(embeds[i]); err != nil {
				return nil, nil, fmt.Errorf("text %q: %w", texts[i], err)
			}
		}
		if n += len(some); done != nil {
			done(n)
		}
	}
	return embeds, truncated, nil
}

// TextLength is how many tokens a text has for the model, of which it reads no more than it
// is made for, and the length to which it is padded alone: texts of one such length are
// computed together. It takes no device and may be called after Close.
func (m *Model) TextLength(text string) (tokens, padded int, truncated bool, err error) {
	if m.texts == nil {
		return 0, 0, false, fmt.Errorf("%s: %w", m.Name, ErrNoText)
	}
	rows, cut, err := m.encode([]string{text})
	if err != nil {
		return 0, 0, false, err
	}
	return len(rows[0]), m.paddedLength(len(rows[0])), cut[0], nil
}

// paddedLength is the length to which texts of so many tokens at most are padded, one of few,
// so that few programs are recorded.
func (m *Model) paddedLength(longest int) int {
	length := cmp.Or(m.texts.Text.Most, m.texts.Input(nn.InputIDs).Dims[1].Most)
	for step := 16; !m.texts.Text.Fixed && step < length; step *= 2 {
		if longest <= step {
			length = step
		}
	}
	return length
}

// TextIDs are the tokens of texts, cut to what is read; truncated says which were cut.
func (m *Model) TextIDs(texts []string) (rows [][]uint32, truncated []bool, err error) {
	if m.texts == nil {
		return nil, nil, fmt.Errorf("%s: %w whose embeddings can be compared", m.Name, ErrNoText)
	}
	return m.encode(texts)
}

// EmbeddingWidth is the number of values of an image's embedding in a dual encoder.
func (m *Model) EmbeddingWidth() int {
	_, shapes, err := m.module.Outputs(nn.Images(m.example[nn.PixelValues]), gpu.Wants{Names: []string{"image_embeds"}, Only: true})
	if err != nil || len(shapes["image_embeds"]) != 2 {
		return 0
	}
	return shapes["image_embeds"][1]
}

// encode gives the tokens of texts, cut to what is read.
func (m *Model) encode(texts []string) (rows [][]uint32, truncated []bool, err error) {
	t, err := m.tokenize()
	if err != nil {
		return nil, nil, err
	}
	in, about := m.texts.Input(nn.InputIDs), m.texts.Text
	if t.Size() > in.Below {
		return nil, nil, fmt.Errorf("the tokenizer has %d tokens and the model's table %d; they are not of one checkpoint", t.Size(), in.Below)
	}
	if about.Lower {
		t = t.Lowered()
	}
	rows, truncated = make([][]uint32, len(texts)), make([]bool, len(texts))
	for i, text := range texts {
		rows[i], truncated[i] = t.Encode(text, cmp.Or(about.Most, in.Dims[1].Most))
	}
	return rows, truncated, nil
}

// padTexts are texts of one length. The tokenizer has encoded them.
func (m *Model) padTexts(rows [][]uint32) map[string]Array {
	t, _ := m.tokenize()
	longest := 0
	for _, row := range rows {
		longest = max(longest, len(row))
	}
	length := m.paddedLength(longest)
	shape := []int{len(rows), length}
	ids, mask := Array{Shape: shape}, Array{Shape: shape}
	for _, row := range rows {
		padding := slices.Repeat([]uint32{t.Pad()}, length-len(row))
		mask.Data = append(mask.Data, slices.Concat(slices.Repeat([]float32{1}, len(row)), make([]float32, len(padding)))...)
		if t.PadLeft() && !m.texts.Text.Masked {
			row, padding = padding, row
		}
		for _, id := range slices.Concat(row, padding) {
			ids.Data = append(ids.Data, float32(id))
		}
	}
	in := map[string]Array{nn.InputIDs: ids}
	if m.texts.Text.Masked {
		in[nn.AttentionMask] = mask
	}
	return in
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
	return scoresOf(logits, m.pairing.Scores)
}

// Evidence is how much likelier a text is for a picture or sound than others are, in nats: its
// logit less the logarithm of the mean of the exponentials of theirs. What a model adds to all
// logits of an item cancels, so that of models trained to tell pairs the values can be
// compared. All are embeddings of unit length.
func (m *Model) Evidence(item, text []float32, others [][]float32) float64 {
	logits, most := make([]float64, len(others)), math.Inf(-1)
	for i, o := range others {
		logits[i] = m.Match(item, o)
		most = max(most, logits[i])
	}
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(l - most)
	}
	return m.Match(item, text) - most - math.Log(sum/float64(len(others)))
}

// LogitsPerImage is [Model.Match] of all pairs, [images, texts], of embeddings
// of unit length, [images, D] and [texts, D].
func (m *Model) LogitsPerImage(images, texts Array) Array {
	width := images.Shape[1]
	out := Array{Shape: []int{images.Shape[0], texts.Shape[0]}}
	for i := range images.Shape[0] {
		for t := range texts.Shape[0] {
			out.Data = append(out.Data, float32(m.Match(images.Data[i*width:(i+1)*width], texts.Data[t*width:(t+1)*width])))
		}
	}
	return out
}
