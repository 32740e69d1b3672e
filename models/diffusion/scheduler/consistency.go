package scheduler

import (
	"fmt"
	"math"
)

// lcm plans the sampling of a latent consistency model (Luo et al. 2023,
// algorithm 1): a jump to the predicted sample, and noise again.
func (p *planner) lcm() error {
	timesteps, err := p.distilledTimesteps()
	if err != nil {
		return err
	}
	for i, t := range timesteps {
		alpha, sigma := roots(p.alphaAt(t))
		pred, updates := p.clipped(p.sample(one(Latents), alpha, sigma), Kept)
		const dataVariance = 0.25
		scaled := t * p.TimestepFactor
		skip, out := dataVariance/(scaled*scaled+dataVariance), scaled/math.Sqrt(scaled*scaled+dataVariance)
		next := pred.times(out).plus(one(Latents).times(skip))
		if i+1 < len(timesteps) {
			nextAlpha, nextSigma := roots(p.alphaAt(timesteps[i+1]))
			next = next.times(nextAlpha).plus(one(Noise).times(nextSigma))
		}
		p.step(t, 1, p.levelAt(t), append(updates, next.to(Latents))...)
	}
	return nil
}

// tcd plans trajectory consistency sampling (Zheng et al. 2024, algorithm 4): to
// less noise than the next timestep has, and noise again, at the end to that of
// timestep 0. How much is new is the default of diffusers' step; its pipelines pass
// an eta, which is 0 unless it is given.
func (p *planner) tcd() error {
	const eta = 0.3
	timesteps, err := p.distilledTimesteps()
	if err != nil {
		return err
	}
	for i, t := range timesteps {
		alpha, sigma := roots(p.alphaAt(t))
		next := func(t float64) linear {
			toAlpha, toSigma := roots(p.alphaAt(t))
			return p.sample(one(Latents), alpha, sigma).times(toAlpha).plus(p.epsilon(one(Latents), one(Output), alpha, sigma).times(toSigma))
		}
		if i == len(timesteps)-1 {
			p.step(t, 1, p.levelAt(t), next(0).to(Latents))
			break
		}
		between := math.Floor(float64(float32(1-eta) * float32(timesteps[i+1])))
		kept, added := roots(p.alphaAt(timesteps[i+1]) / p.alphaAt(between))
		p.step(t, 1, p.levelAt(t), next(between).times(kept).plus(one(Noise).times(added)).to(Latents))
	}
	return nil
}

// distilledTimesteps are those that remain, among those that the model was
// distilled at.
func (p *planner) distilledTimesteps() ([]float64, error) {
	n, steps := p.OriginalSteps, p.steps
	if n < 1 || n > p.TrainTimesteps {
		return nil, fmt.Errorf("original_inference_steps is %d; expected 1 to %d", n, p.TrainTimesteps)
	}
	stride, begin := p.TrainTimesteps/n, p.begin
	if p.StrengthOfOriginal {
		n, begin = int(float64(n)*p.strength), 0
	}
	if steps > n {
		return nil, fmt.Errorf("expected at most %d steps, strength %v of original_inference_steps %d", n, p.strength, p.OriginalSteps)
	}
	out := make([]float64, steps)
	for i := range out {
		index := int(float64(i) * (float64(n) / float64(steps)))
		out[i] = float64((n-index)*stride - 1)
	}
	return out[begin:], nil
}
