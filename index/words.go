package index

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Words are what a text is found by: words in small letters, numbers without the commas
// between thousands, and of Hangul, kana and ideographs, whose words have endings or no
// spaces, every two characters that follow each other: 순이익은 is 순이, 이익 and 익은.
func Words(text string) (all []string) {
	runes := []rune(strings.ToLower(norm.NFKC.String(text)))
	for from := 0; from < len(runes); {
		kind := scriptOf(runes, from)
		end := from + 1
		for end < len(runes) && kind != none && scriptOf(runes, end) == kind {
			end++
		}
		switch part := string(runes[from:end]); {
		case kind == pairs && end-from > 1:
			for i := from; i+2 <= end; i++ {
				all = append(all, string(runes[i:i+2]))
			}
		case kind == digits:
			all = append(all, strings.ReplaceAll(part, ",", ""))
		case kind != none:
			all = append(all, part)
		}
		from = end
	}
	return all
}

// runeKind is what a character is part of.
type runeKind int

const (
	none runeKind = iota
	letters
	digits
	pairs
)

// scriptOf is what character i is part of: a comma or point between digits is of the number.
func scriptOf(text []rune, i int) runeKind {
	switch r := text[i]; {
	case unicode.In(r, unicode.Hangul, unicode.Han, unicode.Hiragana, unicode.Katakana):
		return pairs
	case unicode.IsDigit(r):
		return digits
	case unicode.IsLetter(r) || unicode.IsMark(r) || r == '_':
		return letters
	case (r == ',' || r == '.') && i > 0 && i+1 < len(text) && unicode.IsDigit(text[i-1]) && unicode.IsDigit(text[i+1]):
		return digits
	}
	return none
}

// quote is a text as SQL has it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
