package pca

import (
	"image/color"
	"slices"
)

// Shares are the parts of the whole variance of vectors, rows of as many values as
// the components have, along each component.
func (p *Components) Shares(vectors []float32) []float64 {
	width := len(p.Mean)
	all := 0.0
	for i, v := range vectors {
		x := float64(v) - p.Mean[i%width]
		all += x * x
	}
	all /= float64(len(vectors)/width - 1)
	out := make([]float64, len(p.Variances))
	for k, v := range p.Variances {
		if all > 0 {
			out[k] = v / all
		}
	}
	return out
}

// spread is the part of the coordinates, at either end, that has the colour of the
// ends, so that a few outliers do not leave all others grey.
const spread = 0.01

// Colors are the colours of vectors by their coordinates along three components, as
// red, green and blue.
func (p *Components) Colors(vectors []float32) []color.RGBA {
	width := len(p.Mean)
	n := len(vectors) / width
	out := make([]color.RGBA, n)
	var along [3][]float64
	for i := range n {
		for k, v := range p.Project(vectors[i*width : (i+1)*width]) {
			along[k] = append(along[k], v)
		}
		out[i].A = 255
	}
	for k, values := range along {
		sorted := slices.Sorted(slices.Values(values))
		low, high := sorted[int(spread*float64(n))], sorted[n-1-int(spread*float64(n))]
		for i, v := range values {
			share := 0.5
			if high > low {
				share = min(1, max(0, (v-low)/(high-low)))
			}
			*[]*uint8{&out[i].R, &out[i].G, &out[i].B}[k] = uint8(255*share + 0.5)
		}
	}
	return out
}
