package weights

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The longest text of a file or a server that an error shows, and the longest
// line of an error, in bytes.
const (
	maxShown = 160
	maxLine  = 500
)

// Printable shows a text that a file or a server wrote in one line of at most
// 160 bytes: control characters and what is not UTF-8 are escaped, and the
// middle of a longer one is left out.
func Printable(s string) string { return shorten(Escape(shorten(s, 4*maxShown)), maxShown) }

// Line is an error's text in one line of at most 500 bytes, whatever the names
// that files, users and servers put there: lines are joined, control characters
// escaped, and the middle of a longer text is left out.
func Line(err error) string {
	s := shorten(strings.TrimSpace(err.Error()), 8*maxLine)
	return shorten(Escape(strings.ReplaceAll(s, "\n", "; ")), maxLine)
}

// Escape writes what a terminal would not print as Go writes it in a string.
func Escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// shorten leaves out the middle of a text of more than most bytes, and no part
// of a character.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const gap = " … "
	head, tail := (most-len(gap))*2/3, (most-len(gap))/3
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	tail = len(s) - tail
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return s[:head] + gap + s[tail:]
}
