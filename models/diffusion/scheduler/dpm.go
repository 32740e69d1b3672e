package scheduler

import (
	"fmt"
	"math"
)

// Multistep solvers of the diffusion ODE in terms of the logarithm of the
// signal-to-noise ratio, whose latents are alpha·x0 + sigma·noise with
// alpha² + sigma² = 1.

// point is a level of noise.
type point struct {
	alpha, sigma float64
	lambda       float64 // ln(alpha/sigma); infinite without noise
}

// pointOf is the point whose ratio sigma/alpha is given.
func pointOf(ratio float64) point {
	alpha := inputScale(ratio)
	return point{alpha, ratio * alpha, -math.Log(ratio)}
}

func (p point) level() Level { return Level{p.alpha, p.sigma} }

// solverPoints are the timesteps of the multistep solvers, below last, and the
// points before each and after the final one.
func (p *planner) solverPoints(last int) (timesteps []float64, points []point, err error) {
	timesteps, err = p.whole(p.steps, last, true)
	if err != nil {
		return nil, nil, err
	}
	table := p.noise.sigmas
	sigmas, least := p.noise.sigmasAt(timesteps), table[0]
	unipc := p.Class == "UniPCMultistepScheduler"
	if p.KarrasSigmas {
		most, low := p.bounds(table[len(table)-1], table[0])
		sigmas = karras(most, low, p.steps)
		timesteps = p.noise.timestepsOf(sigmas)
		for i, t := range timesteps {
			if unipc || p.BetaSchedule != "squaredcos_cap_v2" {
				t = math.RoundToEven(t)
			}
			timesteps[i] = math.Trunc(t)
		}
		if unipc {
			least = sigmas[len(sigmas)-1]
		}
	}
	for _, s := range round32(append(sigmas, p.finalSigma(least))) {
		points = append(points, pointOf(s))
	}
	return timesteps, points, nil
}

// dpm plans DPM-Solver++ (Lu et al. 2022, algorithm 2), as an ODE or an SDE.
func (p *planner) dpm() error {
	if p.SolverOrder < 1 || p.SolverOrder > 2 {
		return fmt.Errorf("solver_order %d is not supported; expected 1 or 2", p.SolverOrder)
	}
	last := p.TrainTimesteps
	if p.LambdaMinClipped != nil {
		for _, s := range p.noise.sigmas {
			if -math.Log(s) < *p.LambdaMinClipped {
				last--
			}
		}
	}
	timesteps, points, err := p.solverPoints(last)
	if err != nil {
		return err
	}
	n := len(timesteps)
	for i := p.begin; i < n; i++ {
		at, to := points[i], points[i+1]
		const now, before = Kept, Kept + 1
		final := i == n-1 && (p.EulerAtFinal || p.LowerOrderFinal && n < 15 || p.FinalSigmas == "zero")
		var slope linear // of the predicted samples, over the step
		if p.SolverOrder == 2 && i > p.begin && !final {
			slope = one(now).minus(one(before)).times((to.lambda - at.lambda) / (at.lambda - points[i-1].lambda))
		}
		pred := p.sample(one(Latents), at.alpha, at.sigma)
		p.step(timesteps[i], 1, at.level(), append(shift(now, p.SolverOrder, i-p.begin),
			pred.to(now), p.dpmStep(at, to, one(now), slope).to(Latents))...)
	}
	return nil
}

// dpmStep is the latents at the next point, by the predicted sample and its slope.
func (p *planner) dpmStep(at, to point, pred, slope linear) linear {
	h, turns := to.lambda-at.lambda, 1.0
	if p.AlgorithmType == "sde-dpmsolver++" {
		turns = 2
	}
	decay := math.Expm1(-turns * h)
	half := -decay / 2
	if p.SolverType == "heun" {
		half = decay/(turns*h) + 1
	}
	next := pred.times(-to.alpha * decay)
	if slope != nil {
		next = next.plus(slope.times(to.alpha * half))
	}
	if turns == 1 {
		return next.plus(one(Latents).times(to.sigma / at.sigma))
	}
	next = next.plus(one(Latents).times(to.sigma / at.sigma * math.Exp(-h)))
	return next.plus(one(Noise).times(to.sigma * math.Sqrt(-decay)))
}
