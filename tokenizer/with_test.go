package tokenizer

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Added tokens are one id each, after those that are there, in any capitals; the
// tokenizer that they were added to stays as it is.
func TestWith(t *testing.T) {
	plain, err := Open(os.DirFS("../golden/tokenizer/small"))
	require.NoError(t, err)
	more, err := plain.With("<cat-toy>", "<cat-toy>_1", "mug")
	require.NoError(t, err)
	size := uint32(plain.Size())
	require.Equal(t, plain.Size()+3, more.Size())
	ids, _ := more.Encode("a <CAT-toy> mug", 77)
	want, _ := plain.Encode("a", 77)
	assert.Equal(t, []uint32{want[0], want[1], size, size + 2, want[2]}, ids)
	before, _ := plain.Encode("mug", 77)
	assert.NotContains(t, before, size+2)

	assert.Equal(t, "a <cat-toy> <cat-toy>_1 mug", more.Expand("a <cat-toy> mug"))
	assert.Equal(t, "a <cat-toy> mug", plain.Expand("a <cat-toy> mug"))
	_, err = more.With("mug")
	assert.ErrorContains(t, err, `"mug"`)
	siglip, err := Open(os.DirFS("../golden/tokenizer/spiece"))
	require.NoError(t, err)
	_, err = siglip.With("x")
	assert.ErrorContains(t, err, "CLIP")
}
