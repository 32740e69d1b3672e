package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/weights"
)

// withWords gives a checkpoint of 61 tokens a tokenizer, whose words are letters, digits
// and some of the questions below.
func withWords(t *testing.T, dir string) string {
	t.Helper()
	words := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "what", "is", "this"}
	for len(words) < 59 {
		words = append(words, fmt.Sprintf("w%d", len(words)))
	}
	words = append(words, "[DEC]", "[ENC]")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "vocab.txt"), []byte(strings.Join(words, "\n")+"\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(`{"tokenizer_class": "BertTokenizer"}`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(`{"image_processor_type": "BlipImageProcessor", "size": {"height": 20, "width": 20}}`), 0o644))
	return dir
}

// setKeys changes keys of a JSON file, which may not be there.
func setKeys(t *testing.T, path string, keys map[string]any) {
	t.Helper()
	all := map[string]any{}
	if data, err := os.ReadFile(path); err == nil {
		require.NoError(t, json.Unmarshal(data, &all))
	}
	for k, v := range keys {
		all[k] = v
	}
	data, err := json.Marshal(all)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// saved reads a tensor of -save.
func saved(t *testing.T, path, name string) (shape []int, values []float32) {
	t.Helper()
	file, err := weights.Open(path)
	require.NoError(t, err)
	defer file.Close()
	x, ok := file.Tensor(name)
	require.True(t, ok, "%s of %v", name, file.Names())
	values = make([]float32, x.Len())
	require.NoError(t, x.Float32s(values))
	return x.Shape, values
}

// Raw inputs give logits of the ids among them, without ids or with -generate texts.
func TestWriteRaw(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.safetensors")
	for _, name := range []string{"blip_caption", "blip_answer", "trocr", "smolvlm_2"} {
		dir := checkpoint(t, name)
		in, g := partInput(t, name)
		requireFine(t, call(t, "-model", g.Model, "-weights", dir, "-input", in, "-save", out, "-precision", "f32"))
		for _, output := range g.Outputs {
			shape, values := saved(t, out, output)
			require.Equal(t, g.Tensors[output].Shape, shape)
			require.True(t, golden.Compare(output, values, g.Tensors[output].Data, golden.F32).OK())
		}
		text := g.Texts[0]
		setKeys(t, filepath.Join(dir, "generation_config.json"), map[string]any{"max_new_tokens": 9})
		var without []string
		for _, input := range g.Inputs {
			if !slices.Contains(text.Inputs, input) {
				without = append(without, input)
			}
		}
		in, _ = partInput(t, name, without...)
		r := call(t, "-model", g.Model, "-weights", dir, "-input", in, "-save", out, "-precision", "f32", "-generate", "-json")
		requireFine(t, r)
		shape, values := saved(t, out, "sequences")
		require.Equal(t, []int{len(text.Sequences), len(text.Sequences[0])}, shape)
		for i, row := range text.Sequences {
			for j, id := range row {
				assert.EqualValues(t, id, values[i*len(row)+j])
			}
		}
		var doc writingJSON
		requireJSON(t, r, &doc)
		require.Len(t, doc.Images, len(text.Sequences))
	}
}

// Texts of pictures: what was written, why it stopped, and which patches it came from.
func TestWritePictures(t *testing.T) {
	image := filepath.Join(zooPictures, "cat.jpg")
	dir := withWords(t, checkpoint(t, "blip_caption"))
	out := filepath.Join(t.TempDir(), "out.safetensors")
	r := call(t, "-model", "blip", "-weights", dir, "-image", image, "-prompt", "a photo of", "-max-tokens", "5", "-json", "-save", out)
	requireFine(t, r)
	var doc writingJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 1)
	x := doc.Images[0]
	assert.True(t, strings.HasPrefix(x.Text, "a photo of "), x.Text)
	assert.NotContains(t, x.Text, "[")
	assert.LessOrEqual(t, len(x.Tokens), 5)
	assert.Contains(t, []string{"eos", "length"}, string(x.Stopped))
	shape, values := saved(t, out, "sequences")
	assert.Equal(t, []int{1, 4 + len(x.Tokens)}, shape)
	assert.EqualValues(t, []float32{59, 5, 6, 7}, values[:4])

	answers := withWords(t, checkpoint(t, "blip_answer"))
	drawn := filepath.Join(t.TempDir(), "words.png")
	r = call(t, "-model", "blip", "-weights", answers, "-image", image, "-question", "what is this", "-explain", drawn, "-json")
	requireFine(t, r)
	doc = writingJSON{}
	requireJSON(t, r, &doc)
	var words []string
	for _, w := range doc.Images[0].Words {
		words = append(words, w.Word)
	}
	assert.Equal(t, []string{"what", "is", "this"}, words)
	assert.FileExists(t, drawn)

	// Draws are those of the seed.
	draw := func(seed string) string {
		r := call(t, "-model", "blip", "-weights", dir, "-image", image, "-temperature", "2", "-top-k", "0", "-seed", seed)
		requireFine(t, r)
		return r.stdout
	}
	assert.Equal(t, draw("1"), draw("1"))
	assert.NotEqual(t, draw("1"), draw("2"))
}

// How well texts go with pictures.
func TestMatchTexts(t *testing.T) {
	image := filepath.Join(zooPictures, "cat.jpg")
	dir := withWords(t, checkpoint(t, "blip_match"))
	out := filepath.Join(t.TempDir(), "out.safetensors")
	for match, shape := range map[string][]int{"itm": {2, 2}, "cosine": {1, 2}} {
		r := call(t, "-model", "blip", "-weights", dir, "-image", image, "-text", "a photo", "-text", "what is this", "-match", match, "-json", "-save", out)
		requireFine(t, r)
		var doc matchingJSON
		requireJSON(t, r, &doc)
		require.Len(t, doc.Images[0].Scores, 2)
		got, values := saved(t, out, "itm_score")
		assert.Equal(t, shape, got)
		if match == "cosine" {
			assert.InDelta(t, values[1], doc.Images[0].Scores[1].Score, 1e-6)
		}
		in, g := partInput(t, "blip_match")
		requireFine(t, call(t, "-model", "blip", "-weights", dir, "-input", in, "-match", match, "-save", out, "-precision", "f32"))
		got, values = saved(t, out, "itm_score")
		if match == "itm" {
			require.True(t, golden.Compare("itm_score", values, g.Tensors["itm_score"].Data, golden.F32).OK())
		} else {
			assert.Equal(t, []int{3, 3}, got)
		}
	}
}

// What can't be written is said.
func TestWriteErrors(t *testing.T) {
	image := filepath.Join(zooPictures, "cat.jpg")
	caption, answer := withWords(t, checkpoint(t, "blip_caption")), withWords(t, checkpoint(t, "blip_answer"))
	bare := checkpoint(t, "blip_caption")
	blip := func(dir string, more ...string) result {
		return call(t, append([]string{"-model", "blip", "-weights", dir}, more...)...)
	}
	requireError(t, blip(caption), cli.ExitUsage, "no input")
	requireError(t, blip(caption, "-image", "gone.jpg"), cli.ExitFailure, "gone.jpg")
	requireError(t, blip(bare, "-image", image, "-size", "20"), cli.ExitFailure, "tokenizer")
	requireError(t, blip(answer, "-image", image), cli.ExitFailure, "question")
	requireError(t, blip(caption, "-image", image, "-question", "what"), cli.ExitFailure, "answers no questions")
	requireError(t, blip(caption, "-image", image, "-text", "what"), cli.ExitFailure, "-text")
	requireError(t, blip(answer, "-image", image, "-prompt", "what"), cli.ExitFailure, "-question")
	requireError(t, blip(caption, "-image", image, "-prompt", strings.Repeat("what ", 30)), cli.ExitFailure, "context")
	requireError(t, blip(caption, "-image", image, "-beams", "2", "-top-k", "3"), cli.ExitUsage, "-beams")
	requireError(t, blip(caption, "-image", image, "-generate"), cli.ExitUsage, "-input")
	requireError(t, blip(caption, "-image", image, "-max-tokens", "0"), cli.ExitUsage, "max-tokens")
	requireError(t, call(t, "-model", "vit", "-image", image, "-question", "what"), cli.ExitUsage, "-question")

	setKeys(t, filepath.Join(caption, "generation_config.json"), map[string]any{"bad_words_ids": [][]int{{3}}})
	requireError(t, blip(caption, "-image", image), cli.ExitFailure, "bad_words_ids")
	require.NoError(t, os.Remove(filepath.Join(caption, "generation_config.json")))
	rewrite(t, caption, func(all map[string]*weights.Tensor) {
		const name = "text_decoder.bert.embeddings.LayerNorm.bias"
		values := make([]float32, 39)
		values[3] = 1e6 // more than halves have
		all[name] = tensor(t, name, values, 39)
	})
	requireError(t, blip(caption, "-image", image), cli.ExitFailure, "token 1", "decoder.norm", "-precision f32")
	values := make([]float32, 3*20*20)
	values[7] = float32(math.NaN())
	in := filepath.Join(t.TempDir(), "nan.safetensors")
	require.NoError(t, weights.Write(in, []*weights.Tensor{tensor(t, "pixel_values", values, 1, 3, 20, 20)}, nil))
	requireError(t, blip(bare, "-input", in, "-save", in+".out"), cli.ExitFailure, "the first is in the input pixel_values")
	wide := withWords(t, checkpoint(t, "blip_caption"))
	rewrite(t, wide, func(all map[string]*weights.Tensor) {
		const name = "vision_model.post_layernorm.bias"
		all[name] = tensor(t, name, slices.Repeat([]float32{1e6}, 15), 15)
	})
	requireError(t, blip(wide, "-image", image), cli.ExitFailure, "vision.norm", "-precision f32")
	setKeys(t, filepath.Join(caption, "config.json"), map[string]any{"text_config": map[string]any{"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072}})
	requireError(t, blip(caption, "-image", image), cli.ExitFailure, "num_attention_heads is 8")
}

// The embedded captioner says what transformers says with its weights in f32
// (zoo/README.md has the versions), in halves too.
func TestEmbeddedCaptioner(t *testing.T) {
	for image, want := range map[string][2]string{
		"deer.png": {"a photo of a deer", "deer"}, "frog.png": {"a photo of a frog", "frog"}, "ship.png": {"a photo of a ship", "ship"}, "airplane.png": {"a snowman", "airplane"}, "truck.png": {"a photo of a truck", "truck"},
	} {
		path := filepath.Join(zooPictures, image)
		r := call(t, "-model", "blip", "-image", path)
		requireFine(t, r)
		assert.Equal(t, want[0]+"\n", r.stdout)
		r = call(t, "-model", "blip", "-image", path, "-question", "what is this?")
		requireFine(t, r)
		assert.Equal(t, want[1]+"\n", r.stdout)
	}
	requireError(t, call(t, "-model", "trocr", "-image", filepath.Join(zooPictures, "deer.png")), cli.ExitFailure, "no embedded weights", "-weights")
}
