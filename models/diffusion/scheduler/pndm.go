package scheduler

import (
	"errors"
	"math"
)

// Tensors that PNDM keeps: the latents that a step began with, the weighted
// sum of a Runge-Kutta step's outputs, and three outputs, the latest first.
const (
	pndmBegan = Kept + iota
	pndmSum
	pndmOutputs
)

const pndmKept = 3 // outputs

// pndm plans pseudo numerical methods (Liu et al. 2022): four Runge-Kutta steps
// of four evaluations each, unless they are skipped, then linear multistep.
func (p *planner) pndm() error {
	points, err := p.whole(p.steps, p.TrainTimesteps, false)
	if err != nil {
		return err
	}
	if p.SkipPRKSteps {
		return p.plmsAlone(points)
	}
	if len(points) < 4 {
		return errors.New("PNDM without skip_prk_steps needs 4 steps at least")
	}
	if p.begin > 0 {
		return errors.New("PNDM's Runge-Kutta steps begin with noise alone; expected strength 1, skip_prk_steps or another scheduler")
	}
	p.prk(points[:4])
	for i, t := range points[3:] {
		p.plms(i+3, t, t-p.stride())
	}
	return nil
}

// prk plans three Runge-Kutta steps between four timesteps.
func (p *planner) prk(points []float64) {
	half := float64(p.TrainTimesteps / p.steps / 2)
	out, sum, began := one(Output), one(pndmSum), one(pndmBegan)
	for i, t := range points[:3] {
		next := points[i+1]
		p.pndmStep(t, one(Latents), p.transfer(began, out, t, t-half), out.times(1.0/6), i, true)
		sum := sum.plus(out.times(1.0 / 3))
		p.pndmStep(next+half, began, p.transfer(began, out, t, next+half), sum, i+1, false)
		p.pndmStep(next+half, began, p.transfer(began, out, t, next), sum, i+1, false)
		p.pndmStep(next, began, p.transfer(began, one(pndmSum).plus(out.times(1.0/6)), t, next), nil, i+1, false)
	}
}

// plmsAlone plans linear multistep from the first evaluation on; the first step
// is done twice, the second time with the mean of the outputs at its two ends
// (Liu et al. 2022, by way of Crowson's PLMS sampler). Begun in the middle, it
// is the second evaluation all the same that repeats, as in diffusers, although
// the timesteps then repeat none: the latents end a step short of the picture.
func (p *planner) plmsAlone(points []float64) error {
	if len(points) > 1 {
		points = append(points[:2:2], points[1:]...)
	}
	for i, t := range points[p.begin:] {
		if i != 1 {
			p.plms(max(0, i-1), t, t-p.stride())
			continue
		}
		mean := one(Output).plus(one(pndmOutputs)).times(0.5)
		p.pndmStep(t, one(pndmBegan), p.transfer(one(pndmBegan), mean, t+p.stride(), t), nil, 1, false)
	}
	return nil
}

// plms plans a step of linear multistep, Adams and Bashforth's, of the order
// that the outputs kept allow.
func (p *planner) plms(kept int, t, prev float64) {
	earlier := func(n int) linear { return one(pndmOutputs + Tensor(n-1)) }
	out := one(Output)
	switch kept {
	case 0:
	case 1:
		out = out.times(3).minus(earlier(1)).times(1.0 / 2)
	case 2:
		out = out.times(23).minus(earlier(1).times(16)).plus(earlier(2).times(5)).times(1.0 / 12)
	default:
		out = out.times(55).minus(earlier(1).times(59)).plus(earlier(2).times(37)).minus(earlier(3).times(9)).times(1.0 / 24)
	}
	p.pndmStep(t, one(Latents), p.transfer(one(pndmBegan), out, t, prev), nil, kept, true)
}

// pndmStep appends an evaluation. kept is how many outputs were kept before;
// keep says whether this one is too.
func (p *planner) pndmStep(t float64, began, next, sum linear, kept int, keep bool) {
	updates := []Update{began.to(pndmBegan), next.to(Latents), sum.to(pndmSum)}
	if keep {
		updates = append(append(updates, shift(pndmOutputs, pndmKept, kept)...), one(Output).to(pndmOutputs))
	} else {
		updates = append(updates, hold(pndmOutputs, pndmKept, kept)...)
	}
	p.step(t, 1, p.levelAt(t), updates...)
}

// transfer brings latents x from one timestep to another by the outputs out
// (Liu et al. 2022, equation 9).
func (p *planner) transfer(x, out linear, from, to float64) linear {
	a, b := p.alphaAt(from), p.alphaAt(to)
	alpha, sigma := roots(a)
	scale := (b - a) / (a*math.Sqrt(1-b) + math.Sqrt(a*(1-a)*b))
	return x.times(math.Sqrt(b / a)).minus(p.epsilon(x, out, alpha, sigma).times(scale))
}
