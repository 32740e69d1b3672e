package scheduler

import "math"

// noiseSchedule is how a model was trained: for every training timestep what is
// left of the picture. Values are exact in f32, in which diffusers has them.
type noiseSchedule struct {
	alphas []float64 // cumulative products of 1−beta
	sigmas []float64 // √((1−alpha)/alpha)
}

// schedule computes the tables of a checked config.
func (c *Config) schedule() noiseSchedule {
	betas := c.betas()
	if c.RescaleBetasZeroSNR {
		betas = zeroTerminalSNR(betas)
	}
	cumulative := cumulativeAlphas(betas)
	if c.RescaleBetasZeroSNR && classes[c.Class].sigmas {
		cumulative[len(cumulative)-1] = 0x1p-24 // finite in sigma, as diffusers has it
	}
	s := noiseSchedule{make([]float64, len(cumulative)), make([]float64, len(cumulative))}
	for i, a := range cumulative {
		s.alphas[i] = float64(a)
		s.sigmas[i] = float64(float32(math.Sqrt(float64((1 - a) / a))))
	}
	return s
}

// betas are the variances of the noise that training added from step to step.
func (c *Config) betas() []float32 {
	if c.TrainedBetas != nil {
		betas := make([]float32, len(c.TrainedBetas))
		for i, b := range c.TrainedBetas {
			betas[i] = float32(b)
		}
		return betas
	}
	switch c.BetaSchedule {
	case "scaled_linear":
		betas := linspace32(math.Sqrt(c.BetaStart), math.Sqrt(c.BetaEnd), c.TrainTimesteps)
		for i, b := range betas {
			betas[i] = b * b
		}
		return betas
	case "squaredcos_cap_v2":
		return cosineBetas(c.TrainTimesteps)
	}
	return linspace32(c.BetaStart, c.BetaEnd, c.TrainTimesteps)
}

// cosineBetas are those of Nichol and Dhariwal 2021.
func cosineBetas(n int) []float32 {
	const most = 0.999
	bar := func(i int) float64 {
		c := math.Cos((float64(i)/float64(n) + 0.008) / 1.008 * math.Pi / 2)
		return c * c
	}
	betas := make([]float32, n)
	for i := range betas {
		betas[i] = float32(min(1-bar(i+1)/bar(i), most))
	}
	return betas
}

// linspace32 is torch.linspace in f32: from both ends, each value rounded once.
func linspace32(start, end float64, n int) []float32 {
	first, last := float32(start), float32(end)
	out := make([]float32, n)
	if n == 1 {
		out[0] = first
		return out
	}
	step := float64((last - first) / float32(n-1))
	for i := range out {
		if i < n/2 {
			out[i] = float32(float64(first) + step*float64(i))
		} else {
			out[i] = float32(float64(last) - step*float64(n-1-i))
		}
	}
	return out
}

// cumulativeAlphas are torch.cumprod(1−betas): summed up in f64, kept in f32.
func cumulativeAlphas(betas []float32) []float32 {
	out, product := make([]float32, len(betas)), 1.0
	for i, b := range betas {
		product *= float64(1 - b)
		out[i] = float32(product)
	}
	return out
}

// zeroTerminalSNR shifts and scales betas so that the last timestep is noise
// alone (Lin et al. 2024, algorithm 1), in f32.
func zeroTerminalSNR(betas []float32) []float32 {
	roots := cumulativeAlphas(betas)
	for i, a := range roots {
		roots[i] = float32(math.Sqrt(float64(a)))
	}
	first, last := roots[0], roots[len(roots)-1]
	scale := first / (first - last)
	out, before := make([]float32, len(betas)), float32(1)
	for i, r := range roots {
		r = (r - last) * scale
		alpha := r * r
		out[i] = 1 - alpha/before
		before = alpha
	}
	return out
}

// Alphas are what is left of an image at each training timestep: the cumulative products of
// 1−beta.
func (c *Config) Alphas() []float64 { return c.schedule().alphas }
