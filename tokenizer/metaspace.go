package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// metaspace is Unigram over words that begin with U+2581 for their space, as
// tokenizer.json of SigLIP's and XLM-R's checkpoints says.
type metaspace struct {
	added *tokenCutter
	model *unigram
	// spaces says that all white space parts words, and goes.
	spaces bool
	// prefix says that the first word of a text begins with U+2581 too.
	prefix bool
}

// unigram reads a file with a Unigram model. Of XLM-R's class the clean-up and the
// tokens around a text are the class's, as in transformers.
func (f *file) unigram(c config) (*Tokenizer, error) {
	if err := expect("of SigLIP's and XLM-R's tokenizers", []field{
		{"byte_fallback", fmt.Sprint(f.Model.ByteFallback), "false"},
		{"decoder", cmp.Or(f.Decoder.Type, "Metaspace"), "Metaspace"},
	}); err != nil {
		return nil, err
	}
	pieces, err := f.pieces()
	if err != nil {
		return nil, err
	}
	ids := make(map[string]uint32, len(pieces))
	for _, p := range pieces {
		ids[p.text] = p.id
	}
	tokens, err := f.addTo(ids)
	if err != nil {
		return nil, err
	}
	if c.class() == xlmrClass {
		return f.xlmr(pieces, ids, tokens, c)
	}
	m := &metaspace{model: newUnigram(pieces, *f.Model.UnknownID, false)}
	if err := m.read(f.PreTokenizer); err != nil {
		return nil, err
	}
	clean, err := newNormalizer(f.Normalizer.each())
	if err != nil {
		return nil, err
	}
	v, err := build(ids, tokens)
	if err != nil {
		return nil, err
	}
	t, err := f.fast(v, m, c, sentenceEnd)
	if err != nil {
		return nil, err
	}
	m.added, t.decoded = newTokenCutter(tokens, clean.apply)
	t.tidy = is(c.CleanUp, true)
	return t, nil
}

// read reads the pre-tokenizer: Metaspace, alone or after WhitespaceSplit.
func (m *metaspace) read(s step) error {
	steps := s.each()
	if len(steps) > 1 && steps[0].Type == "WhitespaceSplit" {
		m.spaces, steps = true, steps[1:]
	}
	p := steps[0]
	split := "true"
	if is(p.Split, false) {
		split = "false"
	}
	if err := expect("of SigLIP's and XLM-R's tokenizers", []field{
		{"pre_tokenizer", step{Type: "Sequence", PreTokenizers: steps}.names(), "Metaspace"},
		{"pre_tokenizer's replacement", p.Replacement, space},
		{"pre_tokenizer's split", split, "true"},
	}); err != nil {
		return err
	}
	scheme := cmp.Or(p.PrependScheme, "always") // older files have none
	if scheme != "always" && scheme != "never" || (scheme == "always") == is(p.PrefixSpace, false) {
		return fmt.Errorf("the pre_tokenizer's prepend_scheme is %q; \"always\" or \"never\" is expected, and add_prefix_space as that says", scheme)
	}
	m.prefix = scheme == "always"
	return nil
}

// pieces reads the vocabulary with its scores.
func (f *file) pieces() ([]piece, error) {
	var list [][2]any
	if err := json.Unmarshal(f.Model.Vocab, &list); err != nil {
		return nil, fmt.Errorf("vocab: %w", err)
	}
	if u := f.Model.UnknownID; u == nil || int64(*u) >= int64(len(list)) {
		return nil, fmt.Errorf("unk_id is not in the vocabulary of %d pieces", len(list))
	}
	pieces := make([]piece, len(list))
	for i, entry := range list {
		text, ok := entry[0].(string)
		score, ok2 := entry[1].(float64)
		if !ok || !ok2 {
			return nil, fmt.Errorf("piece %d is %v; expected a text and a number", i, entry)
		}
		pieces[i] = piece{text, uint32(i), score}
	}
	return pieces, nil
}

func (m *metaspace) encode(text string, n int) []uint32 {
	return m.added.encode(text, n, func(ids []uint32, text string) []uint32 {
		if !m.spaces {
			return m.words(ids, text, n)
		}
		for word := range strings.FieldsFuncSeq(text, unicode.IsSpace) {
			ids = m.words(ids, word, n)
		}
		return ids
	})
}

// words appends the ids of words with spaces between them.
func (m *metaspace) words(ids []uint32, text string, n int) []uint32 {
	text = strings.ReplaceAll(text, " ", space)
	if m.prefix && text != "" && !strings.HasPrefix(text, space) {
		text = space + text
	}
	for len(text) > 0 && len(ids) < n {
		end := len(text)
		if _, first := utf8.DecodeRuneInString(text); first < end {
			if next := strings.Index(text[first:], space); next >= 0 {
				end = first + next
			}
		}
		ids = m.model.encode(ids, text[:end])
		text = text[end:]
	}
	return ids
}

// join makes spaces of the marks, but not of those in the first token where a text
// was given one.
func (m *metaspace) join(tokens []string) string {
	var b strings.Builder
	for i, s := range tokens {
		with := " "
		if i == 0 && m.prefix {
			with = ""
		}
		b.WriteString(strings.ReplaceAll(s, space, with))
	}
	return b.String()
}
