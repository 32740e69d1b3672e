package tokenizer

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Tokens beside a vocabulary without tokenizer.json are one id each: as transformers
// 5.23 has them, in any capitals where they are normalized, with the spaces beside
// them where they are stripped.
func TestAddedTokens(t *testing.T) {
	files := func(added, config string) fs.FS {
		fsys := fstest.MapFS{"tokenizer_config.json": {Data: []byte(config)}}
		if added != "" {
			fsys["added_tokens.json"] = &fstest.MapFile{Data: []byte(added)}
		}
		const vocab = `{"a": 0, "b": 1, "a</w>": 2, "b</w>": 3, "<</w>": 4, "<|startoftext|>": 5, "<|endoftext|>": 6}`
		fsys["vocab.json"], fsys["merges.txt"] = &fstest.MapFile{Data: []byte(vocab)}, &fstest.MapFile{Data: []byte("#version: 0.2\n")}
		return fsys
	}
	for _, c := range []struct {
		added, config, text string
		want                []uint32
	}{
		{`{"<cat>": 7}`, `{}`, "a<CAT>b <Cat> a", []uint32{5, 2, 7, 3, 7, 2, 6}},
		{`{"<cat>": 7}`, `{}`, "<cat><cat>", []uint32{5, 7, 7, 6}},
		{`{"cat": 7, "cat_1": 8}`, `{}`, "Cat_1 cat", []uint32{5, 8, 7, 6}},
		{"", `{"added_tokens_decoder": {"7": {"content": "<B A>", "lstrip": true, "normalized": false}}}`, "a <B A> b", []uint32{5, 2, 7, 3, 6}},
		{"", `{"added_tokens_decoder": {"6": {"content": "<|endoftext|>", "special": true}, "7": {"content": "<Bb>", "normalized": true, "rstrip": true}}}`, "<bB> a<|endoftext|>", []uint32{5, 7, 2, 6, 6}},
	} {
		tok, err := Open(files(c.added, c.config))
		require.NoError(t, err)
		ids, _ := tok.Encode(c.text, 20)
		for len(ids) > len(c.want) && ids[len(ids)-1] == tok.Pad() {
			ids = ids[:len(ids)-1]
		}
		assert.Equal(t, c.want, ids, c.text)
	}
	for _, c := range []struct{ added, config, want string }{
		{`{"a": 7}`, `{}`, `added_tokens.json: token "a" has the id 7, and 0 in the vocabulary`},
		{`{"": 7}`, `{}`, `added_tokens.json: the token of id 7 is empty`},
		{"", `{"added_tokens_decoder": {"x": {"content": "b"}}}`, `token "b" has the id "x"`},
		{"", `{"added_tokens_decoder": {"7": {"content": "<b>", "single_word": true}}}`, `single_word true; expected a number, and false`},
		{`{"<cat>": 4000000000}`, `{}`, `token "<cat>" has the id 4000000000; expected less than`},
	} {
		_, err := Open(files(c.added, c.config))
		assert.ErrorContains(t, err, c.want)
	}
}

// Without capitals or small letters in its text a token is found as it stands.
func TestBegins(t *testing.T) {
	for _, c := range []struct {
		token added
		text  string
		want  bool
	}{
		{added{text: "<x>"}, "<x>y", true}, {added{text: "<x>"}, "<X>y", false}, {added{text: "<x>", fold: true}, "<X>y", true},
		{added{text: "<x>", fold: true}, "<x", false}, {added{text: "<é>", fold: true}, "<É>", true},
	} {
		assert.Equal(t, c.want, c.token.begins(c.text), "%v %s", c.token, c.text)
	}
}
