package tokenizer

import (
	"math"
	"slices"
	"unicode/utf8"
)

// unknownPenalty is how much less than the worst piece an unknown character
// scores, in sentencepiece and tokenizers.
const unknownPenalty = 10

// piece is a token with its log-probability.
type piece struct {
	text  string
	id    uint32
	score float64
}

// unigram cuts a text into the pieces of the greatest sum of log-probabilities
// (Kudo 2018).
type unigram struct {
	next         map[edge]int32 // the trie of pieces; its root is node 0
	ends         []int32        // by node: the piece that ends there, -1 for none
	pieces       []piece
	unknown      uint32
	unknownScore float64
	// single rounds each sum to float32, as sentencepiece does: near ties are
	// decided by it.
	single bool
}

// edge is a step from a node of the trie.
type edge struct {
	node int32
	b    int32 // a byte; as wide as node, so that the key has no padding and hashes fast
}

func newUnigram(pieces []piece, unknown uint32, single bool) *unigram {
	u := &unigram{next: map[edge]int32{}, ends: []int32{-1}, pieces: pieces, unknown: unknown, single: single}
	worst := math.Inf(1)
	for i, p := range pieces {
		node := int32(0)
		for j := range len(p.text) {
			e := edge{node, int32(p.text[j])}
			to, ok := u.next[e]
			if !ok {
				to = int32(len(u.ends))
				u.next[e], u.ends = to, append(u.ends, -1)
			}
			node = to
		}
		if node > 0 {
			u.ends[node] = int32(i)
		}
		worst = min(worst, p.score)
	}
	u.unknownScore = u.round(worst - unknownPenalty)
	return u
}

func (u *unigram) round(x float64) float64 {
	if u.single {
		return float64(float32(x))
	}
	return x
}

// best is the best way to a place of a text: its last piece, where that begins,
// and the sum so far.
type best struct {
	score float64
	begin int32 // -1 before any
	id    uint32
}

// encode appends the ids of the best pieces, consecutive unknown ones as one.
func (u *unigram) encode(ids []uint32, text string) []uint32 {
	ways := make([]best, len(text)+1)
	for i := range ways {
		ways[i].begin = -1
	}
	for begin := 0; begin < len(text); {
		_, width := utf8.DecodeRuneInString(text[begin:])
		u.extend(ways, text, begin, width)
		begin += width
	}
	first := len(ids)
	for end := int32(len(text)); end > 0; end = ways[end].begin {
		if id := ways[end].id; id != u.unknown || len(ids) == first || ids[len(ids)-1] != id {
			ids = append(ids, id)
		}
	}
	slices.Reverse(ids[first:])
	return ids
}

// extend goes on from a place by all pieces that begin there, or by an unknown
// character if it alone is no piece.
func (u *unigram) extend(ways []best, text string, begin, width int) {
	sofar, known := ways[begin].score, false
	node := int32(0)
	for end := begin; end < len(text); {
		to, ok := u.next[edge{node, int32(text[end])}]
		if !ok {
			break
		}
		node = to
		end++
		if i := u.ends[node]; i >= 0 {
			u.offer(&ways[end], best{sofar + u.pieces[i].score, int32(begin), u.pieces[i].id})
			known = known || end == begin+width
		}
	}
	if !known {
		u.offer(&ways[begin+width], best{sofar + u.unknownScore, int32(begin), u.unknown})
	}
}

// offer takes a way if it is better than those before it.
func (u *unigram) offer(to *best, way best) {
	way.score = u.round(way.score)
	if to.begin < 0 || way.score > to.score {
		*to = way
	}
}
