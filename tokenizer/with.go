package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// With is the tokenizer with more tokens, each of which is one id after those that
// are there, as a textual inversion adds them. CLIP's tokenizers take some.
func (t *Tokenizer) With(texts ...string) (*Tokenizer, error) {
	c, ok := t.scheme.(*clip)
	if !ok {
		return nil, fmt.Errorf("adding tokens: the tokenizer is none of CLIP's, which alone take some")
	}
	ids := maps.Clone(t.vocab.ids)
	tokens := slices.Clone(c.tokens)
	for i, text := range texts {
		if _, there := ids[text]; there || text == "" {
			return nil, fmt.Errorf("adding the token %q: it is there already", text)
		}
		id := uint32(t.Size() + i)
		ids[text] = id
		tokens = append(tokens, added{text: text, id: id, fold: true})
	}
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, err
	}
	maps.Copy(v.special, t.vocab.special)
	more, scheme := *t, *c
	scheme.tokens, scheme.added = tokens, newCutter(tokens)
	for _, a := range tokens {
		v.special[a.id] = true
	}
	more.vocab, more.scheme = v, &scheme
	return &more, nil
}

// Expand writes the tokens of several ids in a text that names the first of them, as
// diffusers does: <x> becomes <x> <x>_1 <x>_2 where these are added tokens.
func (t *Tokenizer) Expand(text string) string {
	c, ok := t.scheme.(*clip)
	if !ok {
		return text
	}
	for _, a := range c.tokens {
		all := []string{a.text}
		for {
			next := fmt.Sprintf("%s_%d", a.text, len(all))
			if !slices.ContainsFunc(c.tokens, func(b added) bool { return b.text == next }) {
				break
			}
			all = append(all, next)
		}
		if len(all) > 1 {
			text = strings.ReplaceAll(text, a.text, strings.Join(all, " "))
		}
	}
	return text
}
