package diffusion

import (
	"context"
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
	case p.config.Frames > 0:
		return nil, errors.New("a UNet of videos is not trained")
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

// EncodeIDs is [Pipeline.Encode] of prompts that are token ids, [n T], by a pipeline of one
// text tower: the states [n T D].
func (p *Pipeline) EncodeIDs(ctx context.Context, ids nn.Array) (nn.Array, error) {
	if len(p.encoders) != 1 {
		return nn.Array{}, fmt.Errorf("%s has %d text towers; expected one", p.Class, len(p.encoders))
	}
	e := p.encoders[0]
	h, err := p.hidden(e, 0, 0)
	if err != nil {
		return nn.Array{}, err
	}
	var out map[string]nn.Array
	_, err = orInF32(e.Module, func(m *nn.Module) (err error) {
		out, err = m.Forward(ctx, map[string]nn.Array{nn.InputIDs: ids}, h.wants())
		return err
	})
	return out[h.state], err
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
