package tokenizer

import (
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
