package scheduler

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// spacing is n descending timesteps as timestep_spacing says (Lin et al. 2024,
// table 2), over the training timesteps below last. With beyond, the interval
// has another point at its low end, which is left out. Of some numbers, such as
// 61, diffusers' trailing spacing has by rounding one more timestep, -1, for
// which no model was trained; here it has not.
func (c *Config) spacing(n, last int, beyond bool) ([]float64, error) {
	points := n
	if beyond {
		points++
	}
	var t []float64
	switch c.TimestepSpacing {
	case "linspace":
		t = linspace(0, float64(last-1), points)
	case "leading":
		ratio := last / points
		if ratio == 0 {
			return nil, fmt.Errorf("timestep_spacing leading has %d training timesteps for %d steps; use fewer steps", last, n)
		}
		for i := range points {
			t = append(t, float64(i*ratio))
		}
	default:
		from, ratio := float64(last), float64(c.TrainTimesteps)/float64(n)
		delta := (from - ratio) - from // as numpy.arange has it
		for i := range min(n, int(math.Ceil(from/ratio))) {
			t = append(t, math.RoundToEven(from+float64(i)*delta)-1)
		}
		return t, nil
	}
	slices.Reverse(t)
	t = t[:n]
	if c.TimestepSpacing == "leading" {
		for i := range t {
			t[i] += float64(c.StepsOffset)
		}
	}
	return t, nil
}

// whole is the spacing of schedulers that take whole timesteps.
func (c *Config) whole(n, last int, beyond bool) ([]float64, error) {
	t, err := c.spacing(n, last, beyond)
	for i, v := range t {
		t[i] = math.RoundToEven(v)
		if err == nil && (v < 0 || v > float64(c.TrainTimesteps-1)) {
			err = fmt.Errorf("timestep %v is not among the %d of training; use fewer steps or a smaller steps_offset", v, c.TrainTimesteps)
		}
	}
	return t, err
}

// linspace is numpy's.
func linspace(start, end float64, n int) []float64 {
	out := make([]float64, n)
	step := (end - start) / float64(max(1, n-1))
	for i := range out {
		out[i] = start + float64(i)*step
	}
	if n > 1 {
		out[n-1] = end
	}
	return out
}

// round32 rounds to f32.
func round32(values []float64) []float64 {
	for i, v := range values {
		values[i] = float64(float32(v))
	}
	return values
}

// sigmaAt is sigma at a timestep between those of training, as numpy.interp has it.
func (s noiseSchedule) sigmaAt(t float64) float64 {
	last := len(s.sigmas) - 1
	i := int(min(max(t, 0), float64(last)))
	if i == last {
		return s.sigmas[last]
	}
	return s.sigmas[i] + (s.sigmas[i+1]-s.sigmas[i])*(max(t, 0)-float64(i))
}

// sigmasAt are sigmaAt of timesteps.
func (s noiseSchedule) sigmasAt(timesteps []float64) []float64 {
	out := make([]float64, len(timesteps))
	for i, t := range timesteps {
		out[i] = s.sigmaAt(t)
	}
	return out
}

// timestepOf is the timestep of a sigma, by interpolation of the logarithms.
func (s noiseSchedule) timestepOf(sigma float64) float64 {
	want, low := math.Log(max(sigma, 1e-10)), 0
	log := func(i int) float64 { return float64(float32(math.Log(s.sigmas[i]))) }
	for i := range s.sigmas {
		if want >= log(i) {
			low = i
		}
	}
	if len(s.sigmas) == 1 {
		return 0
	}
	low = min(low, len(s.sigmas)-2)
	w := min(max((log(low)-want)/(log(low)-log(low+1)), 0), 1)
	return (1-w)*float64(low) + w*float64(low+1)
}

// timestepsOf are timestepOf of sigmas.
func (s noiseSchedule) timestepsOf(sigmas []float64) []float64 {
	out := make([]float64, len(sigmas))
	for i, v := range sigmas {
		out[i] = s.timestepOf(v)
	}
	return out
}

// curve is n sigmas between most and least as the config's use_…_sigmas say, nil
// where none does.
func (c *Config) curve(most, least float64, n int) []float64 {
	switch {
	case c.KarrasSigmas:
		if !ownKarras[c.Class] {
			most, least = c.bounds(most, least)
		}
		return karras(most, least, n)
	case c.LuLambdas: // between the table's ends, in f32, whatever the bounds
		return exponential(float64(float32(math.Log(most))), float64(float32(math.Log(least))), n)
	case c.ExponentialSigmas:
		most, least = c.bounds(most, least)
		return exponential(math.Log(most), math.Log(least), n)
	case c.BetaSigmas:
		most, least = c.bounds(most, least)
		return betaCurve(most, least, n)
	}
	return nil
}

// ownKarras are the classes whose Karras sigmas heed no sigma_min and sigma_max.
var ownKarras = map[string]bool{"LMSDiscreteScheduler": true, "DPMSolverSDEScheduler": true}

// karras are n sigmas from most down to least (Karras et al. 2022, equation 5).
func karras(most, least float64, n int) []float64 {
	const rho = 7
	from, to := math.Pow(most, 1.0/rho), math.Pow(least, 1.0/rho)
	out := linspace(0, 1, n)
	for i, ramp := range out {
		out[i] = math.Pow(from+ramp*(to-from), rho)
	}
	return out
}

// exponential are n sigmas whose logarithms are evenly spaced, from first to last.
func exponential(first, last float64, n int) []float64 {
	out := linspace(first, last, n)
	for i, v := range out {
		out[i] = math.Exp(v)
	}
	return out
}

// betaCurve are n sigmas at the quantiles of a beta distribution, dense at both
// ends (Lee et al. 2024).
func betaCurve(most, least float64, n int) []float64 {
	const shape = 0.6 // both parameters
	out := linspace(0, 1, n)
	for i, v := range out {
		out[i] = least + mathext.InvRegIncBeta(shape, shape, 1-v)*(most-least)
	}
	return out
}

// bounds are the ends of a curve: the given ones, but for what the config names.
func (c *Config) bounds(most, least float64) (float64, float64) {
	if c.SigmaMax != nil {
		most = *c.SigmaMax
	}
	if c.SigmaMin != nil {
		least = *c.SigmaMin
	}
	return most, least
}
