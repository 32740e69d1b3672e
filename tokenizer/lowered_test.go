package tokenizer

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Capitals become small before a vocabulary that knows both, but in special tokens.
func TestLowered(t *testing.T) {
	tok, err := Open(fstest.MapFS{
		"vocab.txt":             {Data: []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nabc\nABC\n")},
		"tokenizer_config.json": {Data: []byte(`{"tokenizer_class": "BertTokenizer", "do_lower_case": false}`)},
	})
	require.NoError(t, err)
	plain, _ := tok.Encode("ABC [MASK] abc", 9)
	assert.Equal(t, []uint32{2, 6, 4, 5, 3}, plain)
	lowered, _ := tok.Lowered().Encode("ABC [MASK] Abc", 9)
	assert.Equal(t, []uint32{2, 5, 4, 5, 3}, lowered)
	assert.Equal(t, []uint32{5}, tok.Lowered().EncodePart("ABC"))
	plain, _ = tok.Encode("ABC", 9)
	assert.Equal(t, []uint32{2, 6, 3}, plain, "the tokenizer itself stays")
}
