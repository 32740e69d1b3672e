package scheduler

import "math"

// alphaAt is the cumulative alpha at a whole timestep, and before the first of
// them that of the end: 1, or that of timestep 0.
func (p *planner) alphaAt(t float64) float64 {
	if t >= 0 {
		return p.noise.alphas[int(t)]
	}
	if classes[p.Class].alphaOne || p.SetAlphaToOne {
		return 1
	}
	return p.noise.alphas[0]
}

// levelAt is the level of noise at a whole timestep.
func (p *planner) levelAt(t float64) Level {
	alpha, sigma := roots(p.noise.alphas[int(t)])
	return Level{alpha, sigma}
}

// ddpm plans DDPM's ancestral sampling (Ho et al. 2020, equation 7).
func (p *planner) ddpm() error {
	timesteps, err := p.whole(p.steps, p.TrainTimesteps, false)
	if err != nil {
		return err
	}
	for i := p.begin; i < len(timesteps); i++ {
		t, before := timesteps[i], -1.0
		if i+1 < len(timesteps) {
			before = timesteps[i+1]
		}
		a, prev := p.alphaAt(t), p.alphaAt(before)
		alpha, sigma := roots(a)
		beta := 1 - a/prev
		pred, updates := p.clipped(p.sample(one(Latents), alpha, sigma), Kept)
		next := pred.times(math.Sqrt(prev) * beta / (1 - a)).plus(one(Latents).times(math.Sqrt(a/prev) * (1 - prev) / (1 - a)))
		if t > 0 {
			next = next.plus(one(Noise).times(p.deviation(a, prev)))
		}
		p.step(t, 1, p.levelAt(t), append(updates, next.to(Latents))...)
	}
	return nil
}

// deviation is that of the noise that a step of DDPM adds.
func (p *planner) deviation(a, prev float64) float64 {
	const least = 1e-20
	beta := 1 - a/prev
	if p.VarianceType == "fixed_large" {
		return math.Sqrt(beta)
	}
	return math.Sqrt(max((1-prev)/(1-a)*beta, least))
}

// ddim plans DDIM's deterministic sampling (Song et al. 2021, equation 12).
func (p *planner) ddim() error {
	timesteps, err := p.whole(p.steps, p.TrainTimesteps, false)
	if err != nil {
		return err
	}
	for _, t := range timesteps[p.begin:] {
		alpha, sigma := roots(p.alphaAt(t))
		nextAlpha, nextSigma := roots(p.alphaAt(t - p.stride()))
		pred, updates := p.clipped(p.sample(one(Latents), alpha, sigma), Kept)
		next := pred.times(nextAlpha).plus(p.epsilon(one(Latents), one(Output), alpha, sigma).times(nextSigma))
		p.step(t, 1, p.levelAt(t), append(updates, next.to(Latents))...)
	}
	return nil
}

// stride is how far a step of DDIM and PNDM goes. It is that of the leading
// spacing, whatever the spacing, as in diffusers: linspace's few steps are
// longer, and do not lead to a picture.
func (p *planner) stride() float64 { return float64(p.TrainTimesteps / p.steps) }
