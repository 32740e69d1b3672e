package models

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// From texts to embeddings with each kind of tokenizer that SigLIP's checkpoints
// have, as transformers does both.
func TestTextsOfSiglip(t *testing.T) {
	const goldens = "../golden/tokenizer"
	for _, c := range []struct{ name, tokenizer, config string }{
		{"spiece", "spiece", ""},
		{"unigram", "unigram", ""},
		{"gemma", "gemma", ""},
		{"gemma_left", "gemma", `{"tokenizer_class":"Siglip2Tokenizer"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, from := range []string{c.tokenizer, "siglip"} {
				require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(goldens, from))))
			}
			if c.config != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(c.config), 0o644))
			}
			data, err := os.ReadFile(filepath.Join(dir, c.name+".json"))
			require.NoError(t, err)
			var want struct {
				Texts  []string
				Embeds [][]float32 `json:"text_embeds"`
			}
			require.NoError(t, json.Unmarshal(data, &want))
			m, err := Load(context.Background(), gputest.Open(t, gpu.Options{}), "siglip", dir, Options{Precision: gpu.F32})
			require.NoError(t, err)
			defer m.Close()
			got, truncated, err := m.EmbedTexts(context.Background(), want.Texts, nil)
			require.NoError(t, err)
			assert.Equal(t, []bool{false, false, false, false, true}, truncated)
			for i := range got {
				// One layer in f32; the golden has 7 digits.
				assert.InDeltaSlice(t, want.Embeds[i], got[i], 2e-6, "%q", want.Texts[i])
			}
		})
	}
}
