package picture

import "math"

// Smoothing is how OWLv2's processor (its Pillow variant, which takes SciPy) resizes, in
// place of a filter of 8-bit pixels: rescaled values are filled up to a square if Square is
// set, blurred by as much as the picture is made smaller, and sampled.
type Smoothing struct {
	Square bool // zeros at the right and at the bottom
}

// smooth makes the network's input, not normalised, of a picture: [3 H W].
func (p *Processor) smooth(m *Image) (values []float32, h, w int) {
	h, w = m.H, m.W
	if p.Smoothing.Square {
		h, w = max(h, w), max(h, w)
	}
	outH, outW := h, w
	if p.Resize.Mode != NoResize {
		outH, outW = p.Resize.H, p.Resize.W
	}
	scale := p.Rescale
	if scale == 0 {
		scale = 1
	}
	for c := range 3 {
		plane := make([]float64, h*w)
		for i := range m.W * m.H {
			plane[i/m.W*w+i%m.W] = float64(m.Pix[3*i+c]) * scale
		}
		values = append(values, smoothPlane(plane, h, w, outH, outW)...)
	}
	return values, outH, outW
}

// smoothPlane is one channel: SciPy's gaussian_filter and zoom, within the range of what
// there was.
func smoothPlane(plane []float64, h, w, outH, outW int) []float32 {
	low, high := plane[0], plane[0]
	for _, v := range plane {
		low, high = min(low, v), max(high, v)
	}
	plane = blur(plane, w, 1, h, w, float64(h)/float64(outH)) // along columns
	plane = blur(plane, 1, w, w, h, float64(w)/float64(outW))
	out := make([]float32, outH*outW)
	for y := range outH {
		top, bottom, down := between(y, h, outH)
		for x := range outW {
			left, right, across := between(x, w, outW)
			a := plane[top*w+left]*(1-across) + plane[top*w+right]*across
			b := plane[bottom*w+left]*(1-across) + plane[bottom*w+right]*across
			out[y*outW+x] = float32(min(max(a*(1-down)+b*down, low), high))
		}
	}
	return out
}

// between are the samples around pixel i of `to`, among `from`, and the second one's part.
func between(i, from, to int) (first, second int, part float64) {
	at := (float64(i)+0.5)*float64(from)/float64(to) - 0.5
	floor := math.Floor(at)
	return mirror(int(floor), from), mirror(int(floor)+1, from), at - floor
}

// mirror is a place beyond the ends of n samples, which repeat in turn but for the last.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2*n - 2
	i = ((i % period) + period) % period
	return min(i, period-i)
}

// blur convolves lines of n samples, stride apart, of which there are so many, step apart,
// with a Gaussian that suits a reduction by factor.
func blur(plane []float64, stride, step, n, lines int, factor float64) []float64 {
	sigma := (factor - 1) / 2
	if sigma <= 0 {
		return plane
	}
	radius := int(4*sigma + 0.5)
	kernel, sum := make([]float64, radius+1), 0.0
	for i := range kernel {
		kernel[i] = math.Exp(-float64(i*i) / (2 * sigma * sigma))
		if sum += kernel[i]; i > 0 {
			sum += kernel[i]
		}
	}
	out := make([]float64, len(plane))
	for line := range lines {
		for i := range n {
			v := plane[line*step+i*stride] * kernel[0]
			for k := 1; k <= radius; k++ {
				v += kernel[k] * (plane[line*step+mirror(i-k, n)*stride] + plane[line*step+mirror(i+k, n)*stride])
			}
			out[line*step+i*stride] = v / sum
		}
	}
	return out
}
