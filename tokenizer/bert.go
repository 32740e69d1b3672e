package tokenizer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// bert is the clean-up of BERT's tokenizers (Devlin et al. 2018) as tokenizer.json's
// BertNormalizer has it, and the cut into words of BertPreTokenizer.
type bert struct {
	clean   bool // control characters go, white space becomes a space
	chinese bool // spaces around Chinese characters
	accents bool // accents go
	lower   bool
}

// apply cleans a text.
func (n bert) apply(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		switch {
		case n.clean && bertControl(r):
		case n.clean && unicode.IsSpace(r):
			b.WriteByte(' ')
		case n.chinese && chinese(r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	text = b.String()
	if n.accents {
		text = stripAccents(text)
	}
	if n.lower {
		text = lowerAll(text)
	}
	return text
}

// bertControl says that a character is dropped. Those that Unicode has not given
// away stay.
func bertControl(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case unicode.ReplacementChar:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && !unicode.Is(lateFormat, r)
}

// chinese says that a character is in one of Unicode's blocks of CJK ideographs
// that BERT lists: kana and Hangul are not.
func chinese(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, r >= 0xf900 && r <= 0xfaff,
		r >= 0x20000 && r <= 0x2a6df, r >= 0x2a700 && r <= 0x2b81f, r >= 0x2b920 && r <= 0x2ceaf, r >= 0x2f800 && r <= 0x2fa1f:
		return true
	}
	return false
}

// stripAccents drops combining marks from the decomposed text.
func stripAccents(text string) string {
	text = norm.NFD.String(text)
	if !strings.ContainsFunc(text, nonspacing) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if nonspacing(r) {
			return -1
		}
		return r
	}, text)
}

func nonspacing(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.Mn, r) || r == '\u1734') && !unicode.Is(lateMarks, r)
}

// bertPunctuation says that a character is a word of its own.
func bertPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && !asciiWord(r)
	}
	return (unicode.IsPunct(r) || unicode.Is(earlyPunctuation, r)) && !unicode.Is(latePunctuation, r)
}

func asciiWord(r rune) bool {
	return r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
}

// bertWords gives what stands between white space, punctuation apart, until see says
// that it is enough.
func bertWords(text string, see func(string) bool) {
	begin := -1 // of a word
	for i, r := range text {
		lone := bertPunctuation(r)
		if !lone && !unicode.IsSpace(r) {
			if begin < 0 {
				begin = i
			}
			continue
		}
		if begin >= 0 && !see(text[begin:i]) {
			return
		}
		begin = -1
		if lone && !see(string(r)) {
			return
		}
	}
	if begin >= 0 {
		see(text[begin:])
	}
}
