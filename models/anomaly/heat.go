package anomaly

import (
	"math"

	"saccade/ops"
)

// sigma is that of the blur over heat maps, pixels of the network's input.
const sigma = 4

// heat brings the scores of a grid of patches to h×w pixels, bilinearly, and blurs them.
func heat(scores []float32, rows, columns, h, w int) []float32 {
	at := ops.InterpolateLinear(scores, 1, [2]int{rows, columns}, [2]int{h, w})
	return blur(at, h, w, sigma)
}

// blur is SciPy's gaussian_filter: up to four deviations, mirrored at the border with its
// last pixel twice.
func blur(x []float32, h, w int, sigma float64) []float32 {
	radius := int(4*sigma + 0.5)
	kernel, sum := make([]float64, 2*radius+1), 0.0
	for i := range kernel {
		d := float64(i - radius)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	rows, out := make([]float64, h*w), make([]float32, h*w)
	for y := range h {
		for x0 := range w {
			for k, weight := range kernel {
				rows[y*w+x0] += weight * float64(x[mirror(y+k-radius, h)*w+x0])
			}
		}
	}
	for y := range h {
		for x0 := range w {
			v := 0.0
			for k, weight := range kernel {
				v += weight * rows[y*w+mirror(x0+k-radius, w)]
			}
			out[y*w+x0] = float32(v)
		}
	}
	return out
}

// mirror is the place within 0 to n−1 of one that may lie beyond, where the last is
// repeated: b a | a b c | c b.
func mirror(i, n int) int {
	if i %= 2 * n; i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}
