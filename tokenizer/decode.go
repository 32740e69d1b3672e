package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Decode is the text of ids, without special tokens. What is no UTF-8 is U+FFFD.
func (t *Tokenizer) Decode(ids []uint32) string { return t.text(t.join(ids, false)) }

// DecodeAll is the text of ids, special tokens among them.
func (t *Tokenizer) DecodeAll(ids []uint32) string { return t.text(t.join(ids, true)) }

// DecodeStable is the beginning of a text of which these are the first ids, as far
// as more ids will not change it: each is a beginning of the next and of Decode at
// the end. It has no character cut apart.
func (t *Tokenizer) DecodeStable(ids []uint32) string {
	text := t.join(ids, false)
	text = text[:len(text)-unfinished(text)]
	if t.tidy {
		text = text[:settled(text)]
	}
	return t.text(text)
}

func (t *Tokenizer) join(ids []uint32, special bool) string {
	var tokens []string
	for _, id := range ids {
		if t.vocab.special[id] && !special || int(id) >= len(t.vocab.tokens) {
			continue
		}
		s, ok := t.decoded[id]
		if !ok {
			s = t.vocab.tokens[id]
		}
		tokens = append(tokens, s)
	}
	return t.scheme.join(tokens)
}

func (t *Tokenizer) text(joined string) string {
	joined = lossy(joined)
	if t.tidy {
		joined = tidy(joined)
	}
	return joined
}

// settled is how much of a text tidy treats alike, whatever follows: up to a space
// that no contraction before it reaches over.
func settled(text string) int {
	for end := strings.LastIndexByte(text, ' '); end >= 0; end = strings.LastIndexByte(text[:end], ' ') {
		before := text[:end]
		if !strings.HasSuffix(before, " ") && !strings.HasSuffix(before, " '") && !strings.HasSuffix(before, " n") {
			return end
		}
	}
	return 0
}

// lossy puts one U+FFFD in place of each beginning of a character that does not go
// on as one, and of each byte that begins none, as Unicode recommends and Rust's and
// Python's decoders do.
func lossy(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			n, _ = broken(text)
			b.WriteRune(utf8.RuneError)
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// broken is how long a beginning of a character is that does not go on as one, at
// least 1, and whether it only ends too soon.
func broken(text string) (n int, short bool) {
	low, high, more := byte(0x80), byte(0xbf), 0
	switch lead := text[0]; {
	case lead >= 0xc2 && lead <= 0xdf:
		more = 1
	case lead >= 0xe0 && lead <= 0xef:
		more = 2
		if lead == 0xe0 {
			low = 0xa0
		} else if lead == 0xed {
			high = 0x9f
		}
	case lead >= 0xf0 && lead <= 0xf4:
		more = 3
		if lead == 0xf0 {
			low = 0x90
		} else if lead == 0xf4 {
			high = 0x8f
		}
	}
	for n = 1; n <= more; n++ {
		if n == len(text) {
			return n, true
		}
		if text[n] < low || text[n] > high {
			break
		}
		low, high = 0x80, 0xbf
	}
	return n, false
}

// unfinished is how many bytes at the end of a text begin a character of more.
func unfinished(text string) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if tail[0] < 0x80 {
			break
		}
		if tail[0] >= 0xc0 {
			if length, short := broken(tail); short && length == n {
				return n
			}
			break
		}
	}
	return 0
}
