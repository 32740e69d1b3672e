package diffusion_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/diffusion"
)

// A preview by the autoencoder is the picture that the run would give, one by a
// linear function has its size in latents, and neither reads anything back.
func TestPreview(t *testing.T) {
	dev, ctx := gputest.Open(t, gpu.Options{}), context.Background()
	p, q := openCase(t, dev, "sd1_tiny", "text", f32)
	r, err := p.Start(ctx, q)
	require.NoError(t, err)
	defer r.Close()
	for _, kind := range diffusion.Previews() {
		if kind == diffusion.PreviewTiny {
			_, err := r.NewPreviewer(ctx, kind, nil)
			require.ErrorContains(t, err, "give its weights")
			continue
		}
		v, err := r.NewPreviewer(ctx, kind, nil)
		require.NoError(t, err)
		before := dev.Stats().Readbacks
		require.NoError(t, v.Show(ctx, r, nil))
		require.Equal(t, before, dev.Stats().Readbacks)
		got, err := v.Pictures()[0].Read()
		require.NoError(t, err)
		require.Positive(t, v.Cost(r))
		if kind == diffusion.PreviewVAE {
			require.Equal(t, []int{1, q.Height, q.Width, 3}, v.Pictures()[0].Shape)
			latents, err := r.Latents()
			require.NoError(t, err)
			want, _, err := p.DecodeLatents(ctx, r.Scaled(latents), q.Height/8, q.Width/8)
			require.NoError(t, err)
			require.True(t, golden.Compare("preview", diffusion.ChannelsFirst(got, 3, q.Height*q.Width), want, golden.F32).OK())
		} else {
			require.Equal(t, []int{1, q.Height / 8, q.Width / 8, 3}, v.Pictures()[0].Shape)
			require.True(t, gpu.Finite(got))
		}
		v.Close()
	}
	d, q := openCase(t, dev, "ddpm_tiny", "sample", f32)
	pixels, err := d.Start(ctx, q)
	require.NoError(t, err)
	defer pixels.Close()
	v, err := pixels.NewPreviewer(ctx, diffusion.PreviewVAE, nil)
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, v.Show(ctx, pixels, nil))
	got, err := v.Pictures()[0].Read()
	require.NoError(t, err)
	require.True(t, golden.Compare("pixels", got, diffusion.ChannelsLast(q.Latents, 3, q.Height*q.Width), golden.F32).OK())
}

// The colours are the least squares fit: those of the decoder, less the mean, are
// explained in part.
func TestColours(t *testing.T) {
	p, _ := openCase(t, gputest.Open(t, gpu.Options{}), "sd1_tiny", "text", f32)
	m, err := p.Colours(context.Background())
	require.NoError(t, err)
	require.Len(t, m, 3*(p.LatentChannels()+1))
	again, err := p.Colours(context.Background())
	require.NoError(t, err)
	require.Equal(t, m, again)
}

// A run taken back to a snapshot goes on as it did, by a scheduler that keeps
// earlier outputs.
func TestSnapshot(t *testing.T) {
	dev, ctx := gputest.Open(t, gpu.Options{}), context.Background()
	p, q := openCase(t, dev, "sd1_tiny", "dpm_karras", f16)
	r, err := p.Start(ctx, q)
	require.NoError(t, err)
	defer r.Close()
	require.NotEmpty(t, r.Kept())
	var s *diffusion.Snapshot
	for r.Next() {
		if r.Done() == 2 {
			s, err = r.Snapshot()
			require.NoError(t, err)
		}
		require.NoError(t, r.Step(ctx))
	}
	want, err := r.Latents()
	require.NoError(t, err)
	require.NoError(t, r.Restore(s))
	require.Equal(t, 2, r.Done())
	for r.Next() {
		require.NoError(t, r.Step(ctx))
	}
	got, err := r.Latents()
	require.NoError(t, err)
	require.Equal(t, want, got)
	buffers := dev.Stats().Buffers
	s.Release()
	require.Equal(t, buffers-1-len(r.Kept()), dev.Stats().Buffers)

	require.NoError(t, r.SetGuidance(3))
	require.NoError(t, r.Reseed(ctx, []uint64{5}))
	for r.Next() {
		require.NoError(t, r.Step(ctx))
	}
	other, err := r.Latents()
	require.NoError(t, err)
	require.NotEqual(t, want, other)
	require.Error(t, r.Reseed(ctx, nil))
}
