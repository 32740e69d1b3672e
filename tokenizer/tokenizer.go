package tokenizer

import (
	"slices"
	"strings"
)

// Tokenizer encodes texts. It may be used from several goroutines.
type Tokenizer struct {
	vocab   map[string]uint32
	tokens  []string // by id
	ranks   map[pair]int
	special []string // added tokens, the longest first
	start   uint32
	end     uint32
	pad     uint32
	unknown uint32
}

// pair is two symbols that may be merged.
type pair struct{ left, right string }

// Pad is the id that fills a batch up to its length.
func (t *Tokenizer) Pad() uint32 { return t.pad }

// Size is the least number above all ids.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Token is the text of an id as the vocabulary has it, "" for an unknown one.
func (t *Tokenizer) Token(id uint32) string {
	if int(id) >= len(t.tokens) {
		return ""
	}
	return t.tokens[id]
}

// Encode gives the ids of a text between the start and the end token. Of a text
// that takes more than n ids, n at least 2, the first are kept and the end token
// after them. Bytes that are no UTF-8 count as U+FFFD.
func (t *Tokenizer) Encode(text string, n int) (ids []uint32, truncated bool) {
	ids = []uint32{t.start}
	for _, part := range t.parts(strings.ToValidUTF8(text, "\ufffd")) {
		if part.special {
			ids = append(ids, t.vocab[part.text])
			continue
		}
		for _, word := range split(clean(part.text)) {
			if len(ids) >= n { // enough to know that it is too long
				break
			}
			ids = t.word(ids, word)
		}
	}
	if len(ids) >= n {
		return append(ids[:n-1:n-1], t.end), true
	}
	return append(ids, t.end), false
}

// part is a piece of a text: an added token, or what stands between them.
type part struct {
	text    string
	special bool
}

// parts finds the added tokens, which are taken before any clean-up, the
// leftmost first and of those that begin together the longest.
func (t *Tokenizer) parts(text string) []part {
	var out []part
	begin := 0
	for i := 0; i < len(text); {
		at := slices.IndexFunc(t.special, func(s string) bool { return strings.HasPrefix(text[i:], s) })
		if at < 0 {
			i++
			continue
		}
		if i > begin {
			out = append(out, part{text: text[begin:i]})
		}
		out = append(out, part{text: t.special[at], special: true})
		i += len(t.special[at])
		begin = i
	}
	if begin < len(text) {
		out = append(out, part{text: text[begin:]})
	}
	return out
}

// Decode is the text of ids, without special tokens, a space after each word.
func (t *Tokenizer) Decode(ids []uint32) string {
	var b strings.Builder
	for _, id := range ids {
		s := t.Token(id)
		if slices.Contains(t.special, s) {
			continue
		}
		word, last := strings.CutSuffix(s, wordEnd)
		for _, r := range word {
			if raw, ok := letterByte[r]; ok {
				b.WriteByte(raw)
			}
		}
		if last {
			b.WriteByte(' ')
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(b.String(), "\ufffd"))
}
