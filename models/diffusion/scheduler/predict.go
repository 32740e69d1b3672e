package scheduler

import "math"

// What a model's output says, for latents that are alpha·x0 + sigma·noise.

// sample is the predicted x0 of latents x.
func (c *Config) sample(x linear, alpha, sigma float64) linear {
	out := one(Output)
	switch c.PredictionType {
	case "sample":
		return out
	case "v_prediction":
		return x.times(alpha).minus(out.times(sigma))
	}
	return x.minus(out.times(sigma)).times(1 / alpha)
}

// epsilon is the noise in latents x that outputs, or a mean of some, predict.
func (c *Config) epsilon(x, out linear, alpha, sigma float64) linear {
	switch c.PredictionType {
	case "sample":
		return x.minus(out.times(alpha)).times(1 / sigma)
	case "v_prediction":
		return out.times(alpha).plus(x.times(sigma))
	}
	return out
}

// clipped stores a predicted sample, clipped as the config says, in t. Where
// nothing is clipped there is no update, and the sum stands for itself.
func (c *Config) clipped(pred linear, t Tensor) (linear, []Update) {
	if !c.ClipSample {
		return pred, nil
	}
	return one(t), []Update{{To: t, Terms: pred, Clip: c.ClipSampleRange}}
}

// roots are √a and √(1−a) of a cumulative product of alphas.
func roots(a float64) (alpha, sigma float64) { return math.Sqrt(a), math.Sqrt(1 - a) }
