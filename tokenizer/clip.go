package tokenizer

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CLIP's special tokens, where a checkpoint names none.
const (
	startToken = "<|startoftext|>"
	endToken   = "<|endoftext|>"
)

// clip is byte-level byte-pair encoding of cleaned words.
type clip struct {
	tokens []added
	added  *cutter // of tokens
	merges merges
	bytes  [2][256]uint32 // the tokens of bytes, inside a word and at its end
}

// newCLIP makes a tokenizer of a vocabulary and its merges, the first first.
func newCLIP(v *vocabulary, pairs [][2]string, tokens []added) (*Tokenizer, error) {
	start, err := v.find(startToken)
	if err != nil {
		return nil, err
	}
	end, err := v.find(endToken)
	if err != nil {
		return nil, err
	}
	c := &clip{tokens: tokens, added: newCutter(tokens)}
	if c.merges, err = newMerges(v, pairs); err != nil {
		return nil, err
	}
	for i, suffix := range []string{"", wordEnd} {
		for b, letter := range byteLetter {
			id, ok := v.ids[letter+suffix]
			if !ok {
				id = end
			}
			c.bytes[i][b] = id
		}
	}
	for _, a := range tokens {
		v.special[a.id] = true
	}
	return &Tokenizer{vocab: v, scheme: c, before: []uint32{start}, after: []uint32{end}, pad: end}, nil
}

func (c *clip) encode(text string, n int) []uint32 {
	var ids, word []uint32
	var b bench
	for _, part := range c.added.cut(text) {
		if part.token != nil {
			ids = append(ids, part.token.id)
			continue
		}
		for _, w := range split(clean(part.text)) {
			if len(ids) >= n {
				return ids
			}
			word = word[:0]
			for i := range len(w) {
				word = append(word, c.bytes[0][w[i]])
			}
			word[len(w)-1] = c.bytes[1][w[len(w)-1]]
			ids = c.merges.apply(ids, word, &b)
		}
	}
	return ids
}

// join puts a space after each word but the last.
func (c *clip) join(tokens []string) string {
	var b strings.Builder
	for _, s := range tokens {
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
	return strings.TrimSpace(b.String())
}

// clean is CLIP's clean-up: composed (NFC), every run of white space one space,
// lower case character by character.
func clean(text string) string {
	text = norm.NFC.String(text)
	var b strings.Builder
	space := false
	for _, r := range text {
		if unicode.IsSpace(r) {
			if !space {
				b.WriteByte(' ')
			}
			space = true
			continue
		}
		space = false
		lower(&b, r)
	}
	return b.String()
}

// words is CLIP's pattern: contractions, runs of letters, single digits, runs of
// anything else but spaces.
var words = regexp.MustCompile(`<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^ \p{L}\p{N}]+`)

// split cuts a cleaned text into words. A special token that only became one by
// the clean-up is a word to the pattern, but cut by the byte-level step after it.
func split(text string) []string {
	var out []string
	for _, w := range words.FindAllString(text, -1) {
		if name, ok := strings.CutPrefix(w, "<|"); ok && strings.HasSuffix(name, "text|>") {
			out = append(out, "<|", strings.TrimSuffix(name, "|>"), "|>")
			continue
		}
		out = append(out, w)
	}
	return out
}

// wordEnd marks the last symbol of a word.
const wordEnd = "</w>"

// byteLetter is the printable character that stands for a byte in a vocabulary,
// as GPT-2's byte-level encoding has it: printable Latin-1 for itself, the other
// bytes from U+0100 on.
var byteLetter, letterByte = byteLetters()

func byteLetters() (letters [256]string, bytes map[rune]byte) {
	bytes = map[rune]byte{}
	next := rune(0x100)
	for b := range rune(256) {
		r := b
		if b < '!' || b > '~' && b < 0xa1 || b == 0xad {
			r = next
			next++
		}
		letters[b], bytes[r] = string(r), byte(b)
	}
	return letters, bytes
}
