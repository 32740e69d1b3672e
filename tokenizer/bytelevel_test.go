package tokenizer

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var byteLevelCases = []string{"gpt2", "prefix", "trocr", "roberta", "whisper", "smol", "llama", "qwen2"}

func TestGoldenOfByteLevel(t *testing.T) {
	for _, kind := range byteLevelCases {
		t.Run(kind, func(t *testing.T) {
			requireArchive(t, opened(t, inArchive(t, "bytelevel", kind)), "bytelevel", kind)
		})
	}
}

// What cuts words is as the patterns say, lookahead and all.
func TestPatterns(t *testing.T) {
	cut := func(s splitter, text string) (out []string) {
		s(text, func(piece string) { out = append(out, piece) })
		return out
	}
	gpt2, qwen2, llama := patterns[gpt2Pattern], patterns[qwen2Pattern], patterns[llamaPattern]
	for _, c := range []struct {
		how  splitter
		text string
		want []string
	}{
		{gpt2, "it's  IT'S we'll'd", []string{"it", "'s", " ", " IT", "'", "S", " we", "'ll", "'d"}},
		{gpt2, "a \n\nb  ", []string{"a", " \n", "\n", "b", "  "}},
		{gpt2, "x 12ab!?\u3000y", []string{"x", " 12", "ab", "!?", "\u3000", "y"}},
		{gpt2, " ", []string{" "}},
		{qwen2, "IT'S\tab 123 !?\r\n\n \n  c'ſ", []string{"IT", "'S", "\tab", " ", "1", "2", "3", " !?\r\n\n", " \n", " ", " c", "'ſ"}},
		{llama, "1234567 x\n ", []string{"123", "456", "7", " x", "\n", " "}},
		{llama, "\n\n  \n", []string{"\n\n  \n"}},
		{digits(true), "ab12٣ c", []string{"ab", "1", "2", "٣", " c"}},
		{digits(false), "ab12٣ c½", []string{"ab", "12٣", " c", "½"}},
		{chain(digits(true), gpt2), "a  12", []string{"a", "  ", "1", "2"}},
		{chain(), "a b", []string{"a b"}},
	} {
		assert.Equal(t, c.want, cut(c.how, c.text), "%q", c.text)
	}
}

func TestBadByteLevel(t *testing.T) {
	for _, c := range []struct{ kind, file, from, to, want string }{
		{"smol", "tokenizer.json", `"dropout": null`, `"dropout": 0.1`, `dropout is "0.1"`},
		{"smol", "tokenizer.json", `"continuing_subword_prefix": null`, `"continuing_subword_prefix": "@@"`, `continuing_subword_prefix is "@@"`},
		{"smol", "tokenizer.json", `"byte_fallback": false`, `"byte_fallback": true`, "does not end with spaces replaced"},
		{"smol", "tokenizer.json", `"normalizer": null`, `"normalizer": {"type": "NFKC"}`, `normalizer: "NFKC" is not supported`},
		{"smol", "tokenizer.json", `"Digits"`, `"Punctuation"`, `the pre_tokenizer is "Punctuation, ByteLevel"`},
		{"smol", "tokenizer.json", `"TemplateProcessing"`, `"Else"`, `the post_processor is "Else"`},
		{"llama", "tokenizer.json", `{1,3}`, `{1,4}`, "pre_tokenizer: Split by"},
		{"llama", "tokenizer.json", `"behavior": "Isolated"`, `"behavior": "Removed"`, "Removed, invert false is not supported"},
		{"llama", "tokenizer.json", `"invert": false`, `"invert": true`, "invert true is not supported"},
		{"llama", "tokenizer_config.json", `"TokenizersBackend"`, `"GPT2Tokenizer"`, "ignore_merges is true"},
		{"llama", "tokenizer_config.json", `"TokenizersBackend"`, `"TokenizersBackend", "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": true`, "even_though_it_will_corrupt_output is true"},
		{"whisper", "tokenizer_config.json", `"ko"`, `"korean"`, "no <|korean|>"},
		{"gpt2", "tokenizer_config.json", "", `{"tokenizer_class": "CodeGenTokenizer"}`, "are for a CodeGenTokenizer"},
		{"gpt2", "merges.txt", "Ġ t\n", "Ġ t t\n", `merges.txt: line `},
		{"gpt2", "merges.txt", "Ġ t\n", "Ġ @@@\n", `merge "Ġ" with "@@@"`},
		{"gpt2", "vocab.json", `"!": 0`, `"!": -1`, "vocab.json"},
	} {
		_, err := Open(editedCase(t, "bytelevel", c.kind, c.file, c.from, c.to))
		assert.ErrorContains(t, err, c.want, c.to)
	}
}

// What a folder says in other ways gives the same ids.
func TestSameByteLevel(t *testing.T) {
	for _, c := range []struct{ kind, file, from, to string }{
		{"gpt2", "tokenizer_config.json", "", `{"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": false}`},
		{"roberta", "tokenizer.json", `"RobertaProcessing"`, `"BertProcessing"`},
		{"roberta", "tokenizer_config.json", `"RobertaTokenizer"`, `"BartTokenizerFast"`},
		{"roberta", "tokenizer_config.json", `"RobertaTokenizer"`, `"TokenizersBackend"`},
		{"smol", "tokenizer_config.json", `"TokenizersBackend"`, `"GPT2Tokenizer", "unk_token": "<|im_end|>"`},
	} {
		requireArchive(t, opened(t, editedCase(t, "bytelevel", c.kind, c.file, c.from, c.to)), "bytelevel", c.kind)
	}
}

func TestPaddingOfByteLevel(t *testing.T) {
	for kind, pad := range map[string]string{"gpt2": endOfText, "trocr": "<pad>", "whisper": endOfText, "smol": "<|im_end|>", "qwen2": endOfText} {
		tok := opened(t, inArchive(t, "bytelevel", kind))
		assert.Equal(t, pad, tok.Token(tok.Pad()), kind)
		assert.False(t, tok.PadLeft(), kind)
	}
	tok := opened(t, editedCase(t, "bytelevel", "gpt2", "tokenizer_config.json", "", `{"padding_side": "left"}`))
	assert.True(t, tok.PadLeft())
}

// Times are left out of Whisper's text as special tokens are, but are told.
func TestTimestamps(t *testing.T) {
	tok := opened(t, inArchive(t, "bytelevel", "whisper"))
	ids := tok.EncodePart("<|0.00|> hi<|0.50|>")
	assert.Equal(t, " hi", tok.Decode(ids))
	assert.Equal(t, "<|0.00|> hi<|0.50|>", tok.DecodeAll(ids))
	id, ok := tok.ID("<|0.50|>")
	assert.True(t, ok)
	assert.Equal(t, id, ids[len(ids)-1])
}

// Characters of several bytes appear when they are whole; what can be none any more
// is U+FFFD, one for each broken beginning.
func TestStable(t *testing.T) {
	tok := opened(t, inArchive(t, "bytelevel", "gpt2"))
	b := tok.scheme.(*byteLevel)
	bytes := func(text string) (ids []uint32) {
		for i := range len(text) {
			ids = append(ids, uint32(b.bytes[text[i]]))
		}
		return ids
	}
	for _, c := range []struct{ bytes, stable, whole string }{
		{"a", "a", "a"}, {"a\xf0", "a", "a\ufffd"}, {"a\xf0\x9f\x98", "a", "a\ufffd"}, {"a😀", "a😀", "a😀"},
		{"\xe2\x82b", "\ufffdb", "\ufffdb"}, {"\xe2\xe2", "\ufffd", "\ufffd\ufffd"}, {"\x80\xff", "\ufffd\ufffd", "\ufffd\ufffd"},
		{"\xe0\x80", "\ufffd\ufffd", "\ufffd\ufffd"}, {"\xed\xa0\x80", "\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd"}, {"\xf4\x90", "\ufffd\ufffd", "\ufffd\ufffd"}, {"\xf1\x80\x80", "", "\ufffd"}, {"\xc3", "", "\ufffd"}, {"", "", ""},
	} {
		assert.Equal(t, c.stable, tok.DecodeStable(bytes(c.bytes)), "%q", c.bytes)
		assert.Equal(t, c.whole, tok.Decode(bytes(c.bytes)), "%q", c.bytes)
	}
	assert.Empty(t, tok.Decode([]uint32{1 << 31}), "an id of no token")
	rapid.Check(t, func(rt *rapid.T) {
		text := string(rapid.SliceOfN(rapid.SampledFrom([]byte("a\x80\x9f\xa0\xc2\xe0\xed\xf0\xf4\xff ")), 0, 8).Draw(rt, "bytes"))
		requireStable(t, tok, bytes(text), tok.Decode(bytes(text)))
	})
}

// With spaces before signs dropped afterwards, a text grows only at its end too.
func TestStableTidy(t *testing.T) {
	tok := &Tokenizer{vocab: &vocabulary{tokens: []string{" ", "'", "n", "t", "s", ".", "x", " n't", "re", " 'm"}}, scheme: &byteLevel{}, tidy: true}
	for id, s := range tok.vocab.tokens {
		tok.vocab.tokens[id] = letters(s)
	}
	rapid.Check(t, func(rt *rapid.T) {
		ids := rapid.SliceOfN(rapid.Uint32Range(0, uint32(len(tok.vocab.tokens)-1)), 0, 12).Draw(rt, "ids")
		requireStable(t, tok, ids, tok.Decode(ids))
	})
	assert.Equal(t, "xn't.", tok.Decode([]uint32{6, 0, 2, 0, 1, 0, 3, 0, 5}))
}

func TestLongTextOfByteLevel(t *testing.T) {
	for _, kind := range byteLevelCases {
		tok := opened(t, inArchive(t, "bytelevel", kind))
		for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 1<<18), strings.Repeat("é\x00", 1<<18), strings.Repeat(" \n", 1<<19), strings.Repeat("12", 1<<18), strings.Repeat("<|endoftext|>", 1<<16)} {
			ids, truncated := tok.Encode(text, 1<<22)
			assert.False(t, truncated)
			assert.Greater(t, len(ids), 1000)
			ids, truncated = tok.Encode(text, 64)
			assert.True(t, truncated)
			assert.Len(t, ids, 64)
		}
	}
}

func FuzzByteLevel(f *testing.F) {
	var toks []*Tokenizer
	for _, kind := range byteLevelCases {
		toks = append(toks, opened(f, inArchive(f, "bytelevel", kind)))
	}
	f.Add("A photo of 12 cats <|endoftext|>\r\n Zyxw 한국어\xff\x00don'T ", 9)
	f.Fuzz(func(t *testing.T, text string, n int) { fuzzEncode(t, toks, text, n) })
}

func FuzzOpenMerges(f *testing.F) {
	f.Add([]byte(`{"a":0,"b":1,"ab":2,"<|endoftext|>":3,"Ġ":4}`), []byte("#version: 0.2\na b\n"), []byte(`{"tokenizer_class":"GPT2Tokenizer","add_prefix_space":true,"added_tokens_decoder":{"5":{"content":"x","lstrip":true}}}`))
	f.Add([]byte(`{"<s>":0,"</s>":1,"<pad>":2,"<unk>":3,"<mask>":4}`), []byte(""), []byte(`{}`))
	f.Add([]byte(`{"<|startoftranscript|>":0,"<|notimestamps|>":1,"<|0.00|>":2,"":3}`), []byte(""), []byte(`{"tokenizer_class":"WhisperTokenizer","task":"x"}`))
	f.Fuzz(func(t *testing.T, vocab, merges, config []byte) {
		files := fstest.MapFS{"vocab.json": {Data: vocab}, "merges.txt": {Data: merges}, "tokenizer_config.json": {Data: config}}
		if tok, err := Open(files); err == nil {
			tok.DecodeAll(tok.EncodePart("A photo of a cat ½ ﬁ <|endoftext|>\x01"))
		}
	})
}
