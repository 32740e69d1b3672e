package ops

import "math"

// InterpolatePositions resamples position embeddings [from h·from w, width] to
// another grid, as torch.nn.functional.interpolate(mode="bicubic",
// align_corners=False) does, with or without antialias. It runs on the host,
// once per picture size.
func InterpolatePositions(values []float32, width int, from, to [2]int, antialias bool) []float32 {
	return interpolate(values, width, from, to, 0, antialias)
}

// InterpolatePositionsOffset is InterpolatePositions without antialias by the
// factors (to + offset)/from in place of to/from, as the code that DINO and
// DINOv2 were published with has it, with an offset of 0.1.
func InterpolatePositionsOffset(values []float32, width int, from, to [2]int, offset float64) []float32 {
	return interpolate(values, width, from, to, offset, false)
}

func interpolate(values []float32, width int, from, to [2]int, offset float64, antialias bool) []float32 {
	if from == to {
		return values
	}
	rows, columns := cubicTaps(from[0], to[0], offset, antialias), cubicTaps(from[1], to[1], offset, antialias)
	// Columns first, then rows, as PyTorch orders its two passes.
	wide := make([]float64, from[0]*to[1]*width)
	for y := range from[0] {
		for x, taps := range columns {
			for _, t := range taps {
				for c := range width {
					wide[(y*to[1]+x)*width+c] += t.weight * float64(values[(y*from[1]+t.at)*width+c])
				}
			}
		}
	}
	out := make([]float32, to[0]*to[1]*width)
	for y, taps := range rows {
		for i := range to[1] * width {
			var sum float64
			for _, t := range taps {
				sum += t.weight * wide[t.at*to[1]*width+i]
			}
			out[y*to[1]*width+i] = float32(sum)
		}
	}
	return out
}

// tap is a source sample and its weight.
type tap struct {
	at     int
	weight float64
}

// cubicTaps gives, for each of `to` samples, what it takes of `from` samples.
// PyTorch's kernel has a = −0.75 and repeats the border without antialias; with
// it a = −0.5, the support grows with the scale, and weights beyond the border
// are left out and the others normalised.
func cubicTaps(from, to int, offset float64, antialias bool) [][]tap {
	scale := float64(from) / (float64(to) + offset)
	out := make([][]tap, to)
	for i := range out {
		if antialias {
			out[i] = antialiasedTaps(from, (float64(i)+0.5)*scale, math.Max(scale, 1))
			continue
		}
		center := (float64(i)+0.5)*scale - 0.5
		first := int(math.Floor(center))
		for k := -1; k <= 2; k++ {
			out[i] = append(out[i], tap{min(max(first+k, 0), from-1), cubic(center-float64(first+k), -0.75)})
		}
	}
	return out
}

func antialiasedTaps(from int, center, scale float64) []tap {
	support := 2 * scale
	first := max(int(center-support+0.5), 0)
	end := min(int(center+support+0.5), from)
	var taps []tap
	var sum float64
	for j := first; j < end; j++ {
		w := cubic((float64(j)-center+0.5)/scale, -0.5)
		taps = append(taps, tap{j, w})
		sum += w
	}
	for i := range taps {
		taps[i].weight /= sum
	}
	return taps
}

// cubic is Keys' convolution kernel.
func cubic(x, a float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}
