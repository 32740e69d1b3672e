package tokenizer

import (
	"math"
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
	// decoded are the texts of ids that are another in a decoded text.
	decoded map[uint32]string
	// lowers says that texts are written in small letters first.
	lowers bool
	// tidy says that a decoded text has no spaces before signs.
	tidy bool
}

// scheme is how a family of checkpoints cuts texts.
type scheme interface {
	// encode gives the ids of a text in UTF-8, without those before and after.
	// It may stop when there are n.
	encode(text string, n int) []uint32
	// join is the text of tokens, which may be no UTF-8 where a character is cut.
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

// ID is the id of a token by its text as the vocabulary has it, as "<image>".
func (t *Tokenizer) ID(token string) (id uint32, ok bool) {
	id, ok = t.vocab.ids[token]
	return id, ok
}

// Special says that an id stands for no text: Decode leaves it out.
func (t *Tokenizer) Special(id uint32) bool { return t.vocab.special[id] }

// Encode gives the ids of a text between those that begin and end each. Of a text
// that takes more than n ids, n at least as many as those, the first are kept and the
// end tokens after them. Bytes that are no UTF-8 count as U+FFFD.
func (t *Tokenizer) Encode(text string, n int) (ids []uint32, truncated bool) {
	room := max(n-len(t.before)-len(t.after), 0)
	inner := t.scheme.encode(t.written(text), room+1)
	if truncated = len(inner) > room; truncated {
		inner = inner[:room]
	}
	if t.once && len(inner) > 0 && inner[len(inner)-1] == t.after[0] {
		return slices.Concat(t.before, inner), truncated
	}
	return slices.Concat(t.before, inner, t.after), truncated
}

// EncodePart gives the ids of a part of a text, without those that begin and end
// each. Special tokens that it names are one id each, as in Encode.
func (t *Tokenizer) EncodePart(text string) []uint32 {
	return t.scheme.encode(t.written(text), math.MaxInt)
}

// Lowered is the tokenizer with small letters in place of capitals, but in special tokens
// that a text names.
func (t *Tokenizer) Lowered() *Tokenizer {
	lowered := *t
	lowered.lowers = true
	return &lowered
}

// written is a text as the scheme takes it.
func (t *Tokenizer) written(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if !t.lowers {
		return text
	}
	var b strings.Builder
	for text != "" {
		at, token := t.nextSpecial(text)
		b.WriteString(lowerAll(text[:at]))
		b.WriteString(token)
		text = text[at+len(token):]
	}
	return b.String()
}

// nextSpecial is the first special token that a text names, and where; the text's end
// where there is none.
func (t *Tokenizer) nextSpecial(text string) (at int, token string) {
	at = len(text)
	for id := range t.vocab.special {
		name := t.vocab.token(id)
		if i := strings.Index(text, name); name != "" && i >= 0 && (i < at || i == at && len(name) > len(token)) {
			at, token = i, name
		}
	}
	return at, token
}
