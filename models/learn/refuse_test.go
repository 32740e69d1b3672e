package learn

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/models/nn"
)

// What can't be trained so is refused by its name.
func TestRefusals(t *testing.T) {
	g := trainingOf(t, "vit", "adamw")
	for name, c := range map[string]struct {
		change func(o *Options)
		says   string
	}{
		"nothing":       {func(o *Options) { o.LoRA, o.Head = nil, false }, "there is nothing to train"},
		"target":        {func(o *Options) { o.LoRA.Targets = []string{"q_proj", "v_porj"} }, `"v_porj" matches no layer; the nearest is "v_proj"`},
		"rank":          {func(o *Options) { o.LoRA.Rank = 31 }, "an adapter of rank 31; expected 1 to 30"},
		"negative rank": {func(o *Options) { o.LoRA.Rank = -1 }, "an adapter of rank -1"},
		"first name":    {func(o *Options) { o.Init = map[string]nn.Array{"x.lora_A.weight": {}} }, "first values of x.lora_A.weight, which is not trained"},
		"first shape": {func(o *Options) {
			o.Init["base_model.model.classifier.bias"] = nn.Array{Shape: []int{1}, Data: []float32{1}}
		}, "found shape [1] with 1 values, expected [5]"},
		"eps":      {func(o *Options) { o.Optimizer.Eps = new(math.NaN()) }, "expected none negative"},
		"nesterov": {func(o *Options) { o.Optimizer = Optimizer{Kind: SGD, Nesterov: true} }, "momentum of Nesterov needs"},
		"momentum": {func(o *Options) { o.Optimizer.Momentum = 0.9 }, "AdamW takes no momentum"},
	} {
		t.Run(name, func(t *testing.T) {
			o := g.options(gpu.F32)
			c.change(&o)
			_, err := New(g.model(t), o)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// A step that is refused, or whose context has ended, changes nothing.
func TestRefusedSteps(t *testing.T) {
	g := trainingOf(t, "vit", "adamw")
	l := g.learner(t, g.options(gpu.F32))
	before, _, err := l.State()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(b *Batch)
		says   string
	}{
		"class":   {func(b *Batch) { b.Labels[1] = 5 }, "item 1 of a batch has the class 5, the head has 5"},
		"labels":  {func(b *Batch) { b.Labels = b.Labels[1:] }, "a batch of 3 labels for 4 items"},
		"input":   {func(b *Batch) { b.Inputs["pixels"] = nn.Array{} }, "an input pixels, which the network does not take"},
		"missing": {func(b *Batch) { b.Inputs = nil }, "there is no input pixel_values"},
	} {
		b := g.batch(0)
		c.change(&b)
		_, err := l.Step(t.Context(), 0, b)
		assert.ErrorContains(t, err, c.says, name)
	}
	_, err = l.Step(t.Context(), 0)
	assert.ErrorContains(t, err, "a step of 0 batches, expected 1")
	_, err = l.Step(t.Context(), math.NaN(), g.batch(0))
	assert.ErrorContains(t, err, "the learning rate NaN")
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = l.Step(ended, 0, g.batch(0))
	assert.ErrorIs(t, err, context.Canceled)
	after, _, err := l.State()
	require.NoError(t, err)
	assert.Equal(t, before, after)
	err = l.Restore(map[string]nn.Array{}, Progress{Scale: 1})
	assert.ErrorContains(t, err, "the state has no base_model.model.vit.layers.0.attention.q_proj.lora_A.weight")
}

// Steps without finite gradients change nothing and halve the scale; ten in a row end the
// training.
func TestDivergence(t *testing.T) {
	g := trainingOf(t, "vit", "adamw")
	o := g.options(gpu.F16)
	for _, a := range o.Init { // as a rate that is too high leaves them
		for i := range a.Data {
			a.Data[i] *= 1e6
		}
	}
	l := g.learner(t, o)
	before, _, err := l.State()
	require.NoError(t, err)
	for i := range mostSkipped - 1 {
		out, err := l.Step(t.Context(), 1e-3, g.batch(0))
		require.NoError(t, err)
		require.True(t, out.Skipped)
		require.Equal(t, math.Ldexp(firstScale, -i), out.Scale)
	}
	_, err = l.Step(t.Context(), 1e-3, g.batch(0))
	require.ErrorIs(t, err, ErrDiverged)
	assert.ErrorContains(t, err, "blocks.0.attn.qkv.lora_A")
	after, progress, err := l.State()
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Equal(t, Progress{Skipped: 10, InRow: 10, Scale: firstScale / 1024}, progress)
}

// A step at a rate of 0 counts and keeps moments, and changes no value.
func TestRateOfZero(t *testing.T) {
	g := trainingOf(t, "vit", "adamw")
	l := g.learner(t, g.options(gpu.F32))
	before, err := l.Parameters()
	require.NoError(t, err)
	out, err := l.Step(t.Context(), 0, g.batch(0))
	require.NoError(t, err)
	assert.Greater(t, out.Norm, 0.0)
	after, err := l.Parameters()
	require.NoError(t, err)
	assert.Equal(t, before, after)
	arrays, progress, err := l.State()
	require.NoError(t, err)
	assert.Equal(t, 1, progress.Steps)
	assert.NotZero(t, arrays["exp_avg.base_model.model.classifier.bias"].Data[0])
}

// One batch is learned by heart, and Forward has what was learned.
func TestOverfit(t *testing.T) {
	g := trainingOf(t, "vit", "adamw")
	for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
		l := g.learner(t, Options{LoRA: &LoRA{Rank: 4}, Head: true, Precision: precision})
		b := g.batch(0)
		var first, last Outcome
		for i := range 60 {
			out, err := l.Step(t.Context(), 0.02, b)
			require.NoError(t, err)
			if last = out; i == 0 {
				first = out
			}
		}
		t.Log(precision, first.Loss, last.Loss)
		assert.Greater(t, first.Loss, 0.5)
		assert.Less(t, last.Loss, 0.02)
		out, err := l.Forward(t.Context(), b.Inputs)
		require.NoError(t, err)
		for i, c := range b.Labels {
			row := out["logits"].Data[5*i : 5*i+5]
			for k, v := range row {
				assert.LessOrEqual(t, v, row[c], "item %d, class %d", i, k)
			}
		}
	}
}
