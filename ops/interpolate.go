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

// InterpolateLinear is InterpolatePositions by mode="bilinear" without antialias.
func InterpolateLinear(values []float32, width int, from, to [2]int) []float32 {
	return Interpolate(values, width, from, to, Resampling{})
}

// Interpolate is InterpolatePositions without antialias in any way.
func Interpolate(values []float32, width int, from, to [2]int, how Resampling) []float32 {
	return rounded(sampled(values, 1, width, from, how.taps(from[0], to[0]), how.taps(from[1], to[1])))
}

func interpolate(values []float32, width int, from, to [2]int, offset float64, antialias bool) []float32 {
	if from == to {
		return values
	}
	rows, columns := cubicTaps(from[0], to[0], offset, antialias), cubicTaps(from[1], to[1], offset, antialias)
	return rounded(sampled(values, 1, width, from, rows, columns))
}

// rounded is values in f32.
func rounded(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

// sampled takes of n pictures x of from[0]×from[1] pixels, width values each, what
// rows and columns of the result take: columns first, as PyTorch orders its two passes.
func sampled(x []float32, n, width int, from [2]int, rows, columns [][]tap) []float64 {
	out := make([]float64, n*len(rows)*len(columns)*width)
	for item := range n {
		wide := make([]float64, from[0]*len(columns)*width)
		picture := x[item*from[0]*from[1]*width:]
		parallel(from[0], func(y int) {
			for i, taps := range columns {
				for _, t := range taps {
					for c := range width {
						wide[(y*len(columns)+i)*width+c] += t.weight * float64(picture[(y*from[1]+t.at)*width+c])
					}
				}
			}
		})
		line := len(columns) * width
		parallel(len(rows), func(y int) {
			to := out[(item*len(rows)+y)*line:][:line]
			for _, t := range rows[y] {
				for i := range to {
					to[i] += t.weight * wide[t.at*line+i]
				}
			}
		})
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
		out[i] = tapsAt((float64(i)+0.5)*scale-0.5, from, true)
	}
	return out
}

// tapsAt are those of a place among `from` samples without antialias, of which the
// border's go on.
func tapsAt(at float64, from int, isCubic bool) []tap {
	first := int(math.Floor(at))
	inside := func(i int) int { return min(max(i, 0), from-1) }
	if !isCubic {
		part := at - float64(first)
		return []tap{{inside(first), 1 - part}, {inside(first + 1), part}}
	}
	var taps []tap
	for k := -1; k <= 2; k++ {
		taps = append(taps, tap{inside(first + k), cubic(at-float64(first+k), -0.75)})
	}
	return taps
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
