package diffusion_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/diffusion"
)

// The attention that a place pays to all tokens sums to 1, whatever the number of
// steps, items and layers; and it is the prompt's, not the negative one's.
func TestWordMaps(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	p, _ := openCase(t, dev, "sd1_tiny", "text", f32)
	q := p.Defaults()
	q.Items, q.Steps, q.Height, q.Width, q.Watch, q.Seeds = 2, 2, 40, 24, true, []uint64{1, 2}
	q.Prompts = []string{"a photo of a red apple"}
	guided := wordMaps(t, p, q)
	require.Equal(t, "photo", guided[1].Word)
	for i := range guided[0].Values {
		var sum float32
		for _, m := range guided {
			require.Positive(t, m.Values[i])
			sum += m.Values[i]
		}
		require.Less(t, sum, float32(1))
	}
	q.Prompts = []string{"a"}
	q.Guidance, q.Steps = 1, 1
	alone := wordMaps(t, p, q)
	require.Len(t, alone, 1)
	q.Guidance = 5
	require.InDeltaSlice(t, alone[0].Values, wordMaps(t, p, q)[0].Values, 1e-6, "guidance does not change the first evaluation")
}

// wordMaps are those of the second picture.
func wordMaps(t *testing.T, p *diffusion.Pipeline, q diffusion.Request) []diffusion.WordMap {
	ctx := context.Background()
	r, err := p.Start(ctx, q)
	require.NoError(t, err)
	defer r.Close()
	for r.Next() {
		require.NoError(t, r.Step(ctx))
	}
	sums, err := r.Watched(1)
	require.NoError(t, err)
	for _, sum := range sums {
		require.InDelta(t, r.Done(), sum, 1e-5)
	}
	maps, err := r.WordMaps(1)
	require.NoError(t, err)
	return maps
}
