package tokenizer

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"strings"
	"unicode"
)

// wordPiece reads a file with a WordPiece model. Of transformers' BertTokenizer the
// clean-up and the tokens around a text are the config's, not the file's.
func (f *file) wordPiece(c config) (*Tokenizer, error) {
	m := f.Model
	if err := expect("of BERT's tokenizers", []field{
		{"continuing_subword_prefix", cmp.Or(m.Prefix, continuation), continuation},
		{"max_input_chars_per_word", fmt.Sprint(cmp.Or(m.LongestWord, longestWord)), fmt.Sprint(longestWord)},
		{"pre_tokenizer", f.PreTokenizer.names(), "BertPreTokenizer"},
		{"normalizer", f.Normalizer.names(), "BertNormalizer"},
	}); err != nil {
		return nil, err
	}
	ids, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	model := maps.Clone(ids)
	tokens, err := f.addTo(ids)
	if err != nil {
		return nil, err
	}
	if bertClass(c.class()) {
		return openBert(model, ids, tokens, c, c.left(f))
	}
	n := f.Normalizer.each()[0]
	clean := bert{clean: n.CleanText, chinese: n.Chinese, lower: n.Lower, accents: n.Lower}
	if n.Accents != nil {
		clean.accents = *n.Accents
	}
	decode := wordPieceDecoder{cleanUp: f.Decoder.CleanUp, plain: f.Decoder.Type == ""}
	if d := f.Decoder; d.Type != "" && (d.Type != "WordPiece" || d.Prefix != continuation) {
		return nil, fmt.Errorf("the decoder is %q with prefix %q; WordPiece with %q is expected, others are not supported", d.Type, d.Prefix, continuation)
	}
	if tokens, err = c.complete(ids, tokens, nil); err != nil {
		return nil, err
	}
	t, err := bertTokenizer(model, ids, tokens, cmp.Or(c.attribute("unk_token", nil).Content, m.UnknownToken), clean, decode)
	if err != nil {
		return nil, err
	}
	t.tidy = is(c.CleanUp, true)
	return t, f.around(t, c)
}

// openBert makes a BertTokenizer as transformers does of a vocabulary and the
// added tokens of a file.
func openBert(model, ids map[string]uint32, tokens []added, c config, left bool) (*Tokenizer, error) {
	if is(c.Basic, false) {
		return nil, fmt.Errorf("tokenizer_config.json: do_basic_tokenize is false, which is not supported")
	}
	lower := !is(c.LowerCase, false)
	clean := bert{clean: true, chinese: !is(c.Chinese, false), lower: lower, accents: lower}
	if c.Accents != nil {
		clean.accents = *c.Accents
	}
	tokens, err := c.complete(ids, tokens, bertNames)
	if err != nil {
		return nil, err
	}
	t, err := bertTokenizer(model, ids, tokens, c.attribute("unk_token", bertNames).Content, clean, wordPieceDecoder{cleanUp: true})
	if err != nil {
		return nil, err
	}
	t.tidy, t.padLeft = is(c.CleanUp, true), left
	for key, to := range map[string]*[]uint32{"cls_token": &t.before, "sep_token": &t.after} {
		id, err := c.find(t.vocab, key, bertNames)
		if err != nil {
			return nil, err
		}
		*to = []uint32{id}
	}
	t.pad, err = c.find(t.vocab, "pad_token", bertNames)
	return t, err
}

// bertTokenizer is a tokenizer of model's words and of the added tokens among ids.
func bertTokenizer(model, ids map[string]uint32, tokens []added, unknown string, clean bert, decode wordPieceDecoder) (*Tokenizer, error) {
	w, err := newWordPiece(model, unknown)
	if err != nil {
		return nil, err
	}
	w.decoder = decode
	t := &Tokenizer{scheme: w}
	if t.vocab, err = build(ids, tokens); err != nil {
		return nil, err
	}
	w.added, t.decoded = newTokenCutter(tokens, clean.apply)
	return t, nil
}

// openBertVocab reads vocab.txt, a token a line.
func openBertVocab(data []byte, c config) (*Tokenizer, error) {
	if class := c.class(); class != "" && !bertClass(class) {
		return nil, fmt.Errorf("it is for a %s, and there is no tokenizer.json; BertTokenizer is expected, others are not supported without one", c.Class)
	}
	if lines := bytes.Count(data, []byte("\n")); lines > maxSize {
		return nil, fmt.Errorf("found %d lines, expected at most %d", lines, maxSize)
	}
	ids := map[string]uint32{}
	line := uint32(0)
	for text := range strings.Lines(string(data)) {
		ids[strings.TrimRightFunc(text, unicode.IsSpace)] = line
		line++
	}
	return openBert(maps.Clone(ids), ids, nil, c, c.PaddingSide == "left")
}

// around sets the tokens around a text and its padding as the file says.
func (f *file) around(t *Tokenizer, c config) (err error) {
	t.padLeft = c.left(f)
	if t.before, t.after, err = f.PostProcessor.frame(t.vocab); err != nil {
		return err
	}
	pad := c.attribute("pad_token", nil).Content
	if pad == "" && f.Padding != nil {
		pad = f.Padding.Token
	}
	t.pad = t.filler(pad)
	return nil
}

// filler is the id of the padding, or where there is none of what ends a text.
func (t *Tokenizer) filler(pad string) uint32 {
	for _, text := range []string{pad, "<pad>", "[PAD]", "<|endoftext|>", "</s>"} {
		if id, ok := t.vocab.ids[text]; ok && text != "" {
			return id
		}
	}
	return 0
}
