package tokenizer

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var bertCases = []string{"vocab", "cased", "mixed", "bert", "fast"}

func TestGoldenOfBERT(t *testing.T) {
	for _, kind := range bertCases {
		t.Run(kind, func(t *testing.T) {
			requireArchive(t, opened(t, inArchive(t, "wordpiece", kind)), "wordpiece", kind)
		})
	}
}

// editedCase is a case's folder with a text in a file replaced; of an empty text
// the file is only that.
func editedCase(t testing.TB, name, kind, file, from, to string) fstest.MapFS {
	folder := inArchive(t, name, kind)
	out := fstest.MapFS{}
	entries, err := fs.ReadDir(folder, ".")
	require.NoError(t, err)
	for _, e := range entries {
		data, err := fs.ReadFile(folder, e.Name())
		require.NoError(t, err)
		out[e.Name()] = &fstest.MapFile{Data: data}
	}
	if from == "" {
		out[file] = &fstest.MapFile{Data: []byte(to)}
		return out
	}
	data := string(out[file].Data)
	require.Contains(t, data, from)
	out[file] = &fstest.MapFile{Data: []byte(strings.Replace(data, from, to, 1))}
	return out
}

func TestBadBERT(t *testing.T) {
	for _, c := range []struct{ kind, file, from, to, want string }{
		{"fast", "tokenizer.json", `"continuing_subword_prefix": "##"`, `"continuing_subword_prefix": "@@"`, `continuing_subword_prefix is "@@"`},
		{"fast", "tokenizer.json", `"max_input_chars_per_word": 100`, `"max_input_chars_per_word": 64`, `max_input_chars_per_word is "64"`},
		{"fast", "tokenizer.json", `"BertPreTokenizer"`, `"Whitespace"`, `the pre_tokenizer is "Whitespace"`},
		{"fast", "tokenizer.json", `"BertNormalizer"`, `"NFKC"`, `the normalizer is "NFKC"`},
		{"fast", "tokenizer.json", `"prefix": "##"`, `"prefix": "__"`, `the decoder is "WordPiece" with prefix "__"`},
		{"fast", "tokenizer.json", `"single_word": false`, `"single_word": true`, "single_word"},
		{"fast", "tokenizer.json", `"unk_token": "[UNK]"`, `"unk_token": "[NONE]"`, ""},
		{"fast", "tokenizer_config.json", `"unk_token": "[UNK]"`, `"unk_token": "[NONE]"`, `has no unk_token "[NONE]"`},
		{"fast", "tokenizer_config.json", `"unk_token"`, `"image_token": "<image>", "unk_token"`, `has no image_token "<image>"`},
		{"fast", "tokenizer_config.json", `"unk_token"`, `"split_special_tokens": true, "unk_token"`, "split_special_tokens is true"},
		{"fast", "tokenizer_config.json", `"unk_token"`, `"extra_special_tokens": ["<x>"], "unk_token"`, `has no special token "<x>"`},
		{"cased", "tokenizer_config.json", `"do_lower_case"`, `"do_basic_tokenize": false, "do_lower_case"`, "do_basic_tokenize is false"},
		{"cased", "tokenizer_config.json", `"BertTokenizer"`, `"BertJapaneseTokenizer"`, "vocab.txt: it is for a BertJapaneseTokenizer"},
		{"cased", "tokenizer_config.json", "", `{"cls_token": 7}`, "tokenizer_config.json"},
		{"vocab", "vocab.txt", "[UNK]\n", "\n", `the vocabulary of 1500 tokens has no unk_token "[UNK]"`},
		{"mixed", "added_tokens.json", "1500", "7", `and "[DEC]" have the same id 7`},
	} {
		folder := editedCase(t, "wordpiece", c.kind, c.file, c.from, c.to)
		_, err := Open(folder)
		if c.want == "" {
			assert.NoError(t, err, c.to)
			continue
		}
		assert.ErrorContains(t, err, c.want, c.to)
	}
}

// Tokens that the class names and a vocabulary lacks have ids after it, as
// transformers gives them.
func TestNamedTokensOfBERT(t *testing.T) {
	tok := opened(t, fstest.MapFS{"vocab.txt": {Data: []byte("[UNK]\n[SEP]\n[CLS]\na\n##b")}})
	ids, _ := tok.Encode("ab[MASK]B [PAD]", 20)
	assert.Equal(t, []uint32{2, 3, 4, 6, 0, 5, 1}, ids)
	assert.EqualValues(t, 5, tok.Pad())
	id, ok := tok.ID("[MASK]")
	assert.True(t, ok)
	assert.EqualValues(t, 6, id)
	assert.True(t, tok.Special(id))
	assert.False(t, tok.Special(3))
	_, ok = tok.ID("b")
	assert.False(t, ok)
	assert.Equal(t, "ab", tok.Decode(ids[:4])[:2])
	assert.Equal(t, "[CLS] ab [MASK] [UNK] [PAD] [SEP]", tok.DecodeAll(ids))
}

// A text of more than there is room for keeps its end token.
func TestTruncationOfBERT(t *testing.T) {
	tok := opened(t, inArchive(t, "wordpiece", "cased"))
	whole, truncated := tok.Encode("a b c d e f", 8)
	require.False(t, truncated)
	require.Len(t, whole, 8)
	ids, truncated := tok.Encode("a b c d e f", 7)
	assert.True(t, truncated)
	assert.Equal(t, append(whole[:6:6], whole[7]), ids)
	ids, truncated = tok.Encode("a", 1)
	assert.True(t, truncated)
	assert.Len(t, ids, 2)
}

func TestLongTextOfBERT(t *testing.T) {
	for _, kind := range bertCases {
		tok := opened(t, inArchive(t, "wordpiece", kind))
		for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 1<<18), strings.Repeat("é\x00", 1<<18), strings.Repeat("[SEP] ", 1<<17), strings.Repeat("한", 1<<18)} {
			ids, _ := tok.Encode(text, 1<<22)
			assert.NotEmpty(t, tok.DecodeStable(ids[:2])+"x")
			ids, truncated := tok.Encode(text, 64)
			assert.LessOrEqual(t, len(ids), 64)
			assert.Equal(t, len(ids) == 64, truncated)
		}
	}
}

func FuzzBERT(f *testing.F) {
	var toks []*Tokenizer
	for _, kind := range bertCases {
		toks = append(toks, opened(f, inArchive(f, "wordpiece", kind)))
	}
	f.Add("A photo of a cat [SEP] Zyxw İ 한국어\xff\x00don't .", 9)
	f.Fuzz(func(t *testing.T, text string, n int) { fuzzEncode(t, toks, text, n) })
}

// fuzzEncode encodes and decodes a text, which must come out bounded and in UTF-8.
func fuzzEncode(t *testing.T, toks []*Tokenizer, text string, n int) {
	n = 8 + int(uint(n)%100)
	for _, tok := range toks {
		ids, truncated := tok.Encode(text, n)
		whole := tok.EncodePart(text)
		around := len(tok.before) + len(tok.after)
		if len(ids) > n || truncated != (len(whole)+around > n) {
			t.Fatalf("%q to %d ids: %v, of %d", text, n, ids, len(whole))
		}
		if s := tok.DecodeAll(whole); !utf8.ValidString(s) {
			t.Fatalf("%q decodes to %q", text, s)
		}
		requireStable(t, tok, whole, tok.Decode(whole))
	}
}

func FuzzOpenVocab(f *testing.F) {
	f.Add([]byte("[UNK]\n[SEP]\n[CLS]\na\n##b"), []byte(`{"do_lower_case": false, "added_tokens_decoder": {"5": {"content": "x", "lstrip": true}}}`))
	f.Add([]byte("[UNK]\r\n\r\n[SEP]\n[CLS]\n#"), []byte(`{"additional_special_tokens": ["a", {"content": "b"}], "strip_accents": true}`))
	f.Fuzz(func(t *testing.T, vocab, config []byte) {
		files := fstest.MapFS{"vocab.txt": {Data: vocab}, "tokenizer_config.json": {Data: config}}
		if tok, err := Open(files); err == nil {
			tok.DecodeAll(tok.EncodePart("A photo of a cat ½ ﬁ [SEP]\x01"))
		}
	})
}
