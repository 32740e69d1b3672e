package picture

import (
	"fmt"
	"math"
)

// Filter is a resampling filter; the numbers are Pillow's, as found in
// preprocessor_config.json under "resample".
type Filter int

// Pillow's filters.
const (
	Nearest  Filter = 0
	Lanczos  Filter = 1 // 3 lobes
	Bilinear Filter = 2
	Bicubic  Filter = 3 // a = -0.5
	Box      Filter = 4
	Hamming  Filter = 5
)

var filterNames = [...]string{"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"}

// String returns the filter's name in lower case.
func (f Filter) String() string {
	if f < 0 || int(f) >= len(filterNames) {
		return fmt.Sprintf("Filter(%d)", int(f))
	}
	return filterNames[f]
}

// ParseFilter reads a filter's name as timm writes it.
func ParseFilter(name string) (Filter, error) {
	for i, n := range filterNames {
		if n == name {
			return Filter(i), nil
		}
	}
	return 0, fmt.Errorf("unknown interpolation %q; expected one of %v", name, filterNames)
}

// Resize returns the picture resampled to w×h pixels, equal to the last bit to
// Image.resize of Pillow 13: antialiased, in two passes with weights in fixed
// point, rounded to 8 bits after each. A pass that would not change the size is
// left out.
func (m *Image) Resize(w, h int, f Filter) (*Image, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if w <= 0 || h <= 0 || w > DefaultMaxPixels/h {
		return nil, fmt.Errorf("resize %d×%d pixels to %d×%d: expected a positive size of at most %d megapixels", m.W, m.H, w, h, DefaultMaxPixels/1_000_000)
	}
	if f < Nearest || f > Hamming {
		return nil, fmt.Errorf("resize: unknown filter %d; expected 0 to 5", int(f))
	}
	return m.resizeWindow(w, h, window{0, 0, w, h}, f, columnsFirst(m.W, m.H, w, h)), nil
}

// columnsFirst reports that Pillow 13 runs the vertical pass before the
// horizontal one: where the height shrinks by more than twice as many pixels as
// the width. The order shows where a filter's negative lobes overshoot, since
// values are clipped between the passes. Pillow before 13, and torchvision's
// resize of tensors, always take the rows first.
func columnsFirst(w, h, newW, newH int) bool {
	return newH < h && 2*(w-newW) < h-newH
}

// window is the part [x0, x1) × [y0, y1) of a picture.
type window struct{ x0, y0, x1, y1 int }

// resizeWindow computes only the window of the picture resized to w×h, with the
// same pixels as the whole would have there. A picture of 1×16384 resized to a
// short edge of 224 is 822 megapixels, of which a centre crop needs 0.05.
func (m *Image) resizeWindow(w, h int, win window, f Filter, columnsFirst bool) *Image {
	if f == Nearest {
		return m.nearest(w, h, win)
	}
	columns, rows := newTaps(m.W, w, win.x0, win.x1, f), newTaps(m.H, h, win.y0, win.y1, f)
	need := win // of the source
	if w != m.W {
		need.x0, need.x1 = columns.span()
	}
	if h != m.H {
		need.y0, need.y1 = rows.span()
	}
	out := m.cut(need)
	if h != m.H && columnsFirst {
		out = out.resampleColumns(need.y0, rows)
	}
	if w != m.W {
		out = out.resampleRows(need.x0, columns)
	}
	if h != m.H && !columnsFirst {
		out = out.resampleColumns(need.y0, rows)
	}
	return out
}

// cut copies a window that lies within the picture.
func (m *Image) cut(win window) *Image {
	out := New(win.x1-win.x0, win.y1-win.y0)
	for y := range out.H {
		copy(out.row(y), m.row(win.y0 + y)[3*win.x0:])
	}
	return out
}

// nearest picks the pixel under each centre, stepping in float64 as Pillow does.
func (m *Image) nearest(w, h int, win window) *Image {
	out := New(win.x1-win.x0, win.y1-win.y0)
	xs, ys := nearestIndices(m.W, w, win.x0, win.x1), nearestIndices(m.H, h, win.y0, win.y1)
	for y, sy := range ys {
		dst, src := out.row(y), m.row(sy)
		for x, sx := range xs {
			copy(dst[3*x:3*x+3], src[3*sx:])
		}
	}
	return out
}

func nearestIndices(in, out, lo, hi int) []int {
	step := float64(in) / float64(out)
	at := float64(step * 0.5)
	indices := make([]int, 0, hi-lo)
	for i := range hi {
		if i >= lo {
			indices = append(indices, min(int(at), in-1))
		}
		at += step
	}
	return indices
}

// precision is the number of bits below the point of an 8-bit picture's
// weights: 32 less 8 for the sample and 2 for the overshoot of negative lobes.
const precision = 22

// taps holds, for each output position, the input positions it is a weighted
// sum of.
type taps struct {
	first  []int     // input position of the first weight
	weight [][]int32 // fixed point, precision bits
}

// span returns the range of input positions that any output needs.
func (t taps) span() (lo, hi int) {
	lo = t.first[0]
	for i, w := range t.weight {
		lo, hi = min(lo, t.first[i]), max(hi, t.first[i]+len(w))
	}
	return lo, hi
}

// newTaps computes the weights of outputs lo to hi-1 of a line of in samples
// resized to out. Downscaling widens the filter by the factor. Products are
// rounded by explicit conversions: fused multiply-adds would change last bits
// between machines.
func newTaps(in, out, lo, hi int, f Filter) taps {
	scale := float64(in) / float64(out)
	widen := max(scale, 1)
	kernel, support := f.kernel()
	support *= widen
	t := taps{make([]int, hi-lo), make([][]int32, hi-lo)}
	weights := make([]float64, 0, 2*int(math.Ceil(support))+1)
	for i := range t.first {
		centre := float64((float64(lo+i) + 0.5) * scale)
		first := max(int(centre-support+0.5), 0)
		end := min(int(centre+support+0.5), in)
		weights = weights[:0]
		sum := 0.0
		for x := first; x < end; x++ {
			w := kernel((float64(x) - centre + 0.5) * (1 / widen))
			weights = append(weights, w)
			sum += w
		}
		t.first[i], t.weight[i] = first, fixed(weights, sum)
	}
	return t
}

// fixed divides the weights by their sum and rounds them to fixed point.
func fixed(weights []float64, sum float64) []int32 {
	out := make([]int32, len(weights))
	for i, w := range weights {
		if sum != 0 {
			w /= sum
		}
		out[i] = int32(math.Copysign(0.5, w) + float64(w*(1<<precision)))
	}
	return out
}

// kernel returns the filter's weight function and half its width, in input
// samples at scale 1.
func (f Filter) kernel() (weight func(x float64) float64, support float64) {
	switch f {
	case Box:
		return boxWeight, 0.5
	case Hamming:
		return hammingWeight, 1
	case Bicubic:
		return bicubicWeight, 2
	case Lanczos:
		return lanczosWeight, 3
	}
	return bilinearWeight, 1
}

func boxWeight(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func bilinearWeight(x float64) float64 {
	return max(0, 1-math.Abs(x))
}

func hammingWeight(x float64) float64 {
	x = math.Abs(x)
	if x == 0 {
		return 1
	}
	if x >= 1 {
		return 0
	}
	x *= math.Pi
	return math.Sin(x) / x * (0.54 + float64(0.46*math.Cos(x)))
}

func bicubicWeight(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64((float64((float64((x-5)*x)+8)*x) - 4) * a)
	}
	return 0
}

func lanczosWeight(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// resampleRows resamples along x a picture whose first column is column lo of the
// one that the taps count in.
func (m *Image) resampleRows(lo int, t taps) *Image {
	const half = 1 << (precision - 1)
	out := New(len(t.first), m.H)
	for y := range out.H {
		dst, src := out.row(y), m.row(y)
		for x, weights := range t.weight {
			r, g, b := int32(half), int32(half), int32(half)
			p := src[3*(t.first[x]-lo):][:3*len(weights)]
			for _, w := range weights {
				r += w * int32(p[0])
				g += w * int32(p[1])
				b += w * int32(p[2])
				p = p[3:]
			}
			dst[3*x], dst[3*x+1], dst[3*x+2] = clip8(r>>precision), clip8(g>>precision), clip8(b>>precision)
		}
	}
	return out
}

// resampleColumns resamples along y a picture whose first row is row lo of the
// one that the taps count in.
func (m *Image) resampleColumns(lo int, t taps) *Image {
	out := New(m.W, len(t.first))
	sums := make([]int32, 3*m.W)
	for y, weights := range t.weight {
		for i := range sums {
			sums[i] = 1 << (precision - 1)
		}
		for k, w := range weights {
			for i, p := range m.row(t.first[y] - lo + k) {
				sums[i] += w * int32(p)
			}
		}
		dst := out.row(y)
		for i, s := range sums {
			dst[i] = clip8(s >> precision)
		}
	}
	return out
}
