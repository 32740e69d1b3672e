package tokenizer

import "container/heap"

// symbol is a link of the chain that a word is while its pairs are merged.
type symbol struct {
	text       string
	prev, next int // -1 at the ends
	gone       bool
}

// candidate is a pair of neighbours that may be merged.
type candidate struct {
	rank, at    int // of the left symbol
	left, right string
}

// queue orders candidates by rank, then by place.
type queue []candidate

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(candidate)) }
func (q *queue) Pop() any {
	x := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return x
}

// word appends the ids of one word: its bytes, merged by the pair of the lowest
// rank, the leftmost of equals, as long as there is one.
func (t *Tokenizer) word(ids []uint32, word string) []uint32 {
	chain := make([]symbol, len(word))
	for i := range chain {
		chain[i] = symbol{text: byteLetter[word[i]], prev: i - 1, next: i + 1}
	}
	chain[len(chain)-1].text += wordEnd
	chain[len(chain)-1].next = -1
	q := &queue{}
	for i := range chain {
		t.offer(q, chain, i)
	}
	for q.Len() > 0 {
		c := heap.Pop(q).(candidate)
		left := &chain[c.at]
		if left.gone || left.next < 0 || left.text != c.left || chain[left.next].text != c.right {
			continue // one of the two was merged meanwhile
		}
		right := &chain[left.next]
		left.text, left.next, right.gone = left.text+right.text, right.next, true
		if left.next >= 0 {
			chain[left.next].prev = c.at
		}
		t.offer(q, chain, c.at)
		if left.prev >= 0 {
			t.offer(q, chain, left.prev)
		}
	}
	for _, s := range chain {
		if s.gone {
			continue
		}
		id, ok := t.vocab[s.text]
		if !ok {
			id = t.unknown
		}
		ids = append(ids, id)
	}
	return ids
}

// offer queues the pair of symbol i and the next, if it has a rank.
func (t *Tokenizer) offer(q *queue, chain []symbol, i int) {
	next := chain[i].next
	if next < 0 {
		return
	}
	if rank, ok := t.ranks[pair{chain[i].text, chain[next].text}]; ok {
		heap.Push(q, candidate{rank: rank, at: i, left: chain[i].text, right: chain[next].text})
	}
}
