package models

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/tokenizer"
	"saccade/zoo"
)

// withTokenizer gives a golden's model the vocabulary of package tokenizer's goldens,
// which is far larger than its table.
func withTokenizer(m *Model, t *tokenizer.Tokenizer) {
	m.tokenize = func() (*tokenizer.Tokenizer, error) { return t, nil }
}

func smallTokenizer(t *testing.T) *tokenizer.Tokenizer {
	tok, err := tokenizer.Open(os.DirFS("../golden/tokenizer/small"))
	require.NoError(t, err)
	return tok
}

// dual is a random CLIP with the small vocabulary.
func dual(t *testing.T) *Model {
	t.Helper()
	m := goldenModel(t, "clip_heads_of_5", Options{Precision: gpu.F32})
	withTokenizer(m, smallTokenizer(t))
	return m
}

func TestRawIDs(t *testing.T) {
	m := goldenModel(t, "clip_heads_of_5", Options{Precision: gpu.F32})
	ctx := context.Background()
	ids := func(v ...float32) map[string]Array {
		return map[string]Array{nn.InputIDs: {Shape: []int{1, len(v)}, Data: v}}
	}
	masked := func(in map[string]Array, mask ...float32) map[string]Array {
		in[nn.AttentionMask] = Array{Shape: []int{1, len(mask)}, Data: mask}
		return in
	}
	for name, c := range map[string]struct {
		in   map[string]Array
		want string
	}{
		"beyond the table":   {ids(65, 67), "found the id 67 at [0 1], the table has 67 tokens"},
		"far beyond":         {ids(65, 1<<32), "found 4.2949673e+09 at [0 1]"},
		"negative":           {ids(65, -1), "found -1"},
		"not whole":          {ids(65, 1.5), "found 1.5"},
		"no number":          {ids(65, float32(math.NaN())), "found NaN"},
		"too long":           {ids(make([]float32, 14)...), "T at most 13"},
		"one dimension":      {map[string]Array{nn.InputIDs: {Shape: []int{2}, Data: []float32{1, 2}}}, "expected [N T]"},
		"mask of other size": {masked(ids(65, 66), 1, 1, 1), "found shape [1 3]"},
		"mask with a hole":   {masked(ids(65, 3, 66), 1, 0, 1), "a one after a zero in row 0"},
		"mask of halves":     {masked(ids(65, 3, 66), 1, 0.5, 0), "found 0.5 at [0 1], expected ones and zeros"},
		"mask alone":         {masked(map[string]Array{}, 1, 1), "found an input attention_mask"},
		"unknown":            {map[string]Array{"latents": {Shape: []int{1}, Data: []float32{1}}}, "found an input latents"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.Forward(ctx, c.in)
			assert.ErrorContains(t, err, c.want)
		})
	}
	out, err := m.Forward(ctx, ids(65, 5, 6, 66))
	require.NoError(t, err)
	assert.Equal(t, []int{1, 19}, out["text_embeds"].Shape)
	assert.NotContains(t, out, "image_embeds")

	// Padding, masked or not, changes nothing.
	more, err := m.Forward(ctx, masked(ids(65, 5, 6, 66, 66, 66), 1, 1, 1, 1, 0, 0))
	require.NoError(t, err)
	assert.InDeltaSlice(t, out["text_embeds"].Data, more["text_embeds"].Data, 1e-6)
}

func TestTextOfAPictureNetwork(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{})
	_, _, err := m.EmbedTexts(context.Background(), []string{"a cat"}, nil)
	assert.ErrorIs(t, err, ErrNoText)
	assert.False(t, m.ReadsTexts())
	assert.False(t, m.Dual())
}

func TestPictureOfATextEncoder(t *testing.T) {
	m := goldenModel(t, "clip_text", Options{})
	assert.False(t, m.SeesImages())
	_, err := m.Forward(context.Background(), nn.Images(Array{Shape: []int{1, 3, 4, 4}, Data: make([]float32, 48)}))
	assert.ErrorContains(t, err, "found an input pixel_values")
	_, _, _, err = m.Preprocess(grey(4, 4, 1))
	assert.ErrorIs(t, err, ErrNoImages)
	_, _, err = m.EmbedTexts(context.Background(), []string{"a cat"}, nil)
	assert.ErrorIs(t, err, ErrNoText)
}

// A tokenizer of another checkpoint never reads beyond the table.
func TestForeignTokenizer(t *testing.T) {
	_, _, err := dual(t).EmbedTexts(context.Background(), []string{"a cat"}, nil)
	assert.ErrorContains(t, err, "the model's table 67")
	m := goldenModel(t, "clip_heads_of_5", Options{})
	_, _, err = m.EmbedTexts(context.Background(), []string{"a cat"}, nil)
	assert.ErrorContains(t, err, "tokenizer")
}

func TestScores(t *testing.T) {
	m := goldenModel(t, "clip_one", Options{})
	s := m.Scores([]float64{1000, 1001, 999})
	assert.InDelta(t, 1, s[0]+s[1]+s[2], 1e-12)
	assert.InDelta(t, math.E, s[1]/s[0], 1e-9)
	m = goldenModel(t, "siglip_small", Options{})
	s = m.Scores([]float64{0, -1000, 1000})
	assert.InDeltaSlice(t, []float64{0.5, 0, 1}, s, 1e-12)
}

func TestTokensOfTexts(t *testing.T) {
	m := dual(t)
	in := m.texts.Input(nn.InputIDs) // CLIP's context, and a large table
	in.Dims[1].Most, in.Below = 77, 49408
	rows, truncated, err := m.encode([]string{"", strings.Repeat("x ", 5000), "a cat"})
	require.NoError(t, err)
	ids := m.padTexts(rows)[nn.InputIDs]
	assert.Equal(t, []int{3, 77}, ids.Shape)
	assert.Equal(t, []bool{false, true, false}, truncated)
	tok := smallTokenizer(t)
	assert.Equal(t, "<|startoftext|> <|endoftext|>", tok.Token(uint32(ids.Data[0]))+" "+tok.Token(uint32(ids.Data[1])))
	assert.Equal(t, "<|endoftext|>", tok.Token(uint32(ids.Data[2*77-1])))
	rows, _, err = m.encode([]string{"", "a cat"})
	require.NoError(t, err)
	assert.Equal(t, []int{2, 16}, m.padTexts(rows)[nn.InputIDs].Shape)
	tokens, padded, cut, err := m.TextLength("a cat")
	require.NoError(t, err)
	assert.Equal(t, []any{len(rows[1]), 16, false}, []any{tokens, padded, cut})
	tokens, padded, cut, err = m.TextLength(strings.Repeat("x ", 5000))
	require.NoError(t, err)
	assert.Equal(t, []any{77, 77, true}, []any{tokens, padded, cut})
}

// The embedded model, from a text and a file to the embeddings.
func TestEmbeddedCLIP(t *testing.T) {
	ctx := context.Background()
	c, err := golden.Find("zoo_clip")
	require.NoError(t, err)
	g, err := golden.Load(c)
	require.NoError(t, err)
	m, err := Load(ctx, gputest.Open(t, gpu.Options{}), "clip", "", Options{Precision: gpu.F32, Embedded: zoo.CLIP()})
	require.NoError(t, err)
	defer m.Close()
	var texts []string
	for _, s := range c.Options["texts"].([]any) {
		texts = append(texts, s.(string))
	}
	embeds, truncated, err := m.EmbedTexts(ctx, texts, nil)
	require.NoError(t, err)
	width := len(embeds[0])
	for i, e := range embeds {
		assert.False(t, truncated[i])
		assert.InDeltaSlice(t, g.Tensors["text_embeds"].Data[i*width:(i+1)*width], e, 1e-5, texts[i])
	}
	open := func(i int) (*picture.Image, error) {
		return picture.Open("../zoo/pictures/"+c.Images[i].File, picture.DecodeOptions{})
	}
	require.NoError(t, m.EmbedPictures(ctx, len(c.Images), 0, false, open, func(i int, v []float32, err error) error {
		assert.InDeltaSlice(t, g.Tensors["image_embeds"].Data[i*width:(i+1)*width], v, 1e-3, c.Images[i].File)
		return err
	}))
}
