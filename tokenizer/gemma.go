package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
)

// space is how sentencepiece writes a space in a token: U+2581.
const space = "▁"

// gemma is the byte-pair encoding of Gemma, which SigLIP 2 takes: of the whole
// text between added tokens, spaces as U+2581; characters that the vocabulary
// does not have are their bytes.
type gemma struct {
	vocab  *vocabulary
	added  *cutter
	clean  normalizer
	merges merges
	bytes  [256]uint32
}

// gemma reads a file that must describe Gemma's tokenizer, with lower case or
// without.
func (f *file) gemma(c config) (*Tokenizer, error) {
	m := f.Model
	if err := expect("of Gemma's tokenizers", []field{
		{"end_of_word_suffix", m.Suffix, ""},
		{"continuing_subword_prefix", m.Prefix, ""},
		{"dropout", strconv.FormatFloat(m.Dropout, 'g', -1, 64), "0"},
		{"ignore_merges", strconv.FormatBool(m.IgnoreMerges), "false"},
	}); err != nil {
		return nil, err
	}
	if err := f.raw(); err != nil {
		return nil, err
	}
	clean, err := f.gemmaClean(c)
	if err != nil {
		return nil, err
	}
	ids, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	v, tokens, err := f.added(ids)
	if err != nil {
		return nil, err
	}
	g := &gemma{vocab: v, added: newCutter(tokens), clean: clean}
	for b := range g.bytes {
		if g.bytes[b], err = v.find(fmt.Sprintf("<0x%02X>", b)); err != nil {
			return nil, fmt.Errorf("byte_fallback: %w", err)
		}
	}
	if g.merges, err = newMerges(v, f.pairs()); err != nil {
		return nil, err
	}
	return f.fast(v, g, c, "<pad>")
}

// gemmaClean is the normalizer. transformers' Siglip2Tokenizer adds lower case,
// do_lower_case says that the checkpoint was trained with it.
func (f *file) gemmaClean(c config) (normalizer, error) {
	steps := f.Normalizer.each()
	if s := steps[len(steps)-1]; s.Type != "Replace" || s.Pattern.String != " " || s.Content != space {
		return nil, fmt.Errorf("the normalizer %q does not end with spaces replaced by %q as Gemma's", f.Normalizer.names(), space)
	}
	if steps[0].Type != "Lowercase" && (c.class() == "Siglip2Tokenizer" || is(c.LowerCase, true)) {
		steps = append([]step{{Type: "Lowercase"}}, steps...)
	}
	if p := f.PreTokenizer; p.Type != "" && (p.Type != "Split" || p.Pattern.String != " ") {
		return nil, fmt.Errorf("the pre_tokenizer is %q; of Gemma's tokenizers a Split at spaces is expected, others are not supported", p.names())
	}
	return newNormalizer(steps)
}

func (g *gemma) encode(text string, _ int) []uint32 {
	var ids, word []uint32
	var w bench
	for _, part := range g.added.cut(text) {
		if part.token != nil {
			ids = append(ids, part.token.id)
			continue
		}
		word = word[:0]
		for _, r := range g.clean.apply(part.text) {
			if id, ok := g.vocab.ids[string(r)]; ok {
				word = append(word, id)
				continue
			}
			for _, b := range []byte(string(r)) {
				word = append(word, g.bytes[b])
			}
		}
		ids = g.merges.apply(ids, word, &w)
	}
	return ids
}

func (g *gemma) join(tokens []string) string {
	var b strings.Builder
	for _, s := range tokens {
		if hex, ok := strings.CutPrefix(s, "<0x"); ok && len(hex) == 3 {
			if v, err := strconv.ParseUint(hex[:2], 16, 8); err == nil {
				b.WriteByte(byte(v))
				continue
			}
		}
		b.WriteString(strings.ReplaceAll(s, space, " "))
	}
	return strings.TrimSpace(b.String())
}
