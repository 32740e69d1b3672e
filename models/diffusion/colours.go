package diffusion

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// colours is the linear function of a pipeline's latents that comes nearest to the
// colours of the autoencoder: [3 C + 1], the last column added. It is fitted by least
// squares to what the decoder makes of random patches, once.
func (p *Pipeline) colours(ctx context.Context) ([]float32, error) {
	if p.colour != nil {
		return p.colour, nil
	}
	const side, patch = 16, 4 // latents
	channels := p.vae.Latent
	latents := make([]float32, channels*side*side)
	few := make([]float32, channels*(side/patch)*(side/patch))
	Noise(few, 1, 0)
	for i := range latents {
		c, y, x := i/(side*side), i/side%side, i%side
		latents[i] = few[(c*side/patch+y/patch)*(side/patch)+x/patch]
	}
	pictures, _, err := p.decodeLatents(ctx, latents, side, side, false)
	if err != nil {
		return nil, err
	}
	if p.vae.Channels != 3 {
		return nil, fmt.Errorf("the autoencoder makes %d channels; expected 3", p.vae.Channels)
	}
	a, b := mat.NewDense(side*side, channels+1, nil), mat.NewDense(side*side, 3, nil)
	for i := range side * side {
		for c := range channels {
			a.Set(i, c, float64(latents[c*side*side+i]))
		}
		a.Set(i, channels, 1)
		for c := range 3 {
			b.Set(i, c, pooled(pictures, c, i/side, i%side, side, p.vae.Reduction))
		}
	}
	var fit mat.Dense
	if err := fit.Solve(a, b); err != nil {
		return nil, fmt.Errorf("fitting colours to latents: %w", err)
	}
	for c := range 3 {
		for k := range channels + 1 {
			p.colour = append(p.colour, float32(fit.At(k, c)))
		}
	}
	return p.colour, nil
}

// pooled is the mean of a picture [C side·unit side·unit] over the pixels of a latent.
func pooled(x []float32, c, row, column, side, unit int) float64 {
	var sum float64
	width := side * unit
	for y := row * unit; y < (row+1)*unit; y++ {
		for _, v := range x[(c*width+y)*width+column*unit:][:unit] {
			sum += float64(v)
		}
	}
	return sum / float64(unit*unit)
}
