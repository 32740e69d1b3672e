package models_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
)

// A text with padding before it goes on as transformers has it go on without.
func TestPaddedTexts(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	c, err := golden.Find("smolvlm_defaults")
	require.NoError(t, err)
	m, in := openGolden(t, d, c, gpu.F32)
	for _, text := range c.Texts {
		setConfig(t, m, text)
		var draw func(step, n int) []float32
		if text.Draws != nil {
			draw = func(step, _ int) []float32 { return text.Draws[step] }
		}
		if m.Writer().Config.MaxTokens == 0 {
			continue // padding counts in a length that is said
		}
		for _, most := range []int{0, 2} {
			given := maps.Clone(in)
			ids, mask := in["input_ids"], models.Array{}
			n, length := ids.Shape[0], ids.Shape[1]
			given["input_ids"], given["attention_mask"] = models.Array{Shape: []int{n, length + most}}, models.Array{Shape: []int{n, length + most}}
			padded := models.Array{Shape: []int{n, length + most}}
			for i := range n {
				for range most { // as many of each, so that transformers' texts are of one length too
					padded.Data, mask.Data = append(padded.Data, 9), append(mask.Data, 0)
				}
				padded.Data = append(padded.Data, ids.Data[i*length:(i+1)*length]...)
				mask.Data = append(mask.Data, slices.Repeat([]float32{1}, length)...)
			}
			mask.Shape = padded.Shape
			given["input_ids"], given["attention_mask"] = padded, mask
			got, err := sequences(t.Context(), m, given, draw)
			require.NoError(t, err)
			for i, row := range text.Sequences {
				assert.Equal(t, row, got[i][most:][:len(row)], string(text.Config))
			}
			mask.Data[most+3] = 0
			_, err = sequences(t.Context(), m, given, draw)
			assert.ErrorContains(t, err, "attention_mask: found 0 at place")
		}
	}
}
