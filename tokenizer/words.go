package tokenizer

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

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
		if r == 'İ' { // the one letter whose lower case is two characters
			b.WriteString("i\u0307")
			continue
		}
		b.WriteRune(unicode.ToLower(r))
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
