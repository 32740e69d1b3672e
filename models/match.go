package models

import (
	"context"
	"fmt"
	"maps"
	"math"

	"saccade/models/nn"
	"saccade/picture"
)

// ITMScore is the name of what tells how well texts go with images: logits [N, 2] of not
// and of well, or cosines [images, texts].
const ITMScore = "itm_score"

// Matches says that the model tells how well texts go with images, by reading both
// together or by the cosine of their embeddings.
func (m *Model) Matches() bool { return m.matches }

// MatchRaw is [ITMScore] of raw inputs: of pairs, or if cosine is set of all images with
// all texts.
func (m *Model) MatchRaw(ctx context.Context, in map[string]Array, cosine bool) (map[string]Array, error) {
	if !cosine {
		return m.Forward(ctx, in, ITMScore, "encoder_last_hidden_state")
	}
	texts := maps.Clone(in)
	delete(texts, nn.PixelValues)
	images, err := m.Forward(ctx, map[string]Array{nn.PixelValues: in[nn.PixelValues]}, "image_embeds")
	if err != nil {
		return nil, err
	}
	words, err := m.Forward(ctx, texts, "text_embeds")
	if err != nil {
		return nil, err
	}
	a, b := images["image_embeds"], words["text_embeds"]
	n, k, width := a.Shape[0], b.Shape[0], a.Shape[1]
	out := Array{Shape: []int{n, k}}
	for i := range n {
		for j := range k {
			out.Data = append(out.Data, float32(dot(a.Data[i*width:][:width], b.Data[j*width:][:width])))
		}
	}
	return map[string]Array{ITMScore: out}, nil
}

// MatchTexts is how well each text goes with an image: the probability that it does, or the
// cosine; and the raw scores.
func (m *Model) MatchTexts(ctx context.Context, img *picture.Image, texts []string, cosine bool) (scores []float64, raw Array, err error) {
	if !m.matches {
		return nil, Array{}, fmt.Errorf("%s tells not how well texts go with images", m.Name)
	}
	pixels, h, w, err := m.Preprocess(img)
	if err != nil {
		return nil, Array{}, err
	}
	in, err := m.masked(m.texts.Input(nn.InputIDs), texts)
	if err != nil {
		return nil, Array{}, err
	}
	in[nn.PixelValues] = Array{Shape: []int{1, len(pixels) / (h * w), h, w}, Data: pixels}
	out, err := m.MatchRaw(ctx, in, cosine)
	if err != nil {
		return nil, Array{}, err
	}
	raw = out[ITMScore]
	for i := range texts {
		if cosine {
			scores = append(scores, float64(raw.Data[i]))
			continue
		}
		not, well := float64(raw.Data[2*i]), float64(raw.Data[2*i+1])
		scores = append(scores, 1/(1+math.Exp(not-well)))
	}
	return scores, raw, nil
}

// masked are the ids of texts for an input, padded to the longest, with their mask.
func (m *Model) masked(in *nn.Input, texts []string) (map[string]Array, error) {
	t, err := m.tokenize()
	if err != nil {
		return nil, err
	}
	rows, longest := make([][]uint32, len(texts)), 0
	for i, text := range texts {
		var cut bool
		if rows[i], cut = t.Encode(text, in.Dims[1].Most); cut {
			return nil, fmt.Errorf("the text %.40q takes more than the context of %d tokens; shorten it", text, in.Dims[1].Most)
		}
		longest = max(longest, len(rows[i]))
	}
	ids := Array{Shape: []int{len(texts), longest}, Data: make([]float32, len(texts)*longest)}
	mask := Array{Shape: ids.Shape, Data: make([]float32, len(texts)*longest)}
	for i, row := range rows {
		for j := range longest {
			at := i*longest + j
			if ids.Data[at] = float32(t.Pad()); j < len(row) {
				ids.Data[at], mask.Data[at] = float32(row[j]), 1
			}
		}
	}
	return map[string]Array{nn.InputIDs: ids, nn.AttentionMask: mask}, nil
}
