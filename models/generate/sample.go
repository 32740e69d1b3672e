package generate

import (
	"context"
	"slices"

	"saccade/models/nn"
)

// sample writes a text for each item, each token the most probable or drawn.
func (s *session) sample(ctx context.Context, q Request) ([]Text, error) {
	texts, ended, out := make([][]uint32, s.items), make([]bool, s.items), make([]Text, s.items)
	for i, ids := range q.Begin {
		texts[i] = slices.Clone(ids)
		out[i] = Text{Begun: len(ids), Stopped: AtLength}
	}
	s.starts(len(q.Begin[0]))
	at := s.common(texts)
	for len(texts[0]) < s.greatest && slices.Contains(ended, false) {
		next, logProbs, err := s.next(ctx, q, texts, at)
		if err != nil {
			return nil, err
		}
		at, s.kept = len(texts[0]), slices.Clone(texts)
		for i, id := range next {
			if ended[i] {
				texts[i] = append(texts[i], *s.Config.Pad)
				continue
			}
			texts[i] = append(texts[i], id)
			out[i].LogProbs = append(out[i].LogProbs, logProbs[i])
			if q.Each != nil {
				q.Each(i, id)
			}
			if ended[i] = slices.Contains(s.Config.End, id); ended[i] {
				out[i].Stopped = AtEnd
			}
		}
	}
	for i := range out {
		out[i].IDs = texts[i][:out[i].Begun+len(out[i].LogProbs)]
	}
	return out, nil
}

// common is how many tokens of texts are in the caches already. One at least is read, and
// those that show memory are read with the first.
func (s *session) common(texts [][]uint32) int {
	n := len(texts[0]) - 1
	for i, text := range texts {
		if i >= len(s.kept) {
			return 0
		}
		kept := s.kept[i]
		n = min(n, len(kept))
		for j := range n {
			if kept[j] != text[j] {
				n = j
				break
			}
		}
	}
	for i := range s.shown {
		if s.shown[i] != nn.Unshown && i%len(texts[0]) >= n {
			return 0
		}
	}
	return n
}

// starts notes where a text's first token of its own is: behind a start and what is
// forced after it.
func (s *session) starts(begun int) {
	s.first = begun
	if begun == 1 && s.Config.ForcedFirst != nil {
		s.first++
	}
}

// next are the tokens behind texts, of which those up to at are in the caches, and their
// log-probabilities.
func (s *session) next(ctx context.Context, q Request, texts [][]uint32, at int) ([]uint32, []float64, error) {
	next, logProbs := make([]uint32, s.items), make([]float64, s.items)
	more := map[string]any{}
	if s.Config.Sample {
		more[inDraws] = q.Draws(len(texts[0])-len(q.Begin[0]), s.items)
	}
	got, err := s.run(ctx, texts, at, more)
	if err != nil {
		return nil, nil, err
	}
	id, forced := s.forced(len(texts[0]))
	for i := range next {
		if next[i], logProbs[i] = uint32(got[2*i]), float64(got[2*i+1]); forced {
			next[i], logProbs[i] = id, 0
		}
	}
	return next, logProbs, nil
}
