package tokenizer

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var xlmrCases = []string{"old", "xlmr"}

func TestGoldenOfXLMR(t *testing.T) {
	for _, kind := range xlmrCases {
		t.Run(kind, func(t *testing.T) {
			requireArchive(t, opened(t, inArchive(t, "xlmr", kind)), "xlmr", kind)
		})
	}
}

// What a folder says in other ways gives the same ids.
func TestSameXLMR(t *testing.T) {
	renamed := editedCase(t, "xlmr", "old", "sentencepiece.bpe.model", "<unk>", "<unk>")
	renamed["spiece.model"] = renamed["sentencepiece.bpe.model"]
	delete(renamed, "sentencepiece.bpe.model")
	requireArchive(t, opened(t, renamed), "xlmr", "old")
	for _, c := range []struct{ file, from, to string }{
		{"tokenizer_config.json", `"XLMRobertaTokenizer"`, `"TokenizersBackend"`},
		{"tokenizer_config.json", `"XLMRobertaTokenizer"`, `"XLMRobertaTokenizerFast"`},
		{"tokenizer.json", `"WhitespaceSplit"`, `"Whitespace"`}, // the class's
	} {
		requireArchive(t, opened(t, editedCase(t, "xlmr", "xlmr", c.file, c.from, c.to)), "xlmr", "xlmr")
	}
}

// Without add_prefix_space words run together, as in transformers 5.23.
func TestNoPrefix(t *testing.T) {
	tok := opened(t, editedCase(t, "xlmr", "xlmr", "tokenizer_config.json", `"add_prefix_space": true`, `"add_prefix_space": false`))
	for _, c := range []struct {
		text, decoded string
		tokens        []string
	}{
		{"the cat", "thecat", []string{"<s>", "t", "h", "e", "c", "a", "t", "</s>"}},
		{"  a\tb<mask> c", "abc", []string{"<s>", "a", "b", "<mask>", "c", "</s>"}},
		{"▁a ▁ b", " a b", []string{"<s>", "▁a", "▁", "b", "</s>"}},
	} {
		ids, _ := tok.Encode(c.text, 20)
		assert.Equal(t, c.tokens, names(tok, ids))
		assert.Equal(t, c.decoded, tok.Decode(ids))
	}
}

func TestBadXLMR(t *testing.T) {
	first := []spiecePart{{"<unk>", 0, unknownPiece}, {"<s>", 0, controlPiece}, {"</s>", 0, controlPiece}}
	for _, c := range []struct {
		pieces []spiecePart
		want   string
	}{
		{append(first[:3:3], spiecePart{"a", -1, normalPiece}), ""},
		{append(first[:2:2], spiecePart{"a", -1, normalPiece}), `piece 2, "a", is a normal one`},
		{append(first[:3:3], spiecePart{"<pad>", -1, normalPiece}), `token "<pad>" of id 4 is empty or is there with id 1`},
		{append(first[:3:3], spiecePart{"<mask>", -1, normalPiece}), `token "<mask>" of id 5 is empty or is there with id 4`},
		{first, "none is normal"},
		{nil, "of 0 pieces"},
	} {
		_, err := Open(fstest.MapFS{
			"sentencepiece.bpe.model": {Data: []byte(spieceFile(nil, nil, c.pieces...))},
			"tokenizer_config.json":   {Data: []byte(`{"tokenizer_class": "XLMRobertaTokenizer"}`)},
		})
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, c.want)
	}
	for _, c := range []struct{ class, file, from, to, want string }{
		{"XLMRobertaTokenizer", "tokenizer.json", `"unk_id": 3`, `"unk_id": 2`, "unk_id is 2"},
		{"TokenizersBackend", "tokenizer.json", `"WhitespaceSplit"`, `"Whitespace"`, `the pre_tokenizer is "Whitespace, Metaspace"`},
		{"TokenizersBackend", "tokenizer.json", `"prepend_scheme": "always"`, `"add_prefix_space": false`, `the pre_tokenizer's prepend_scheme is "always"`},
	} {
		files := editedCase(t, "xlmr", "xlmr", c.file, c.from, c.to)
		config := string(files["tokenizer_config.json"].Data)
		files["tokenizer_config.json"] = &fstest.MapFile{Data: []byte(strings.Replace(config, "XLMRobertaTokenizer", c.class, 1))}
		_, err := Open(files)
		assert.ErrorContains(t, err, c.want)
	}
	files := editedCase(t, "xlmr", "old", "tokenizer_config.json", "XLMRobertaTokenizer", "MBartTokenizer")
	_, err := Open(files)
	assert.ErrorContains(t, err, "sentencepiece.bpe.model is for a MBartTokenizer")
	assert.NotErrorIs(t, err, fs.ErrNotExist)
}

func TestLongTextOfXLMR(t *testing.T) {
	for _, kind := range xlmrCases {
		tok := opened(t, inArchive(t, "xlmr", kind))
		for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 1<<18), strings.Repeat("é\x00", 1<<18), strings.Repeat("▁", 1<<18), strings.Repeat("<mask> ", 1<<16)} {
			ids, truncated := tok.Encode(text, 1<<22)
			require.False(t, truncated)
			require.NotEmpty(t, ids)
			ids, truncated = tok.Encode(text, 64)
			assert.True(t, truncated)
			assert.Len(t, ids, 64)
		}
	}
}

func FuzzXLMR(f *testing.F) {
	var toks []*Tokenizer
	for _, kind := range xlmrCases {
		toks = append(toks, opened(f, inArchive(f, "xlmr", kind)))
	}
	f.Add("A photo of ½ a cat  <mask>▁▁a 한국어\xff\x00don't .", 9)
	f.Fuzz(func(t *testing.T, text string, n int) { fuzzEncode(t, toks, text, n) })
}

func FuzzOpenXLMR(f *testing.F) {
	data, err := fs.ReadFile(inArchive(f, "xlmr", "old"), "sentencepiece.bpe.model")
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(spieceFile(nil, nil, spiecePart{"<unk>", 0, unknownPiece}, spiecePart{"<s>", 0, controlPiece}, spiecePart{"</s>", 0, controlPiece}, spiecePart{space, 0, normalPiece})))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := fstest.MapFS{"sentencepiece.bpe.model": {Data: data}, "tokenizer_config.json": {Data: []byte(`{"tokenizer_class": "XLMRobertaTokenizer"}`)}}
		if tok, err := Open(files); err == nil {
			tok.DecodeAll(tok.EncodePart("Ａ photo of a cat ½ ﬁ </s>\x01"))
		}
	})
}
