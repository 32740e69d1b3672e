package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitter cuts a text into pieces, in their order and without a gap.
type splitter func(text string, see func(piece string))

// chain cuts the pieces of each splitter by the next.
func chain(splitters ...splitter) splitter {
	if len(splitters) == 0 {
		return func(text string, see func(string)) { see(text) }
	}
	first, rest := splitters[0], chain(splitters[1:]...)
	if len(splitters) == 1 {
		return first
	}
	return func(text string, see func(string)) {
		first(text, func(piece string) { rest(piece, see) })
	}
}

// by cuts at the lengths that next gives, of a text that is not empty.
func by(next func(text string) int) splitter {
	return func(text string, see func(string)) {
		for len(text) > 0 {
			n := next(text)
			see(text[:n])
			text = text[n:]
		}
	}
}

// digits cuts numbers from what stands between them: each digit alone, or each run.
func digits(single bool) splitter {
	return by(func(text string) int {
		first, n := utf8.DecodeRuneInString(text)
		number := unicode.IsNumber(first)
		if number && single {
			return n
		}
		return n + run(text[n:], func(r rune) bool { return unicode.IsNumber(r) == number })
	})
}

// The patterns that byte-level encodings cut words by. Go's regexp has no
// lookahead, which they use for white space.
const (
	gpt2Pattern  = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	qwen2Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llamaPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// patterns are how the texts that they match are found.
var patterns = map[string]splitter{
	gpt2Pattern:  by(gpt2Word),
	qwen2Pattern: by(func(text string) int { return llamaWord(text, 1) }),
	llamaPattern: by(func(text string) int { return llamaWord(text, 3) }),
}

// gpt2Word is how long a match of gpt2Pattern at the beginning of a text is: a
// contraction; a run of letters, of numbers or of other signs, with a space before
// it; white space, of which the last before something else is left to that.
func gpt2Word(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	n := 0
	if text[0] == ' ' {
		n = 1
	}
	for _, of := range []func(rune) bool{unicode.IsLetter, unicode.IsNumber, sign} {
		if length := run(text[n:], of); length > 0 {
			return n + length
		}
	}
	return blank(text)
}

// llamaWord is the same of llamaPattern, where a run of numbers has at most some,
// any sign may stand before letters, and lines end with what stands before.
func llamaWord(text string, numbers int) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	first, n := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsLetter(first):
		return run(text, unicode.IsLetter)
	case unicode.IsNumber(first):
		left := numbers
		return run(text, func(r rune) bool {
			left--
			return left >= 0 && unicode.IsNumber(r)
		})
	case first != '\r' && first != '\n':
		if letters := run(text[n:], unicode.IsLetter); letters > 0 {
			return n + letters
		}
	}
	begin := 0
	if first == ' ' {
		begin = 1
	}
	if signs := run(text[begin:], sign); signs > 0 {
		end := begin + signs
		return end + run(text[end:], func(r rune) bool { return r == '\r' || r == '\n' })
	}
	if lines := strings.LastIndexAny(text[:run(text, unicode.IsSpace)], "\r\n"); lines >= 0 {
		return lines + 1
	}
	return blank(text)
}

// sign says that a character is neither letter, number nor white space.
func sign(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) }

// run is how long the beginning of a text is that consists of some characters.
func run(text string, of func(rune) bool) int {
	for i, r := range text {
		if !of(r) {
			return i
		}
	}
	return len(text)
}

// blank is how much of the white space that a text begins with is one piece: all at
// the end of a text, else all but the last character, if there are more.
func blank(text string) int {
	n := run(text, unicode.IsSpace)
	if n == len(text) {
		return n
	}
	_, last := utf8.DecodeLastRuneInString(text[:n])
	if n > last {
		n -= last
	}
	return n
}

// contraction is how long an English one at the beginning of a text is, 0 for none.
func contraction(text string, anyCase bool) int {
	if text[0] != '\'' {
		return 0
	}
	for _, s := range []string{"s", "t", "re", "ve", "m", "ll", "d"} {
		rest := text[1:]
		if strings.HasPrefix(rest, s) {
			return 1 + len(s)
		}
		if anyCase && len(rest) >= len(s) && strings.EqualFold(rest[:len(s)], s) {
			return 1 + len(s)
		}
	}
	if long := "'ſ"; anyCase && strings.HasPrefix(text, long) {
		return len(long) // an s, without regard to case
	}
	return 0
}
