package models

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/models/nn"
)

// WordMap is how much each patch of an image was attended to for a word: the mean over
// the word's tokens, the layers and their heads.
type WordMap struct {
	Word string
	Map  Map
}

// WordMaps are those of a text that [Model.Write] wrote about an image, or where the text
// looks at a question and that at the image, those of the question's words. It is one
// pass over the whole text.
func (m *Model) WordMaps(ctx context.Context, a Ask, w Written) ([]WordMap, error) {
	q, err := m.request(a)
	if err != nil {
		return nil, err
	}
	d := m.writer.Decoder
	pixels, seen := q.In[nn.PixelValues]
	if d.Looks == "" || !seen {
		return nil, fmt.Errorf("words of %s: %w", m.Name, ErrNoMap)
	}
	in := maps.Clone(q.In)
	in[d.IDs] = idsOf(w.IDs[:len(w.IDs)-1], 1)
	ids, from := w.IDs, 1 // a token is chosen by what the one before it looks at
	if d.LooksOf != "" {
		ids, from = nil, 0
		for _, v := range in[d.LooksOf].Data {
			ids = append(ids, uint32(v))
		}
	}
	out, err := m.module.Forward(ctx, in, m.wants([]string{d.Looks}))
	if err != nil {
		return nil, err
	}
	at, err := m.patchMap(pixels.Shape[2], pixels.Shape[3])
	if err != nil {
		return nil, err
	}
	words, err := m.split(ids)
	if err != nil {
		return nil, err
	}
	all := make([]WordMap, len(words))
	for i, word := range words {
		all[i] = WordMap{word.text, at.Map}
		all[i].Map.Values = meanLook(out, word.first-from, word.end-from, at)
	}
	return all, nil
}

// meanLook is the mean of the probabilities of tokens first to end for the patches.
func meanLook(out map[string]Array, first, end int, at patches) []float32 {
	sum := make([]float64, at.Rows*at.Columns)
	n := 0
	for _, a := range out {
		heads, tokens, s := a.Shape[1], a.Shape[2], a.Shape[3]
		for h := range heads {
			for t := max(0, first); t < min(end, tokens); t++ {
				n++
				for i, p := range a.Data[(h*tokens+t)*s+at.prefix:][:len(sum)] {
					sum[i] += float64(p)
				}
			}
		}
	}
	values := make([]float32, len(sum))
	for i, v := range sum {
		values[i] = float32(v / float64(max(1, n)))
	}
	return values
}

// word is the text of tokens first to end.
type word struct {
	text       string
	first, end int
}

// split are the words of ids: tokens that go on a word are of it, those that are none of
// the text are left out.
func (m *Model) split(ids []uint32) ([]word, error) {
	t, err := m.tokenize()
	if err != nil {
		return nil, err
	}
	var all []word
	before := ""
	for i := range ids {
		text := m.words(t, ids[:i+1])
		piece := strings.TrimPrefix(text, before)
		if text == before {
			continue
		}
		if before = text; len(all) > 0 && !strings.HasPrefix(piece, " ") && all[len(all)-1].end == i {
			all[len(all)-1].text += piece
			all[len(all)-1].end = i + 1
			continue
		}
		all = append(all, word{strings.TrimSpace(piece), i, i + 1})
	}
	return slices.DeleteFunc(all, func(w word) bool { return w.text == "" }), nil
}
