package scheduler

import (
	"math"
	"slices"
)

// prediction is what the model said at a point: of the sample or of the noise.
type prediction struct {
	at point
	of linear
}

// unipc plans UniPC (Zhao et al. 2023): a multistep solver that corrects the
// latents it had predicted as soon as the model was asked about them.
func (p *planner) unipc() error {
	if err := p.checkOrder(); err != nil {
		return err
	}
	order := p.SolverOrder
	timesteps, points, err := p.solverPoints(p.TrainTimesteps)
	if err != nil {
		return err
	}
	corrected := Kept + Tensor(order)
	n, before := len(timesteps), 0 // before is the order of the last step
	for i := p.begin; i < n; i++ {
		at := prediction{points[i], p.converted(points[i])}
		correction := one(Latents)
		if i > p.begin && !slices.Contains(p.DisableCorrector, i-1) {
			correction = p.bhStep(one(corrected), points[i], latest(points, i-1, before), &at)
		}
		before = min(order, i-p.begin+1)
		if p.LowerOrderFinal {
			before = min(before, n-i)
		}
		next := p.bhStep(one(corrected), points[i+1], latest(points, i, before), nil)
		updates := append([]Update{correction.to(corrected)}, shift(Kept, order, i-p.begin)...)
		p.step(timesteps[i], 1, points[i].level(), append(updates, at.of.to(Kept), next.to(Latents))...)
	}
	return nil
}

// latest are the n predictions up to that at point i, the latest first, as they
// are kept.
func latest(points []point, i, n int) []prediction {
	out := make([]prediction, n)
	for k := range out {
		out[k] = prediction{points[i-k], one(Kept + Tensor(k))}
	}
	return out
}

// converted is the prediction that the solver works with.
func (p *planner) converted(at point) linear {
	if p.PredictX0 {
		return p.sample(one(Latents), at.alpha, at.sigma)
	}
	return p.epsilon(one(Latents), one(Output), at.alpha, at.sigma)
}

// bhStep brings latents x from the point of the latest prediction to another:
// the paper's UniP, or with the prediction there UniC.
func (p *planner) bhStep(x linear, to point, past []prediction, there *prediction) linear {
	from, latest := past[0].at, past[0].of
	h, ratio, weight := to.lambda-from.lambda, to.alpha/from.alpha, to.sigma
	if p.PredictX0 {
		h, ratio, weight = -h, to.sigma/from.sigma, to.alpha
	}
	phi := math.Expm1(h)
	next := x.times(ratio).minus(latest.times(weight * phi))
	var distances []float64 // in lambda, over h; of the predictions besides the latest
	var differences []linear
	for _, m := range past[1:] {
		distances = append(distances, (m.at.lambda-from.lambda)/(to.lambda-from.lambda))
		differences = append(differences, m.of.minus(latest))
	}
	if there != nil {
		distances = append(distances, 1)
		differences = append(differences, there.of.minus(latest))
	}
	if len(distances) == 0 {
		return next
	}
	b := phi // the paper's B(h)
	if p.SolverType == "bh1" {
		b = h
	}
	for i, rho := range bhWeights(distances, h, b) {
		next = next.minus(differences[i].times(weight * b * rho / distances[i]))
	}
	return next
}

// bhWeights are the paper's rho for predictions at distances: those with which
// the step is right to as many orders as there are weights. A single one is
// taken as ½.
func bhWeights(distances []float64, h, b float64) []float64 {
	n := len(distances)
	if n == 1 {
		return []float64{0.5}
	}
	rows := make([][]float64, n) // of the equations, each with its right side
	phi, factorial := math.Expm1(h)/h-1, 1.0
	for i := range rows {
		for _, d := range distances {
			rows[i] = append(rows[i], math.Pow(d, float64(i)))
		}
		rows[i] = append(rows[i], phi*factorial/b)
		factorial *= float64(i + 2)
		phi = phi/h - 1/factorial
	}
	return solve(rows)
}

// solve solves linear equations, each a row with its right side at the end, by
// elimination. A singular system gives values that are not finite.
func solve(rows [][]float64) []float64 {
	n := len(rows)
	for i := range rows {
		best := i
		for k := i + 1; k < n; k++ {
			if math.Abs(rows[k][i]) > math.Abs(rows[best][i]) {
				best = k
			}
		}
		rows[i], rows[best] = rows[best], rows[i]
		for k := range rows {
			if k == i {
				continue
			}
			f := rows[k][i] / rows[i][i]
			for j := i; j <= n; j++ {
				rows[k][j] -= f * rows[i][j]
			}
		}
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = rows[i][n] / rows[i][i]
	}
	return out
}
