package fit

import (
	"math"

	"saccade/models/learn"
)

// optimizer is torch.optim's AdamW or SGD on the host. Values and moments are float32, what
// is between them float64.
type optimizer struct {
	learn.Optimizer
	decay, beta1, beta2, eps float64
}

func newOptimizer(o learn.Optimizer) optimizer {
	z := optimizer{Optimizer: o, beta1: 0.9, beta2: 0.999, eps: 1e-8}
	if o.Kind == learn.AdamW {
		z.decay = 1e-2
	}
	if o.WeightDecay != nil {
		z.decay = *o.WeightDecay
	}
	if o.Betas != nil {
		z.beta1, z.beta2 = o.Betas[0], o.Betas[1]
	}
	if o.Eps != nil {
		z.eps = *o.Eps
	}
	return z
}

// moments is how many arrays it keeps of each parameter.
func (z optimizer) moments() []string {
	switch {
	case z.Kind == learn.AdamW:
		return []string{"exp_avg.", "exp_avg_sq."}
	case z.Momentum != 0:
		return []string{"momentum_buffer."}
	}
	return nil
}

// step changes values by their gradients, which are multiplied with scale. t counts the
// steps from 1.
func (z optimizer) step(values []float32, grad []float64, moments [][]float32, scale, rate float64, t int) {
	for i, v := range values {
		p, g := float64(v), scale*grad[i]
		if z.Kind == learn.AdamW {
			p -= rate * z.decay * p
			m := z.beta1*float64(moments[0][i]) + (1-z.beta1)*g
			s := z.beta2*float64(moments[1][i]) + (1-z.beta2)*g*g
			moments[0][i], moments[1][i] = float32(m), float32(s)
			root := math.Sqrt(s)/math.Sqrt(1-math.Pow(z.beta2, float64(t))) + z.eps
			values[i] = float32(p - rate/(1-math.Pow(z.beta1, float64(t)))*m/root)
			continue
		}
		g += z.decay * p
		if z.Momentum != 0 {
			m := g
			if t > 1 {
				m = z.Momentum*float64(moments[0][i]) + (1-z.Dampening)*g
			}
			moments[0][i] = float32(m)
			if z.Nesterov {
				m = g + z.Momentum*m
			}
			g = m
		}
		values[i] = float32(p - rate*g)
	}
}
