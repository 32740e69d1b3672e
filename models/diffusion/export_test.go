package diffusion

import (
	"context"

	"saccade/gpu"
)

// What tests look at within.

// ChannelsFirst and ChannelsLast bring maps from one layout to the other.
var (
	ChannelsFirst = channelsFirst
	ChannelsLast  = channelsLast
)

// Scaled are latents as the first step's model sees them.
func (r *Run) Scaled(latents []float32) []float32 {
	return scaled(latents, r.plan.Steps[0].InputScale, 0)
}

// Kept are the states of the scheduler.
func (r *Run) Kept() []*gpu.Tensor { return r.loop.kept }

// Colours is the linear function of latents that is shown.
func (p *Pipeline) Colours(ctx context.Context) ([]float32, error) { return p.colours(ctx) }

// LatentChannels is that of the autoencoder.
func (p *Pipeline) LatentChannels() int { return p.vae.Latent }

// Watched are the sums over the tokens of an item's attention, at each place.
func (r *Run) Watched(item int) ([]float64, error) {
	l := r.loop
	mean, err := r.attention(item)
	if err != nil {
		return nil, err
	}
	sums := make([]float64, l.h*l.w)
	for i := range sums {
		for _, v := range mean[i*l.tokens : (i+1)*l.tokens] {
			sums[i] += v
		}
	}
	return sums, nil
}
