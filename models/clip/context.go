package clip

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// ImageEmbeds is the input of a network with a learned context: the features of images [N, D],
// of any length.
const ImageEmbeds = "image_embeds"

// learnContext has n tokens behind the first of each text be trained, the same of all (Zhou et
// al. 2022, "Learning to Prompt for Vision-Language Models"). The texts are token ids without
// them. The network classifies images by their features among the texts: logits [N, texts], and
// text_embeds [texts, D], of unit length.
func (m *Model) learnContext(texts [][]uint32, n int) (*nn.Network, ops.Trained, error) {
	t := m.Text
	ids, index, err := t.placed(texts, n)
	if err != nil {
		return nil, ops.Trained{}, err
	}
	rows, err := t.b.TrainRows("ctx", n, t.Block.Width)
	if err != nil {
		return nil, rows, err
	}
	at, err := t.PooledAt(map[string]nn.Array{nn.InputIDs: ids})
	if err != nil {
		return nil, rows, err
	}
	count, length := ids.Shape[0], ids.Shape[1]
	tokens, pooled := t.b.Index("ctx.ids", whole(ids.Data), count, length), t.b.Index("ctx.pooled_at", whole(at.Data), count, 1)
	t.learned = &learned{rows: rows.State, index: t.b.Index("ctx.index", index, count, length)}
	scale := math.Exp(float64(t.b.Host(m.LogitScale)[0]))
	return &nn.Network{
		Name:   "context",
		Inputs: []nn.Input{{Name: ImageEmbeds, Dims: nn.Dims("N", t.Projection.Out)}},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			embeds := ops.Normalize(r, t.Embed(r, tokens, pooled, nil))
			r.Output("text_embeds", embeds)
			r.Output("logits", ops.Match(r, ops.Normalize(r, ops.Pack(r, in[ImageEmbeds], 1)), embeds, scale))
		},
	}, rows, nil
}

// learnTokens has the embeddings of n token ids be trained, from one on.
func (t *Text) learnTokens(first, n int) (ops.Trained, error) {
	rows, err := t.b.TrainRows("tokens", n, t.Block.Width)
	t.learned = &learned{rows: rows.State, first: first}
	return rows, err
}

// placed are texts with n tokens behind the first, which index [texts, T] numbers, and the last
// one repeated up to one length, which no token before sees.
func (t *Text) placed(texts [][]uint32, n int) (ids nn.Array, index []uint32, err error) {
	longest := 0
	for i, text := range texts {
		if len(text) < 2 {
			return ids, nil, fmt.Errorf("text %d has %d tokens, expected the first and the last at least", i, len(text))
		}
		longest = max(longest, len(text)+n)
	}
	switch {
	case !t.Block.Causal || t.Projection == nil:
		return ids, nil, errors.New("a context is learned of a CLIP, whose texts do not see their padding")
	case longest > t.Length:
		return ids, nil, fmt.Errorf("a context of %d tokens makes texts of %d; the network reads %d", n, longest, t.Length)
	}
	ids.Shape = []int{len(texts), longest}
	for _, text := range texts {
		last := text[len(text)-1]
		for i := range longest {
			row, id := uint32(ops.NoRow), last
			switch {
			case i == 0:
				id = text[0]
			case i <= n:
				row, id = uint32(i-1), text[0]
			case i-n < len(text):
				id = text[i-n]
			}
			ids.Data, index = append(ids.Data, float32(id)), append(index, row)
		}
	}
	return ids, index, nil
}

// whole are values as whole numbers.
func whole(v []float32) []uint32 {
	out := slices.Repeat([]uint32{0}, len(v))
	for i, x := range v {
		out[i] = uint32(x)
	}
	return out
}
