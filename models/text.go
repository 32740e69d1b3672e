package models

import (
	"context"
	"fmt"
	"slices"

	"saccade/models/nn"
)

// textBatch is how many texts one forward pass takes.
const textBatch = 16

// EmbedTexts gives the embedding of unit length of each text. truncated says
// which were longer than the context and cut as the reference cuts.
func (m *Model) EmbedTexts(ctx context.Context, texts []string) (embeds [][]float32, truncated []bool, err error) {
	if m.texts == nil || m.pairing == nil {
		return nil, nil, fmt.Errorf("%s: %w that are paired with images", m.Name, ErrNoText)
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
	out, err := m.Forward(ctx, map[string]Array{nn.InputIDs: {Shape: []int{len(texts), tokens}, Data: ids}}, "text_embeds")
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
func (m *Model) tokens(texts []string) (ids []float32, length int, truncated []bool, err error) {
	t, err := m.tokenize()
	if err != nil {
		return nil, 0, nil, err
	}
	in := m.texts.Input(nn.InputIDs)
	context := in.Dims[1].Most
	if t.Size() > in.Below {
		return nil, 0, nil, fmt.Errorf("the tokenizer has %d tokens and the model's table %d; they are not of one checkpoint", t.Size(), in.Below)
	}
	rows, longest := make([][]uint32, len(texts)), 0
	truncated = make([]bool, len(texts))
	for i, text := range texts {
		rows[i], truncated[i] = t.Encode(text, context)
		longest = max(longest, len(rows[i]))
	}
	length = context
	for step := 16; !m.texts.Text.Fixed && step < length; step *= 2 {
		if longest <= step {
			length = step
		}
	}
	for _, row := range rows {
		padding := slices.Repeat([]uint32{t.Pad()}, length-len(row))
		if t.PadLeft() {
			row, padding = padding, row
		}
		for _, id := range slices.Concat(row, padding) {
			ids = append(ids, float32(id))
		}
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
	return scoresOf(logits, m.pairing.Scores)
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
