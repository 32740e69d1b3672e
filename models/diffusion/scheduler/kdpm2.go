package scheduler

import (
	"fmt"
	"math"
)

// Second-order schedulers of k-diffusion, each of whose steps has an evaluation in
// its geometric middle. What inpainting keeps has there the noise of the end, as
// in diffusers.

// halfStep appends the evaluation in the middle of a step that ends at noise end.
func (p *planner) halfStep(middle, end float64, updates ...Update) {
	p.sigmaStep(p.noise.timestepOf(middle), middle, updates...)
	p.plan.Steps[len(p.plan.Steps)-1].Known = Level{1, end}
}

// kdpm2 plans DPM-Solver-2 (Karras et al. 2022, algorithm 2 without its noise).
func (p *planner) kdpm2() error {
	return p.midpoint(func(_, to float64) (down, up float64) { return to, 0 })
}

// kdpm2Ancestral plans it to less noise than is due, and noise again.
func (p *planner) kdpm2Ancestral() error { return p.midpoint(ancestral32) }

// ancestral32 is ancestral in f32, in which diffusers has the tables of this
// scheduler: of short steps the difference of the squares keeps few digits.
func ancestral32(from, to float64) (down, up float64) {
	root := func(x float32) float32 { return float32(math.Sqrt(float64(x))) }
	f, t := float32(from), float32(to)
	f2, t2 := float32(f*f), float32(t*t) // conversions round, or arm64 would fuse products and differences
	u := root(t2 * (f2 - t2) / f2)
	return float64(root(t2 - float32(u*u))), float64(u)
}

// ancestral divides the noise after a step into what is left of that before and
// what is new.
func ancestral(from, to float64) (down, up float64) {
	up = math.Sqrt(to * to * (from*from - to*to) / (from * from))
	return math.Sqrt(to*to - up*up), up
}

// midpoint plans the midpoint method between logarithms of the noise. divide says
// how far down a step goes, and how much noise follows.
func (p *planner) midpoint(divide func(from, to float64) (down, up float64)) error {
	const began, sample = Kept, Kept + 1
	timesteps, sigmas, err := p.sigmas()
	if err != nil {
		return err
	}
	if p.KarrasSigmas {
		for i, t := range timesteps {
			timesteps[i] = math.RoundToEven(t)
		}
	}
	for i := p.begin; i < len(timesteps); i++ {
		from, to := sigmas[i], sigmas[i+1]
		down, up := divide(from, to)
		if to > 0 && !(down > 0) {
			return fmt.Errorf("in one step the noise falls from %.3g to %.3g, of which f32 keeps nothing in diffusers' tables; use more steps, or KDPM2DiscreteScheduler", from, to)
		}
		middle := math.Sqrt(from * down)
		pred, _ := p.sigmaSample(from, sample)
		p.sigmaStep(timesteps[i], from, one(Latents).to(began), towards(pred, from, middle).to(Latents))
		if to == 0 {
			break
		}
		pred, _ = p.sigmaSample(middle, sample)
		slope := one(Latents).minus(pred).times(1 / middle)
		next := one(began).plus(slope.times(down-from), one(Noise).times(up))
		p.halfStep(middle, to, one(began).to(began), next.to(Latents))
	}
	return nil
}

// dpmSDE plans DPM-Solver++ as an SDE of one step (Lu et al. 2022; Crowson's
// sample_dpmpp_sde). The noise of a whole step holds that of its first half, as
// both are of one Brownian path over sigma: where diffusers asks torchsde for the
// path, it is made here of noise that is new at each evaluation.
func (p *planner) dpmSDE() error {
	const began, path = Kept, Kept + 1
	timesteps, sigmas, err := p.sigmas()
	if err != nil {
		return err
	}
	for i := p.begin; i < len(timesteps); i++ {
		from, to := sigmas[i], sigmas[i+1]
		pred, _ := p.sigmaSample(from, Kept)
		if to == 0 {
			p.sigmaStep(timesteps[i], from, one(Latents).to(began), one(Noise).times(0).to(path), pred.to(Latents))
			break
		}
		middle := math.Sqrt(from * to)
		down, up := ancestral(from, middle)
		next := towards(pred, from, down).plus(one(Noise).times(up))
		p.sigmaStep(timesteps[i], from, one(Latents).to(began), one(Noise).to(path), next.to(Latents))
		pred, _ = p.sigmaSample(middle, Kept)
		down, up = ancestral(from, to)
		noise := one(path).times(math.Sqrt((from - middle) / (from - to))).plus(one(Noise).times(math.Sqrt((middle - to) / (from - to))))
		next = one(began).times(down/from).plus(pred.times(1-down/from), noise.times(up))
		p.halfStep(middle, to, one(began).to(began), one(path).to(path), next.to(Latents))
	}
	return nil
}
