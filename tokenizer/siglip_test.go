package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// siglipTexts are the texts beside those of CLIP.
func siglipTexts(t *testing.T) (texts []string) {
	golden(t, "siglip_texts.json.gz", &texts)
	return texts
}

func opened(t testing.TB, folder string) *Tokenizer {
	tok, err := Open(os.DirFS(filepath.Join(goldens, folder)))
	require.NoError(t, err)
	return tok
}

func TestGoldenOfSpiece(t *testing.T) {
	requireGolden(t, opened(t, "spiece"), "spiece.json.gz", 64, siglipTexts(t)...)
}

func TestGoldenOfUnigram(t *testing.T) {
	requireGolden(t, opened(t, "unigram"), "unigram.json.gz", 64, siglipTexts(t)...)
}

func TestGoldenOfGemma(t *testing.T) {
	requireGolden(t, opened(t, "gemma"), "gemma.json.gz", 64, siglipTexts(t)...)
}
