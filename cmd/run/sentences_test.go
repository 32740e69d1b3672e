package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
)

// encoder is a text encoder of random weights with a tokenizer of letters and words, for
// texts of at most 8 tokens.
func encoder(t *testing.T, name string) string {
	t.Helper()
	dir := withWords(t, checkpoint(t, name))
	setKeys(t, filepath.Join(dir, "sentence_bert_config.json"), map[string]any{"max_seq_length": 8})
	return dir
}

func TestRawTexts(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.safetensors")
	in, g := partInput(t, "text_roberta")
	requireFine(t, call(t, "-model", "text", "-weights", checkpoint(t, "text_roberta"), "-input", in, "-save", out, "-precision", "f32"))
	shape, values := saved(t, out, "sentence_embedding")
	require.Equal(t, g.Tensors["sentence_embedding"].Shape, shape)
	assert.True(t, golden.Compare("sentence_embedding", values, g.Tensors["sentence_embedding"].Data, golden.F32).OK())
	shape, _ = saved(t, out, "last_hidden_state")
	assert.Equal(t, []int{3, 9, 39}, shape)
}

func TestSentences(t *testing.T) {
	dir, out := encoder(t, "text_bert_cls"), filepath.Join(t.TempDir(), "out.safetensors")
	file := filepath.Join(t.TempDir(), "texts.txt")
	require.NoError(t, os.WriteFile(file, []byte("\ufeffa photo\n\n  what is this \nthis\n"), 0o644))

	r := call(t, "-model", "text", "-weights", dir, "-texts", file, "-text", "a photo", "-precision", "f32", "-json", "-top", "2")
	requireFine(t, r)
	var doc sentencesJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	require.Len(t, doc.Texts, 4)
	assert.Equal(t, doc.Texts[0].Embedding, doc.Texts[1].Embedding)
	require.Len(t, doc.Found, 1)
	require.Len(t, doc.Found[0].Texts, 2)
	assert.Equal(t, "a photo", doc.Found[0].Texts[0].Text)
	assert.InDelta(t, 1, doc.Found[0].Texts[0].Score, 1e-5)
	assert.Less(t, doc.Found[0].Texts[1].Score, 0.999)

	r = call(t, "-model", "text", "-weights", dir, "-text", "a photo", "-text", "what is this", "-save", out)
	requireFine(t, r)
	assert.Contains(t, r.stdout, "  1   1.0000")
	shape, values := saved(t, out, "sentence_embedding")
	assert.Equal(t, []int{2, 17}, shape)
	var length float64
	for _, v := range values[:17] {
		length += float64(v) * float64(v)
	}
	assert.InDelta(t, 1, length, 1e-2, "modules.json ends in Normalize")

	// A prompt stands before the texts, and what is too long is said to be cut.
	setKeys(t, filepath.Join(dir, "config_sentence_transformers.json"), map[string]any{"prompts": map[string]string{"query": "what is "}})
	r = call(t, "-model", "text", "-weights", dir, "-text", "this", "-texts", file, "-json", "-precision", "f32")
	requireFine(t, r)
	doc = sentencesJSON{}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	assert.Equal(t, doc.Texts[2].Embedding, doc.Texts[0].Embedding)
	long := strings.Repeat("photo of this ", 7000)
	r = call(t, "-model", "text", "-weights", dir, "-text", long, "-json")
	requireFine(t, r)
	assert.Contains(t, r.stderr, "longer than the model reads")
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	assert.True(t, doc.Texts[0].Truncated)
}

// The texts' vectors of another encoder are compared with a dual encoder's pictures.
func TestTextWeights(t *testing.T) {
	dir := encoder(t, "text_distilbert") // of 33 values, as the embedded CLIP's are not
	r := call(t, "-model", "clip", "-image", "../../zoo/pictures/cat.jpg", "-text", "a photo", "-text-weights", dir)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "makes vectors of 33 values")
	assert.NotContains(t, r.stdout, "%")
}

func TestSentencesThatAreRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.txt")
	require.NoError(t, os.WriteFile(empty, []byte("\n \n"), 0o644))
	dir := encoder(t, "text_bert")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{cli.ExitUsage, "no text: give -text", []string{"-model", "text", "-weights", dir}},
		{cli.ExitUsage, "text reads texts: -image does not go with it", []string{"-model", "text", "-image", "x.png", "-text", "a"}},
		{cli.ExitUsage, "-texts goes with a model of texts alone", []string{"-model", "vit", "-image", "x.png", "-texts", empty}},
		{cli.ExitUsage, "-text-weights goes with -text of a model of pictures and texts", []string{"-model", "vit", "-image", "x.png", "-text-weights", dir}},
		{cli.ExitUsage, "-text and -texts do not go with -input", []string{"-model", "text", "-input", empty, "-text", "a"}},
		{cli.ExitFailure, "there is no line in it", []string{"-model", "text", "-weights", dir, "-texts", empty}},
		{cli.ExitFailure, "no embedded weights; give -weights", []string{"-model", "text", "-text", "a"}},
	} {
		r := call(t, c.args...)
		assert.Equal(t, c.code, r.code, r.stderr)
		assert.Contains(t, r.stderr, c.want)
		assert.Empty(t, r.stdout)
	}
}
