package tokenizer

import (
	"slices"
	"strings"
	"unicode"
)

// added is a token that is taken from a text as it stands, before any clean-up.
type added struct {
	text string
	id   uint32
	// left and right say that white space beside it goes too.
	left, right bool
}

// cutter finds added tokens: by their first byte, the longest first.
type cutter [256][]added

func newCutter(tokens []added) *cutter {
	c := &cutter{}
	for _, a := range tokens {
		c[a.text[0]] = append(c[a.text[0]], a)
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
		at := slices.IndexFunc(list, func(a added) bool { return strings.HasPrefix(text[i:], a.text) })
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
