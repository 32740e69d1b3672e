package diffusion_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/diffusion"
)

// Prompts with weights, of several chunks, as transformers' towers and the formula of
// AUTOMATIC1111 embed them, padded to the longer of the two.
func TestWeightedEmbeds(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	for _, folder := range []string{"sd1_tiny", "sd2_tiny", "sdxl_tiny"} {
		p, q := openCase(t, dev, folder, "weights", f32)
		want, err := golden.PipelineCase{Folder: folder, Name: "weights"}.Load()
		require.NoError(t, err)
		negative := ""
		if q.Negative != nil {
			negative = *q.Negative
		}
		for name, text := range map[string]string{"prompt": q.Prompts[0], "negative_prompt": negative} {
			got, err := p.Encode(context.Background(), []string{text}, diffusion.Reading{Syntax: diffusion.A1111, Chunks: 2})
			require.NoError(t, err)
			embeds := want["expected."+name+"_embeds"]
			assert.Equal(t, []int{1, 2 * 77}, embeds.Shape[:2])
			same := func(name string, got, want []float32) {
				result := golden.Compare(name, got, want, golden.F32)
				assert.True(t, result.OK(), "%s: %s", folder, result)
			}
			same(name, got.Hidden, embeds.Data)
			pooled := "expected.pooled_prompt_embeds"
			if name != "prompt" {
				pooled = "expected.negative_pooled_prompt_embeds"
			}
			if x := want[pooled]; x.Data != nil {
				same(pooled, got.Pooled, x.Data)
			}
		}
	}
}

// The words of a prompt of several chunks, and their tokens among those of all.
func TestWordsOfChunks(t *testing.T) {
	p, _ := openCase(t, gputest.Open(t, gpu.Options{}), "sd1_tiny", "weights", f32)
	got, err := p.Encode(context.Background(), []string{"(red:1.2) apple BREAK house"}, diffusion.Reading{Syntax: diffusion.A1111})
	require.NoError(t, err)
	assert.Equal(t, []diffusion.Word{{Text: "red", First: 1, End: 2}, {Text: "apple", First: 2, End: 3}, {Text: "house", First: 78, End: 79}}, got.Words[0])
	assert.Equal(t, 154, got.Tokens)
	assert.Equal(t, []string{""}, got.Truncated)
}

// What AUTOMATIC1111 reads and pipelines here do not is refused by name, as are texts
// that are none.
func TestPromptsRefused(t *testing.T) {
	p, q := openCase(t, gputest.Open(t, gpu.Options{}), "sd1_tiny", "weights", f32)
	refuse := func(q diffusion.Request, says string) {
		t.Helper()
		_, err := p.Plan(q)
		var bad *diffusion.RequestError
		require.ErrorAs(t, err, &bad, says)
		assert.Contains(t, err.Error(), says)
		assert.LessOrEqual(t, len(err.Error()), 240)
	}
	for prompt, says := range map[string]string{
		"a [cat:dog:0.5]": "[cat:dog:0.5]", "[cat::3]": "from step to step", "a [cat|dog] b": "[cat|dog]", "a AND b": "AND",
		"<lora:x:1> a": "<lora:x:1>", "(a:1.2.3)": "1.2.3", "a \xff b": "UTF-8",
	} {
		q.Prompts = []string{prompt}
		refuse(q, says)
	}
	for _, fine := range []string{`a \[cat:dog:0.5\]`, "[cat:dog]", "[(red:1.5)]", "(a|b)", "SAND", "a <3"} {
		q.Prompts = []string{fine}
		r, err := p.Plan(q)
		require.NoError(t, err, fine)
		r.Close()
	}
	text := "a AND b"
	q.Negative = &text // read as it stands there
	r, err := p.Plan(q)
	require.NoError(t, err)
	r.Close()
	text = "[a|b]"
	refuse(q, "[a|b]")
	q.Negative, q.Syntax = nil, "comfy"
	refuse(q, "comfy")
	q.Syntax, q.Rescale = diffusion.Plain, 1.5
	refuse(q, "rescale 1.5")
	q.Rescale, q.From, q.Latents = 0, 0.5, nil
	refuse(q, "latents")
}

// A rescale of 0 records nothing, and one that is not 0 changes the picture.
func TestRescale(t *testing.T) {
	p, q := openCase(t, gputest.Open(t, gpu.Options{}), "sd1_tiny", "text", f32)
	ops := map[float64]bool{}
	for _, rescale := range []float64{0, 0.7} {
		q.Rescale = rescale
		r, err := p.Start(context.Background(), q)
		require.NoError(t, err)
		checks, err := r.Verify(context.Background())
		require.NoError(t, err)
		for _, c := range checks {
			ops[rescale] = ops[rescale] || c.Op == "rescale_guidance"
		}
		r.Close()
	}
	assert.Equal(t, map[float64]bool{0: false, 0.7: true}, ops)
}
