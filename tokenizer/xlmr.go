package tokenizer

import (
	"fmt"
)

// xlmrClass is the class of transformers that XLM-R (Conneau et al. 2020) and
// TrOCR's small checkpoints name.
const xlmrClass = "XLMRobertaTokenizer"

// xlmrFirst is how many ids of fairseq's go before sentencepiece's: <s>, <pad>,
// </s>, <unk>, for <unk>, <s>, </s> there; <mask> is the last.
var xlmrFirst = []string{"bos_token", "pad_token", "eos_token", "unk_token"}

// xlmrUnknown is the id of <unk>.
const xlmrUnknown = 3

// xlmr makes an XLM-R's tokenizer of tokenizer.json.
func (f *file) xlmr(pieces []piece, ids map[string]uint32, tokens []added, c config) (*Tokenizer, error) {
	if id := *f.Model.UnknownID; id != xlmrUnknown {
		return nil, fmt.Errorf("unk_id is %d; of a %s %d is expected", id, xlmrClass, xlmrUnknown)
	}
	chars := &charsmap{}
	for _, s := range f.Normalizer.each() {
		if s.Type == "Precompiled" {
			var err error
			if chars, err = newCharsmap(s.Charsmap); err != nil {
				return nil, err
			}
			break
		}
	}
	return newXLMR(pieces, ids, tokens, chars, c, c.left(f))
}

// openXLMR reads sentencepiece.bpe.model as transformers' XLMRobertaTokenizer does:
// its pieces and its map of characters, ids as fairseq numbers them.
func openXLMR(data []byte, c config) (*Tokenizer, error) {
	model, err := parseSpiece(data)
	if err != nil {
		return nil, err
	}
	for i, p := range model.parts[:min(len(model.parts), 3)] {
		if p.kind == normalPiece {
			return nil, fmt.Errorf("piece %d, %q, is a normal one; the first three are expected to be special, as XLM-R's", i, p.text)
		}
	}
	var texts []string
	var scores []float64
	for _, key := range xlmrFirst {
		texts, scores = append(texts, c.attribute(key, robertaNames).Content), append(scores, 0)
	}
	for _, p := range model.parts[min(len(model.parts), 3):] {
		texts, scores = append(texts, p.text), append(scores, float64(p.score))
	}
	texts, scores = append(texts, c.attribute("mask_token", robertaNames).Content), append(scores, 0)
	ids := make(map[string]uint32, len(texts))
	pieces := make([]piece, len(texts))
	for i, text := range texts {
		if other, again := ids[text]; again || text == "" {
			return nil, fmt.Errorf("token %q of id %d is empty or is there with id %d already", text, i, other)
		}
		ids[text], pieces[i] = uint32(i), piece{text, uint32(i), scores[i]}
	}
	return newXLMR(pieces, ids, nil, model.chars, c, c.PaddingSide == "left")
}

func newXLMR(pieces []piece, ids map[string]uint32, tokens []added, chars *charsmap, c config, left bool) (*Tokenizer, error) {
	tokens, err := c.complete(ids, tokens, robertaNames)
	if err != nil {
		return nil, err
	}
	m := &metaspace{model: newUnigram(pieces, xlmrUnknown, false), spaces: true, prefix: !is(c.PrefixSpace, false)}
	t := &Tokenizer{scheme: m, padLeft: left, tidy: is(c.CleanUp, true)}
	if t.vocab, err = build(ids, tokens); err != nil {
		return nil, err
	}
	m.added, t.decoded = newTokenCutter(tokens, chars.graphemes)
	for key, to := range map[string]*[]uint32{"bos_token": &t.before, "eos_token": &t.after} {
		id, err := c.find(t.vocab, key, robertaNames)
		if err != nil {
			return nil, err
		}
		*to = []uint32{id}
	}
	t.pad, err = c.find(t.vocab, "pad_token", robertaNames)
	return t, err
}
