package masks

import "fmt"

// Resizer enlarges the small logits of a network to a picture's size as PyTorch's bilinear
// interpolation (align_corners false) does, by way of the network's padded input:
// interpolated to its size, cut to that of the picture in its upper left corner, and
// interpolated to that of the picture itself. The two steps are linear and each axis is on
// its own, so they are one here: a value differs from PyTorch's by rounding.
type Resizer struct {
	Small, Picture Size
	rows, columns  []taps
}

// Size is a height and a width.
type Size struct{ Height, Width int }

// taps are what one place of an axis is made of: consecutive places from first on.
type taps struct {
	first   int
	weights []float32
}

// NewResizer makes one for logits of a size, a padded input, the picture resized into it, and
// the picture. Networks that interpolate at once (SAM 2) have logits, input and resized
// picture of one size.
func NewResizer(small, padded, resized, picture Size) (*Resizer, error) {
	if padded == (Size{}) {
		padded, resized = picture, picture // and the second step leaves all as it is
	}
	for _, s := range []Size{small, resized, picture} {
		if s.Height <= 0 || s.Width <= 0 {
			return nil, fmt.Errorf("masks of %v to a picture of %v by way of %v in %v: expected sizes above 0", small, picture, resized, padded)
		}
	}
	if resized.Height > padded.Height || resized.Width > padded.Width {
		return nil, fmt.Errorf("a picture resized to %v does not fit into %v", resized, padded)
	}
	return &Resizer{
		Small: small, Picture: picture,
		rows:    through(interpolation(small.Height, padded.Height)[:resized.Height], interpolation(resized.Height, picture.Height)),
		columns: through(interpolation(small.Width, padded.Width)[:resized.Width], interpolation(resized.Width, picture.Width)),
	}, nil
}

// Resize enlarges logits [Small.Height, Small.Width] to dst [Picture.Height, Picture.Width].
func (r *Resizer) Resize(dst, logits []float32) {
	w := r.Picture.Width
	wide := make([]float32, r.Small.Height*w)
	for y := range r.Small.Height {
		from, to := logits[y*r.Small.Width:], wide[y*w:(y+1)*w]
		for x, t := range r.columns {
			sum := float32(0)
			for k, weight := range t.weights {
				sum += weight * from[t.first+k]
			}
			to[x] = sum
		}
	}
	for y, t := range r.rows {
		to := dst[y*w : (y+1)*w]
		clear(to)
		for k, weight := range t.weights {
			for x, v := range wide[(t.first+k)*w : (t.first+k+1)*w] {
				to[x] += weight * v
			}
		}
	}
}

// interpolation is PyTorch's along an axis: a place in the source is (x + ½)·from/to - ½, not
// below 0, and the last one has no neighbour.
func interpolation(from, to int) []taps {
	out := make([]taps, to)
	scale := float32(from) / float32(to)
	for x := range out {
		at := max(0, scale*(float32(x)+0.5)-0.5)
		first := min(int(at), from-1)
		share := min(max(at-float32(first), 0), 1)
		if first == from-1 || share == 0 {
			out[x] = taps{first, []float32{1}}
			continue
		}
		out[x] = taps{first, []float32{1 - share, share}}
	}
	return out
}

// through is the interpolation then of what the interpolation first makes.
func through(first, then []taps) []taps {
	out := make([]taps, len(then))
	for i, t := range then {
		last := first[t.first+len(t.weights)-1]
		start := first[t.first].first
		weights := make([]float32, last.first+len(last.weights)-start)
		for k, outer := range t.weights {
			for j, inner := range first[t.first+k].weights {
				weights[first[t.first+k].first-start+j] += outer * inner
			}
		}
		out[i] = taps{start, weights}
	}
	return out
}
