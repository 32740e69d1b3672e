package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// metaspace is Unigram over words that begin with U+2581 for their space, as
// tokenizer.json of SigLIP's checkpoints says.
type metaspace struct {
	added *cutter
	clean normalizer
	model *unigram
}

// unigram reads a file with a Unigram model.
func (f *file) unigram(c config) (*Tokenizer, error) {
	p := f.PreTokenizer
	split := "true"
	if p.Split != nil && !*p.Split {
		split = "false"
	}
	if err := expect("of SigLIP's tokenizers", []field{
		{"pre_tokenizer", p.names(), "Metaspace"},
		{"pre_tokenizer's replacement", p.Replacement, space},
		{"pre_tokenizer's prepend_scheme", cmp.Or(p.PrependScheme, "always"), "always"}, // older files have none
		{"pre_tokenizer's split", split, "true"},
		{"byte_fallback", fmt.Sprint(f.Model.ByteFallback), "false"},
	}); err != nil {
		return nil, err
	}
	if err := f.raw(); err != nil {
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
	v, tokens, err := f.added(ids)
	if err != nil {
		return nil, err
	}
	m := &metaspace{added: newCutter(tokens), model: newUnigram(pieces, *f.Model.UnknownID, false)}
	if m.clean, err = newNormalizer(f.Normalizer.each()); err != nil {
		return nil, err
	}
	return f.fast(v, m, c, sentenceEnd)
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
	var ids []uint32
	for _, part := range m.added.cut(text) {
		if part.token != nil {
			ids = append(ids, part.token.id)
			continue
		}
		marked := strings.ReplaceAll(m.clean.apply(part.text), " ", space)
		if marked != "" && !strings.HasPrefix(marked, space) {
			marked = space + marked
		}
		for len(marked) > 0 && len(ids) < n {
			end := strings.Index(marked[len(space):], space) + len(space)
			if end < len(space) {
				end = len(marked)
			}
			ids = m.model.encode(ids, marked[:end])
			marked = marked[end:]
		}
	}
	return ids
}

func (m *metaspace) join(tokens []string) string { return joinPieces(tokens) }

func joinPieces(tokens []string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(tokens, ""), space, " "))
}
