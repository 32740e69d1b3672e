package scheduler

import "math"

// Multistep methods that integrate the polynomial through the latest slopes: by
// the noise (linear multistep, LMS) or by its logarithm (DEIS).

// basis are the coefficients, from the constant on, of the polynomial that is 1 at
// node k and 0 at the others.
func basis(nodes []float64, k int) []float64 {
	out := []float64{1}
	for j, node := range nodes {
		if j == k {
			continue
		}
		next := make([]float64, len(out)+1)
		for i, c := range out {
			next[i] -= c * node / (nodes[k] - node)
			next[i+1] += c / (nodes[k] - node)
		}
		out = next
	}
	return out
}

// lms plans the linear multistep method of order 4 (Katherine Crowson's), of the
// order that the number of the step allows.
func (p *planner) lms() error {
	const most = 4
	timesteps, sigmas, err := p.sigmas()
	if err != nil {
		return err
	}
	for i := p.begin; i < len(timesteps); i++ {
		from, to := sigmas[i], sigmas[i+1]
		pred, _ := p.sigmaSample(from, Kept)
		next := one(Latents)
		var nodes []float64 // sigmas, from that of the step
		for k := range min(i+1, most) {
			nodes = append(nodes, sigmas[i-k]-from)
		}
		// Begun in the middle, the first coefficients of the whole order are those of
		// the few slopes that there are, as in diffusers.
		for k := range min(len(nodes), i-p.begin+1) {
			integral, power := 0.0, to-from
			for n, c := range basis(nodes, k) {
				integral += c * power / float64(n+1)
				power *= to - from
			}
			next = next.plus(one(Kept + Tensor(k)).times(integral))
		}
		slope := one(Latents).minus(pred).times(1 / from)
		p.sigmaStep(timesteps[i], from, append(shift(Kept, most, i-p.begin), slope.to(Kept), next.to(Latents))...)
	}
	return nil
}

// deis plans DEIS in the logarithm of the noise (Zhang and Chen 2023, tAB-DEIS).
func (p *planner) deis() error {
	if err := p.checkOrder(); err != nil {
		return err
	}
	timesteps, points, err := p.solverPoints(p.TrainTimesteps)
	if err != nil {
		return err
	}
	n := len(timesteps)
	for i := p.begin; i < n; i++ {
		order := min(p.SolverOrder, i-p.begin+1)
		if p.LowerOrderFinal && n < 15 {
			order = min(order, n-i)
		}
		from, to := points[i], points[i+1]
		next := one(Latents).times(to.alpha / from.alpha)
		past := latest(points, i, order)
		var nodes []float64 // logarithms of the noise, from that of the step
		for _, m := range past {
			nodes = append(nodes, from.lambda-m.at.lambda)
		}
		integrals := exponentialIntegrals(from.lambda-to.lambda, order)
		for k, m := range past {
			sum := 0.0
			for power, c := range basis(nodes, k) {
				sum += c * integrals[power]
			}
			next = next.plus(m.of.times(to.alpha * from.sigma / from.alpha * sum))
		}
		noise := p.epsilon(one(Latents), one(Output), from.alpha, from.sigma)
		p.step(timesteps[i], 1, from.level(), append(shift(Kept, p.SolverOrder, i-p.begin), noise.to(Kept), next.to(Latents))...)
	}
	return nil
}

// exponentialIntegrals are those of uᵏ·eᵘ from 0 to x, for the first n powers.
func exponentialIntegrals(x float64, n int) []float64 {
	out := []float64{math.Expm1(x)}
	for k := 1; k < n; k++ {
		out = append(out, math.Pow(x, float64(k))*math.Exp(x)-float64(k)*out[k-1])
	}
	return out
}
