package tokenizer

import "fmt"

// pair is two symbols that may be merged, by their ids.
type pair struct{ left, right uint32 }

// merged is what becomes of a pair: those of low rank first.
type merged struct {
	rank int
	id   uint32
}

// bench holds what a word is merged in, for the next word to use again.
type bench struct {
	chain []symbol
	queue queue
}

// merges are the pairs of a byte-pair encoding (Sennrich et al. 2016).
type merges map[pair]merged

// newMerges numbers pairs of tokens, the first first.
func newMerges(v *vocabulary, pairs [][2]string) (merges, error) {
	m := make(merges, len(pairs))
	for i, p := range pairs {
		left, ok := v.ids[p[0]]
		right, ok2 := v.ids[p[1]]
		id, ok3 := v.ids[p[0]+p[1]]
		if !ok || !ok2 || !ok3 {
			return nil, fmt.Errorf("merge %q with %q: these or what they make is not in the vocabulary", p[0], p[1])
		}
		if _, again := m[pair{left, right}]; !again {
			m[pair{left, right}] = merged{rank: i, id: id}
		}
	}
	return m, nil
}

// symbol is a link of the chain that a word is while its pairs are merged.
type symbol struct {
	id         uint32
	prev, next int32 // -1 at the ends
	gone       bool
}

// candidate is a pair of neighbours that may be merged.
type candidate struct {
	merged
	pair
	at int32 // of the left symbol
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// queue is a heap of candidates: by rank, then by place.
type queue []candidate

func (q *queue) push(c candidate) {
	h := append(*q, c)
	i := len(h) - 1
	for i > 0 && c.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = c
	*q = h
}

func (q *queue) pop() candidate {
	h := *q
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	i := 0
	for child := 1; child < len(h); child = 2*i + 1 {
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	*q = h
	return top
}

// apply merges the pair of the lowest rank, the leftmost of equals, as long as
// there is one, and appends what is left of a word's symbols to ids.
func (m merges) apply(ids, word []uint32, w *bench) []uint32 {
	w.chain = w.chain[:0]
	for i, id := range word {
		w.chain = append(w.chain, symbol{id: id, prev: int32(i) - 1, next: int32(i) + 1})
	}
	chain, q := w.chain, &w.queue
	if len(chain) > 0 {
		chain[len(chain)-1].next = -1
	}
	for i := range chain {
		m.offer(q, chain, int32(i))
	}
	for len(*q) > 0 {
		c := q.pop()
		left := &chain[c.at]
		if left.gone || left.next < 0 || left.id != c.left || chain[left.next].id != c.right {
			continue // one of the two was merged meanwhile
		}
		right := &chain[left.next]
		left.id, left.next, right.gone = c.id, right.next, true
		if left.next >= 0 {
			chain[left.next].prev = c.at
		}
		m.offer(q, chain, c.at)
		if left.prev >= 0 {
			m.offer(q, chain, left.prev)
		}
	}
	for _, s := range chain {
		if !s.gone {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// offer queues the pair of symbol i and the next, if it may be merged.
func (m merges) offer(q *queue, chain []symbol, i int32) {
	next := chain[i].next
	if next < 0 {
		return
	}
	p := pair{chain[i].id, chain[next].id}
	if to, ok := m[p]; ok {
		q.push(candidate{merged: to, pair: p, at: i})
	}
}
