package models

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// Standard architectures give the same numbers every time, and names without a
// size are refused.
func TestStandard(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	var first []float32
	for range 2 {
		s, err := NewStandard(d, "vit_ti_16", gpu.F16, StandardSize{Batch: 1}, 7)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 3, 224, 224}, s.Shape)
		assert.Greater(t, s.WeightBytes(), int64(10<<20))
		out, err := s.Program.Run(t.Context(), s.Input)
		s.Close()
		require.NoError(t, err)
		require.Len(t, out["logits"], 1000)
		if first == nil {
			first = out["logits"]
		}
		assert.Equal(t, first, out["logits"])
	}
	assert.Contains(t, StandardNames(), "vit_l_16")

	s, err := NewStandard(d, "vit_ti_16", gpu.F16, StandardSize{Batch: 2, Side: 64}, 7)
	require.NoError(t, err)
	assert.Equal(t, []int{2, 3, 64, 64}, s.Shape)
	s.Close()
	for name, side := range map[string]int{"vit_ti_16": 8, "unet_ddpm_cifar10": 64} {
		_, err = NewStandard(d, name, gpu.F16, StandardSize{Batch: 1, Side: side}, 7)
		assert.Error(t, err, name)
	}

	_, err = NewStandard(d, "vit", gpu.F16, StandardSize{Batch: 1}, 7)
	assert.ErrorContains(t, err, "name one of vit_ti_16")
	var unknown *UnknownModelError
	_, err = NewStandard(d, "vit_b_61", gpu.F16, StandardSize{Batch: 1}, 7)
	require.ErrorAs(t, err, &unknown)
	assert.Equal(t, "vit_b_16", unknown.Nearest)
}

// What writes texts is planned by its sizes.
func TestStandardText(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	s, err := NewStandardText(d, "whisper_tiny_30s", gpu.F16, 2, 1)
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, []int{2, 80, 3000}, s.Shape)
	p, err := s.Writer.Plan(s.Request)
	require.NoError(t, err)
	assert.Equal(t, s.Begun+s.Tokens, p.Tokens)
	assert.EqualValues(t, 4*3008*2*384*2, p.Memory, "keys and values of 1,500 states of two items in 4 layers, in halves; rows are rounded up to 16")
	text, err := NewStandardText(d, "smollm_135m_decode", gpu.F16, 2, 1)
	require.NoError(t, err)
	defer text.Close()
	assert.Equal(t, []int{2, 128}, text.Shape)
	p, err = text.Writer.Plan(text.Request)
	require.NoError(t, err)
	assert.EqualValues(t, 30*2*176*2*3*64*2, p.Caches, "keys and values of three heads of two texts in 30 layers, in halves; room is rounded up to 16")
	assert.Zero(t, p.Memory)
	_, err = NewStandardText(d, "vit_b_16", gpu.F16, 1, 1)
	assert.ErrorContains(t, err, "vit_b_16 is no architecture that writes texts")
}
