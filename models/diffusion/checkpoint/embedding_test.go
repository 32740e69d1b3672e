package checkpoint

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

const inversions = goldens + "inversions/"

// counting are 0, 1, 2, …
func counting(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i)
	}
	return v
}

func TestOpenEmbedding(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	for file, want := range map[string]Embedding{
		"a1111.pt":                   {"my cat", []Vectors{{"", 2, 4, counting(8)}}},
		"learned_embeds.bin":         {"<cat>", []Vectors{{"", 1, 4, counting(4)}}},
		"learned_embeds.safetensors": {"<cat>", []Vectors{{"", 3, 4, counting(12)}}},
		"params.safetensors":         {"params", []Vectors{{"", 1, 4, counting(4)}}},
		"xl.safetensors":             {"xl", []Vectors{{TextEncoder2, 2, 6, counting(12)}, {TextEncoder, 2, 4, counting(8)}}},
		"":                           {"<cat>", []Vectors{{"", 3, 4, counting(12)}}}, // the folder, of which safetensors come first
	} {
		got, err := p.OpenEmbedding(inversions + file)
		require.NoError(t, err, file)
		assert.Equal(t, want.Token, got.Token, file)
		assert.ElementsMatch(t, want.Vectors, got.Vectors, file)
	}
	for file, want := range map[string]string{
		goldens + "lora/sd1.peft.safetensors":         "it is no textual inversion: among its ",
		inversions + "none.safetensors":               "no such file or folder",
		loraFile(t, map[string][]int{"x": {2, 2, 2}}): "x: found shape [2 2 2], expected vectors [count, width]",
	} {
		_, err := p.OpenEmbedding(file)
		assert.ErrorContains(t, err, want)
	}
	whole := filepath.Join(t.TempDir(), "x.pt")
	require.NoError(t, os.WriteFile(whole, []byte("no checkpoint"), 0o666))
	_, err := p.OpenEmbedding(whole)
	assert.ErrorContains(t, err, "open textual inversion")
}

func TestEmbeddingTokens(t *testing.T) {
	e := Embedding{Token: "<cat>", Vectors: []Vectors{{Count: 3, Width: 4}}}
	assert.Equal(t, []string{"<cat>", "<cat>_1", "<cat>_2"}, e.Tokens())
}

// Vectors go to the towers that are as wide; what is for others is refused by name.
func TestFit(t *testing.T) {
	sd1, err := Open(context.Background(), writeSingle(t, "sd1.ckpt"), nil, Options{})
	require.NoError(t, err)
	defer sd1.Close()
	xl, err := Open(context.Background(), writeSingle(t, "sdxl.safetensors"), nil, Options{})
	require.NoError(t, err)
	defer xl.Close()
	width := func(p *Pipeline, name string) int {
		part, err := p.Part(name)
		require.NoError(t, err)
		return tokenWidth(part.Source)
	}
	one := Vectors{Count: 1, Width: width(sd1, TextEncoder), Values: counting(width(sd1, TextEncoder))}
	of, err := sd1.Fit(Embedding{"<cat>", []Vectors{one}})
	require.NoError(t, err)
	assert.Equal(t, map[string]Vectors{TextEncoder: one}, of)
	_, err = sd1.Fit(Embedding{"<cat>", []Vectors{{Count: 1, Width: 5}}})
	assert.ErrorContains(t, err, "textual inversion <cat> has vectors of 1×5; text_encoder of pipeline")
	l, g := width(xl, TextEncoder), width(xl, TextEncoder2)
	both := Embedding{"<cat>", []Vectors{{Part: TextEncoder2, Count: 2, Width: g}, {Part: TextEncoder, Count: 2, Width: l}}}
	of, err = xl.Fit(both)
	require.NoError(t, err)
	assert.Len(t, of, 2)
	both.Vectors[0].Count = 1
	_, err = xl.Fit(both)
	assert.ErrorContains(t, err, "takes as many for each tower")
	_, err = xl.Fit(Embedding{"<cat>", []Vectors{{Part: TextEncoder, Count: 2, Width: l}}})
	assert.ErrorContains(t, err, "text_encoder_2 of pipeline")
	var none weights.Source = nothing{}
	assert.Zero(t, tokenWidth(none))
}
