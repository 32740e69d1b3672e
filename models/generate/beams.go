package generate

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// finished is the score of what is not: transformers has this number, and adds it to
// scores of what must not be chosen.
const finished = float32(-1e9)

// beam is a text that goes on, or one that has ended.
type beam struct {
	ids    []uint32
	score  float32
	parent uint32 // beam of the step before, of those that go on
	done   bool
	ended  bool // by a token that ends it, of those that are done
}

// item is the search for one text.
type item struct {
	running, ended []beam // as many as beams, the best first
	hopeful        bool   // what goes on may become better than the worst that has ended
}

// candidate is a token that may go on a beam.
type candidate struct {
	value  float32 // sum of log-probabilities
	id     uint32
	parent uint32
}

// candidates is how many are looked at for each item: with all of a beam's ends among
// them, as many as beams go on.
func (s *session) candidates() int { return max(2, 1+len(s.Config.End)) * s.beams }

// search writes a text for each item by beams (transformers' _beam_search, whose order
// of operations in f32 it has).
func (s *session) search(ctx context.Context, q Request) ([]Text, error) {
	begun, length := len(q.Begin[0]), len(q.Begin[0])
	items := make([]item, s.items)
	for i, ids := range q.Begin {
		items[i] = newItem(ids, s.beams)
	}
	s.starts(begun)
	for at, open := 0, true; open; length++ {
		found, err := s.candidatesOf(ctx, items, at)
		if err != nil {
			return nil, err
		}
		at, open = length, false
		var hopeful, running bool
		atOnce := s.Config.Early == EarlyAtOnce
		for i := range items {
			goes := items[i].advance(s, found[i], length, begun)
			hopeful, open = hopeful || items[i].hopeful, open || goes
			running = running || !items[i].full()
		}
		open = open && hopeful && (running || !atOnce)
	}
	out := make([]Text, len(items))
	for i := range items {
		best := items[i].ended[0]
		out[i] = Text{IDs: best.ids, Begun: begun, Score: float64(best.score), Stopped: AtLength}
		if best.ended {
			out[i].Stopped = AtEnd
		}
	}
	return out, nil
}

func newItem(ids []uint32, beams int) item {
	x := item{hopeful: true}
	for b := range beams {
		x.running = append(x.running, beam{ids: slices.Clone(ids), score: finished, parent: uint32(b)})
		x.ended = append(x.ended, beam{ids: slices.Clone(ids), score: finished})
	}
	x.running[0].score = 0 // or all beams would become the same
	return x
}

// full says that as many texts as beams have ended.
func (x *item) full() bool {
	return !slices.ContainsFunc(x.ended, func(b beam) bool { return !b.done })
}

// candidatesOf are the best tokens behind each item's beams, in order. Those up to at
// are in the caches.
func (s *session) candidatesOf(ctx context.Context, items []item, at int) ([][]candidate, error) {
	var texts [][]uint32
	var parents []uint32
	var scores []float32
	for _, x := range items {
		for _, b := range x.running {
			texts, scores, parents = append(texts, b.ids), append(scores, b.score), append(parents, b.parent)
		}
	}
	got, err := s.run(ctx, texts, at, map[string]any{inParents: parents, inScores: scores})
	if err != nil {
		return nil, err
	}
	id, forced := s.forced(len(texts[0]))
	found := make([][]candidate, len(items))
	for i, x := range items {
		if forced {
			for b, r := range x.running {
				found[i] = append(found[i], candidate{r.score, id, uint32(b)})
			}
			continue
		}
		for k := range s.candidates() {
			c := got[3*(i*s.candidates()+k):]
			found[i] = append(found[i], candidate{c[0], uint32(c[1]), uint32(c[2])})
		}
	}
	return found, nil
}

// advance takes the candidates behind beams of so many tokens, begun ones among them. It
// says whether one of them goes on.
func (x *item) advance(s *session, found []candidate, length, begun int) (goes bool) {
	next := make([]beam, len(found))
	for k, c := range found {
		next[k] = beam{ids: append(slices.Clone(x.running[c.parent].ids), c.id), score: c.value, parent: c.parent}
		next[k].ended = slices.Contains(s.Config.End, c.id)
		next[k].done = next[k].ended || length+1 >= s.greatest
		goes = goes || !next[k].done
	}
	x.finish(s, next, length+1-begun)
	for k := range next {
		if next[k].done {
			next[k].score += finished
		}
		next[k].done, next[k].ended = false, false
	}
	x.running = bestOf(next, s.beams)
	x.hopeful = x.hopeful && x.improvable(s, length+1-begun, begun)
	return goes
}

// finish keeps the best of what has ended and of the candidates that end now; only the
// first candidates, as many as beams, may.
func (x *item) finish(s *session, next []beam, written int) {
	full := x.full() && s.Config.Early == EarlyAtOnce
	all := slices.Clone(x.ended)
	for k, b := range next {
		b.score /= s.penalty(written)
		if full {
			b.score += finished
		}
		if !x.hopeful {
			b.score += finished
		}
		if b.done = b.done && k < s.beams; !b.done {
			b.score += finished
		}
		all = append(all, b)
	}
	x.ended = bestOf(all, s.beams)
}

// improvable says that the best that goes on may become better than the worst that has
// ended.
func (x *item) improvable(s *session, written, begun int) bool {
	if s.Config.Early == EarlyNever && or(s.Config.Length, 1) > 0 {
		written = s.greatest - begun
	}
	best, worst := x.running[0].score/s.penalty(written), float32(math.Inf(1))
	for _, b := range x.ended {
		worst = min(worst, b.score)
	}
	return slices.ContainsFunc(x.ended, func(b beam) bool {
		if b.done {
			return best > worst
		}
		return best > finished
	})
}

// penalty is what scores of texts of so many tokens are divided by.
func (s *session) penalty(written int) float32 {
	return float32(math.Pow(float64(written), or(s.Config.Length, 1)))
}

// bestOf are the n beams of the highest scores, of equal ones the first.
func bestOf(all []beam, n int) []beam {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b beam) int { return cmp.Compare(b.score, a.score) })
	return all[:min(n, len(all))]
}
