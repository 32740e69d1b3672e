package scheduler

import (
	"fmt"
	"math"
	"strings"
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
	if curve := p.curve(table[len(table)-1], table[0], p.steps); curve != nil {
		sigmas, timesteps = curve, p.noise.timestepsOf(curve)
		for i, t := range timesteps {
			if p.rounds() {
				t = math.RoundToEven(t)
			}
			timesteps[i] = math.Trunc(t)
		}
		if p.Class == "UniPCMultistepScheduler" || p.Class == "DEISMultistepScheduler" {
			least = sigmas[len(sigmas)-1]
		}
	}
	end := p.finalSigma(least)
	if p.Class == "DEISMultistepScheduler" {
		end = least
	}
	for _, s := range round32(append(sigmas, end)) {
		points = append(points, pointOf(s))
	}
	return timesteps, points, nil
}

// rounds says that the timesteps of a curve's sigmas are rounded, not cut.
func (p *planner) rounds() bool {
	if p.Class == "DPMSolverMultistepScheduler" && p.BetaSchedule == "squaredcos_cap_v2" {
		return false
	}
	return p.KarrasSigmas || p.LuLambdas
}

// lastTimestep is how many training timesteps have a lambda that is not below
// lambda_min_clipped.
func (p *planner) lastTimestep() int {
	last := p.TrainTimesteps
	if p.LambdaMinClipped != nil {
		for _, s := range p.noise.sigmas {
			if -math.Log(s) < *p.LambdaMinClipped {
				last--
			}
		}
	}
	return last
}

const mostOrder = 3 // of DPM-Solver, DEIS and UniPC

// checkOrder refuses a solver_order that there is none of.
func (p *planner) checkOrder() error {
	if p.SolverOrder < 1 || p.SolverOrder > mostOrder {
		return fmt.Errorf("solver_order is %d; expected 1 to %d", p.SolverOrder, mostOrder)
	}
	return nil
}

// checkDPM refuses what DPM-Solver has no formulas for.
func (p *planner) checkDPM() error {
	if err := p.checkOrder(); err != nil {
		return err
	}
	if !p.predictsSample() && p.FinalSigmas == "zero" {
		return fmt.Errorf("algorithm_type %s divides by zero with final_sigmas_type zero; expected sigma_min", p.AlgorithmType)
	}
	if p.AlgorithmType == "sde-dpmsolver" && p.SolverOrder > 2 {
		return fmt.Errorf("algorithm_type sde-dpmsolver with solver_order %d; expected 1 or 2", p.SolverOrder)
	}
	return nil
}

// predictsSample says that the solver works with predicted samples (DPM-Solver++),
// not with predicted noise (DPM-Solver).
func (p *planner) predictsSample() bool {
	return p.AlgorithmType != "dpmsolver" && p.AlgorithmType != "sde-dpmsolver"
}

// solved is the prediction that DPM-Solver works with.
func (p *planner) solved(at point) linear {
	if p.predictsSample() {
		return p.sample(one(Latents), at.alpha, at.sigma)
	}
	return p.epsilon(one(Latents), one(Output), at.alpha, at.sigma)
}

// dpm plans DPM-Solver and DPM-Solver++ (Lu et al. 2022, algorithm 2), as an ODE or
// an SDE, by what the model said at earlier steps.
func (p *planner) dpm() error {
	if err := p.checkDPM(); err != nil {
		return err
	}
	timesteps, points, err := p.solverPoints(p.lastTimestep())
	if err != nil {
		return err
	}
	n := len(timesteps)
	few := p.LowerOrderFinal && n < 15
	for i := p.begin; i < n; i++ {
		order := min(p.SolverOrder, i-p.begin+1)
		switch {
		case i == n-1 && (p.EulerAtFinal || few || p.FinalSigmas == "zero"):
			order = 1
		case i == n-2 && few:
			order = min(order, 2)
		}
		past := latest(points, i, order)
		h := points[i+1].lambda - points[i].lambda
		var slopes []linear // of the predictions, over the step
		if order > 1 {
			slopes = append(slopes, past[0].of.minus(past[1].of).times(h/(past[0].at.lambda-past[1].at.lambda)))
		}
		curved := false
		if order > 2 {
			r0, r1 := (past[0].at.lambda-past[1].at.lambda)/h, (past[1].at.lambda-past[2].at.lambda)/h
			bend := slopes[0].minus(past[1].of.minus(past[2].of).times(1 / r1)).times(1 / (r0 + r1))
			slopes, curved = []linear{slopes[0].plus(bend.times(r0)), bend}, true
		}
		p.step(timesteps[i], 1, points[i].level(), append(shift(Kept, p.SolverOrder, i-p.begin),
			p.solved(points[i]).to(Kept),
			p.dpmStep(one(Latents), points[i], points[i+1], past[0].of, slopes, curved).to(Latents))...)
	}
	return nil
}

// dpmStep brings latents x from a point to another by the prediction there and its
// first and second derivative by lambda, times the step and its square, as far as
// they are known. exact integrates the first as solver_type heun has it.
func (p *planner) dpmStep(x linear, from, to point, pred linear, slopes []linear, exact bool) linear {
	h := to.lambda - from.lambda
	sde := strings.HasPrefix(p.AlgorithmType, "sde-")
	ratio, weight, z, noise := to.alpha/from.alpha, to.sigma, h, math.Sqrt(math.Expm1(2*h))
	if p.predictsSample() {
		ratio, weight, z, noise = to.sigma/from.sigma, to.alpha, -h, math.Sqrt(-math.Expm1(-2*h))
	}
	switch {
	case sde && p.predictsSample():
		ratio, z = ratio*math.Exp(-h), 2*z
	case sde:
		weight *= 2
	}
	phi := math.Expm1(z)
	next := x.times(ratio).minus(pred.times(weight * phi))
	if len(slopes) > 0 {
		f := phi / 2
		if exact || p.SolverType == "heun" {
			f = phi/z - 1
		}
		next = next.minus(slopes[0].times(weight * f))
	}
	if len(slopes) > 1 {
		half := 0.5
		if sde { // as diffusers has it, for which the limit of a short step is not 0
			half = -half
		}
		next = next.minus(slopes[1].times(weight * ((phi-z)/(z*z) - half)))
	}
	if sde {
		next = next.plus(one(Noise).times(to.sigma * noise))
	}
	return next
}

// dpmSinglestep plans DPM-Solver++ (Lu et al. 2022, algorithm 1) with the
// evaluations of each step counted as steps: orders go up from 1, and each begins
// again at the latents of the last of order 1.
func (p *planner) dpmSinglestep() error {
	if err := p.checkDPM(); err != nil {
		return err
	}
	timesteps, points, err := p.solverPoints(p.lastTimestep())
	if err != nil {
		return err
	}
	orders := p.singlestepOrders()
	began := Kept + Tensor(p.SolverOrder)
	for i := p.begin; i < len(timesteps); i++ {
		order := min(orders[i], i-p.begin+1)
		past := latest(points, i, order) // the last is where the step began
		base := one(began)
		if order == 1 {
			base = one(Latents)
		}
		first := past[order-1]
		h := points[i+1].lambda - first.at.lambda
		var slopes []linear
		if order > 1 { // from the latest
			slopes = append(slopes, past[0].of.minus(first.of).times(h/(past[0].at.lambda-first.at.lambda)))
		}
		if order > 2 && p.SolverType == "heun" {
			r0, r1 := (past[0].at.lambda-first.at.lambda)/h, (past[1].at.lambda-first.at.lambda)/h
			middle := past[1].of.minus(first.of).times(1 / r1)
			slopes = []linear{
				middle.times(r0).minus(slopes[0].times(r1)).times(1 / (r0 - r1)),
				slopes[0].minus(middle).times(2 / (r0 - r1)),
			}
		}
		p.step(timesteps[i], 1, points[i].level(), append(shift(Kept, p.SolverOrder, i-p.begin),
			p.solved(points[i]).to(Kept), base.to(began),
			p.dpmStep(one(began), first.at, points[i+1], first.of, slopes, order > 2).to(Latents))...)
	}
	return nil
}

// singlestepOrders are the orders of the evaluations.
func (p *planner) singlestepOrders() []int {
	order, n := p.SolverOrder, p.steps
	var orders []int
	for len(orders) < n {
		for k := 1; k <= order && len(orders) < n; k++ {
			orders = append(orders, k)
		}
	}
	lower := p.LowerOrderFinal || n%order != 0 || p.FinalSigmas == "zero"
	if lower && n%order == 0 && order > 1 {
		orders[n-1] = 1
		if order == 3 {
			orders[n-3], orders[n-2] = 1, 2
		}
	}
	if p.FinalSigmas == "zero" {
		orders[n-1] = 1
	}
	return orders
}
