package scheduler

import "math"

// Schedulers of Karras et al. 2022, whose latents are x0 + sigma·noise.

// sigmaSample is the predicted x0 of latents with noise sigma, stored in t if
// it is clipped. What the model was trained with is the latents times inputScale.
func (p *planner) sigmaSample(sigma float64, t Tensor) (linear, []Update) {
	scale := inputScale(sigma)
	return p.clipped(p.sample(one(Latents).times(scale), scale, sigma*scale), t)
}

// inputScale brings latents x0 + sigma·noise to variance 1.
func inputScale(sigma float64) float64 { return 1 / math.Sqrt(sigma*sigma+1) }

// sigmaStep appends a step at latents with noise sigma.
func (p *planner) sigmaStep(t, sigma float64, updates ...Update) {
	p.step(t, inputScale(sigma), Level{1, sigma}, updates...)
}

// sigmas are the timesteps and the noise before each, and after the last.
func (p *planner) sigmas() (timesteps, sigmas []float64, err error) {
	timesteps, err = p.spacing(p.steps, p.TrainTimesteps, false)
	if err != nil {
		return nil, nil, err
	}
	round32(timesteps)
	sigmas = p.noise.sigmasAt(timesteps)
	if curve := p.curve(sigmas[0], sigmas[len(sigmas)-1], p.steps); curve != nil {
		sigmas, timesteps = curve, round32(p.noise.timestepsOf(curve))
	}
	sigmas = round32(append(sigmas, p.finalSigma(p.noise.sigmas[0])))
	p.plan.InitSigma = sigmas[0]
	if p.TimestepSpacing == "leading" {
		p.plan.InitSigma = math.Hypot(sigmas[0], 1)
	}
	return timesteps, sigmas, nil
}

// finalSigma is the noise after the last step: least or none.
func (p *planner) finalSigma(least float64) float64 {
	if p.FinalSigmas == "sigma_min" {
		return least
	}
	return 0
}

// euler plans Euler's method.
func (p *planner) euler() error {
	timesteps, sigmas, err := p.sigmas()
	if err != nil {
		return err
	}
	for i := p.begin; i < len(timesteps); i++ {
		pred, updates := p.sigmaSample(sigmas[i], Kept)
		p.sigmaStep(timesteps[i], sigmas[i], append(updates, towards(pred, sigmas[i], sigmas[i+1]).to(Latents))...)
	}
	return nil
}

// towards moves the latents from noise sigma to noise next in the direction of
// the predicted sample.
func towards(pred linear, sigma, next float64) linear {
	return one(Latents).times(next / sigma).plus(pred.times(1 - next/sigma))
}

// eulerAncestral plans Euler's method to less noise than is due, and noise again.
func (p *planner) eulerAncestral() error {
	timesteps, sigmas, err := p.sigmas()
	if err != nil {
		return err
	}
	for i := p.begin; i < len(timesteps); i++ {
		from, to := sigmas[i], sigmas[i+1]
		down, up := ancestral(from, to)
		pred, updates := p.sigmaSample(from, Kept)
		next := towards(pred, from, down).plus(one(Noise).times(up))
		p.sigmaStep(timesteps[i], from, append(updates, next.to(Latents))...)
	}
	return nil
}

// heun plans Heun's method: Euler's, then again with the mean of the directions
// at both ends, but for the last step, whose end has no noise.
func (p *planner) heun() error {
	const began, first, latest = Kept, Kept + 1, Kept + 2
	timesteps, sigmas, err := p.sigmas()
	if err != nil {
		return err
	}
	for i := p.begin; i < len(timesteps); i++ {
		from, to := sigmas[i], sigmas[i+1]
		pred, updates := p.sigmaSample(from, latest)
		p.sigmaStep(timesteps[i], from, append(updates,
			one(Latents).to(began), pred.to(first), towards(one(first), from, to).to(Latents))...)
		if to == 0 {
			break
		}
		pred, updates = p.sigmaSample(to, latest)
		slope := one(began).minus(one(first)).times(1 / from).plus(one(Latents).minus(pred).times(1 / to))
		p.sigmaStep(timesteps[i+1], to, append(updates,
			one(began).to(began), one(first).to(first), one(began).plus(slope.times((to-from)/2)).to(Latents))...)
	}
	return nil
}
