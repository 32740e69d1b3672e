package tokenizer

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"

	"saccade/weights"
)

// Files are read up to a limit, far above what such files have.
func TestFilesThatAreTooLarge(t *testing.T) {
	large := &fstest.MapFile{Data: make([]byte, weights.ConfigLimit+1)}
	_, err := Open(fstest.MapFS{"tokenizer_config.json": large})
	assert.ErrorContains(t, err, "read tokenizer_config.json: it is larger than 16777216 bytes")
	_, err = Open(fstest.MapFS{"tokenizer_config.json": {Data: []byte("{}")}, "special_tokens_map.json": large})
	assert.ErrorContains(t, err, "read special_tokens_map.json: it is larger than")
	large = &fstest.MapFile{Data: make([]byte, weights.VocabularyLimit+1)}
	for _, name := range []string{"tokenizer.json", "spiece.model", "vocab.txt", "vocab.json"} {
		_, err = Open(fstest.MapFS{name: large})
		assert.ErrorContains(t, err, "read "+name+": it is larger than 134217728 bytes")
	}
	_, err = Open(fstest.MapFS{"vocab.json": {Data: []byte("{}")}, "merges.txt": large})
	assert.ErrorContains(t, err, "read merges.txt: it is larger than")
}

// A file that would blow a text up is refused.
func TestFilesThatBlowTextsUp(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct{ kind, from, to, want string }{
		{"smol", `"normalizer": null`, `"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "` + long + `"}`, `Replace puts 2000 bytes in place of "a"`},
		{"smol", `"normalizer": null`, `"normalizer": {"type": "Sequence", "normalizers": [` + strings.Repeat(`{"type": "NFC"},`, 40) + `{"type": "NFC"}]}`, "more than 32 steps"},
		{"smol", `"pretokenizers": [`, `"pretokenizers": [` + strings.Repeat(`{"type": "Digits"},`, 40), "more than 32 steps"},
		{"llama", `"single": [`, `"single": [` + strings.Repeat(`{"SpecialToken": {"id": "<|endoftext|>"}},`, 70), "more than 64 tokens around a text"},
		{"llama", `"processors": [`, `"processors": [` + strings.Repeat(`{"type": "BertProcessing", "cls": ["a", 1], "sep": ["b", 2]},`, 70), "more than 64 tokens around a text"},
	} {
		_, err := Open(editedCase(t, "bytelevel", c.kind, "tokenizer.json", c.from, c.to))
		assert.ErrorContains(t, err, c.want)
	}
	_, err := newCharsmap(append([]byte{0, 0, 0, 0}, long...))
	assert.ErrorContains(t, err, "found a text of 2000 bytes")
	_, err = Open(fstest.MapFS{"vocab.txt": {Data: []byte(strings.Repeat("\n", maxSize+1))}})
	assert.ErrorContains(t, err, "found 16777217 lines")
}

// A Sequence of nothing is as nothing.
func TestEmptySequence(t *testing.T) {
	empty := `{"type": "Sequence", "normalizers": [], "pretokenizers": []}`
	for _, c := range []struct{ archive, kind, key, want string }{
		{"bytelevel", "smol", "normalizer", ""},
		{"bytelevel", "smol", "pre_tokenizer", `the pre_tokenizer is ""`},
		{"wordpiece", "fast", "normalizer", `the normalizer is ""`},
		{"wordpiece", "fast", "pre_tokenizer", `the pre_tokenizer is ""`},
		{"xlmr", "xlmr", "normalizer", ""},
	} {
		_, err := Open(editedCase(t, c.archive, c.kind, "tokenizer.json", `"model": {`, `"`+c.key+`": `+empty+`, "model": {`))
		if c.want == "" {
			assert.NoError(t, err, c)
			continue
		}
		assert.ErrorContains(t, err, c.want, c)
	}
	for name, key := range map[string]string{"gemma": "normalizer", "unigram": "pre_tokenizer"} {
		_, err := Open(edited(t, name, "tokenizer.json", `"model": {`, `"`+key+`": `+empty+`, "model": {`))
		assert.Error(t, err, name)
	}
}
