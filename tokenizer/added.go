package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// added is a token that is taken from a text as it stands, before any clean-up.
type added struct {
	text string
	id   uint32
	// left and right say that white space beside it goes too.
	left, right bool
	// special says that it is left out of a decoded text.
	special bool
	// fold says that it is looked for after the clean-up (normalized), for which
	// capitals and small letters are the same: CLIP's.
	fold bool
}

// begins says that a text begins with the token.
func (a added) begins(text string) bool {
	if len(text) < len(a.text) {
		return false
	}
	head := text[:len(a.text)]
	return head == a.text || a.fold && strings.EqualFold(head, a.text)
}

// cutter finds added tokens: by their first byte, the longest first.
type cutter [256][]added

func newCutter(tokens []added) *cutter {
	c := &cutter{}
	for _, a := range tokens {
		first := a.text[0]
		c[first] = append(c[first], a)
		if other := first ^ 0x20; a.fold && unicode.IsLetter(rune(first)) && first < utf8.RuneSelf {
			c[other] = append(c[other], a)
		}
	}
	for _, list := range c {
		slices.SortStableFunc(list, func(a, b added) int { return len(b.text) - len(a.text) })
	}
	return c
}

// part is a piece of a text: an added token, or what stands between them.
type part struct {
	text  string
	token *added
}

// cut finds the added tokens of a text, the leftmost first and of those that
// begin together the longest.
func (c *cutter) cut(text string) []part {
	var out []part
	begin := 0
	for i := 0; i < len(text); {
		list := c[text[i]]
		at := slices.IndexFunc(list, func(a added) bool { return a.begins(text[i:]) })
		if at < 0 {
			i++
			continue
		}
		a := &list[at]
		between, rest := text[begin:i], text[i+len(a.text):]
		if a.left {
			between = strings.TrimRightFunc(between, unicode.IsSpace)
		}
		if a.right {
			rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		}
		if between != "" {
			out = append(out, part{text: between})
		}
		out = append(out, part{text: a.text, token: a})
		begin = len(text) - len(rest)
		i = begin
	}
	if begin < len(text) {
		out = append(out, part{text: text[begin:]})
	}
	return out
}
