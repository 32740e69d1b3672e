package tokenizer

import (
	"slices"
	"strings"
)

// Tokenizer encodes texts. It may be used from several goroutines.
type Tokenizer struct {
	vocab         *vocabulary
	scheme        scheme
	before, after []uint32 // of every text
	// once says that what ends a text is not put after itself.
	once    bool
	pad     uint32
	padLeft bool
}

// scheme is how a family of checkpoints cuts texts.
type scheme interface {
	// encode gives the ids of a text in UTF-8, without those before and after.
	// It may stop when there are n.
	encode(text string, n int) []uint32
	// join is the text of tokens, special ones not among them.
	join(tokens []string) string
}

// Pad is the id that fills a batch up to its length.
func (t *Tokenizer) Pad() uint32 { return t.pad }

// Size is the least number above all ids.
func (t *Tokenizer) Size() int { return len(t.vocab.tokens) }

// Token is the text of an id as the vocabulary has it, "" for an unknown one.
func (t *Tokenizer) Token(id uint32) string { return t.vocab.token(id) }

// PadLeft says that the padding goes before a text, not after it.
func (t *Tokenizer) PadLeft() bool { return t.padLeft }

// Encode gives the ids of a text between those that begin and end each. Of a text
// that takes more than n ids, n at least 2, the first are kept and the end token
// after them. Bytes that are no UTF-8 count as U+FFFD.
func (t *Tokenizer) Encode(text string, n int) (ids []uint32, truncated bool) {
	room := n - len(t.before) - len(t.after)
	inner := t.scheme.encode(strings.ToValidUTF8(text, "\ufffd"), room+1)
	if truncated = len(inner) > room; truncated {
		inner = inner[:room]
	}
	if t.once && len(inner) > 0 && inner[len(inner)-1] == t.after[0] {
		return slices.Concat(t.before, inner), truncated
	}
	return slices.Concat(t.before, inner, t.after), truncated
}

// Decode is the text of ids, without special tokens.
func (t *Tokenizer) Decode(ids []uint32) string {
	var tokens []string
	for _, id := range ids {
		if !t.vocab.special[id] {
			tokens = append(tokens, t.Token(id))
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(t.scheme.join(tokens), "\ufffd"))
}
