package tokenizer

import "slices"

// tokenCutter takes added tokens from a text in two steps, as the library
// tokenizers does: first those that stand in it as they are, then, of the cleaned
// text between, those that are normalized, by their own cleaned text.
type tokenCutter struct {
	raw, cleaned *cutter
	clean        func(string) string
}

// newTokenCutter sorts tokens into the two kinds; of normalized ones, decoded is
// what they are in a decoded text.
func newTokenCutter(tokens []added, clean func(string) string) (c *tokenCutter, decoded map[uint32]string) {
	var raw, cleaned []added
	decoded = map[uint32]string{}
	for _, a := range tokens {
		if !a.fold {
			raw = append(raw, a)
			continue
		}
		a.fold = false
		a.text = clean(a.text)
		decoded[a.id] = a.text
		if a.text != "" {
			cleaned = append(cleaned, a)
		}
	}
	return &tokenCutter{raw: newCutter(raw), cleaned: newCutter(cleaned), clean: clean}, decoded
}

// encode appends the ids of a text, cleaned parts between the tokens by words,
// and stops when there are n.
func (c *tokenCutter) encode(text string, n int, words func(ids []uint32, text string) []uint32) []uint32 {
	var ids []uint32
	for _, whole := range c.raw.cut(text) {
		parts := []part{whole}
		if whole.token == nil {
			parts = c.cleaned.cut(c.clean(whole.text))
		}
		for _, p := range parts {
			switch {
			case len(ids) >= n:
				return ids
			case p.token != nil:
				ids = append(ids, p.token.id)
			default:
				ids = words(ids, p.text)
			}
		}
	}
	return ids
}

// oneOf says that a value is one of several.
func oneOf[T comparable](v T, list ...T) bool { return slices.Contains(list, v) }
