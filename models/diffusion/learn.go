package diffusion

import (
	"errors"
	"fmt"
	"math"

	"saccade/models/diffusion/checkpoint"
	"saccade/models/diffusion/scheduler"
	"saccade/models/nn"
	"saccade/models/unet"
)

// Estimator is the UNet for a training by what it estimates, and takes the other parts from
// the device, which come back when they are used.
func (p *Pipeline) Estimator() (*nn.Description, error) {
	switch {
	case p.xl():
		return nil, errors.New("an SDXL's UNet, which is told sizes beside the prompt, is not trained")
	case p.inpaints():
		return nil, errors.New("an inpainting model's UNet, which takes a mask, is not trained")
	}
	in, err := p.files.Part(checkpoint.UNet)
	if err != nil {
		return nil, err
	}
	config, src, err := unet.Describe(in.Source, in.Config)
	if err != nil {
		return nil, fmt.Errorf("unet: %w", err)
	}
	p.drop()
	return &nn.Description{Tensors: src, Make: config.Layers}, nil
}

// Noising is the noising of the training: what a UNet is given at a timestep, and what it is
// to estimate.
type Noising struct {
	alphas     []float64
	prediction string
}

// Noising is that of the pipeline's scheduler.
func (p *Pipeline) Noising() (*Noising, error) {
	c, err := scheduler.Parse(p.schedule, "")
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return &Noising{c.Alphas(), c.PredictionType}, nil
}

// Steps is the number of timesteps.
func (f *Noising) Steps() int { return len(f.alphas) }

// Noised writes √ā·x + √(1−ā)·noise at timestep t into sample, and what the UNet is to
// estimate of it into target: the noise, its v, or x, as prediction_type says.
func (f *Noising) Noised(sample, target, x, noise []float32, t int) {
	alpha, sigma := math.Sqrt(f.alphas[t]), math.Sqrt(1-f.alphas[t])
	for i, v := range x {
		clean, e := float64(v), float64(noise[i])
		sample[i] = float32(alpha*clean + sigma*e)
		switch f.prediction {
		case "v_prediction":
			target[i] = float32(alpha*e - sigma*clean)
		case "sample":
			target[i] = v
		default:
			target[i] = noise[i]
		}
	}
}
