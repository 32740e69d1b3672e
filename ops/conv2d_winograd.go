package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// winograd is F(T×T, 3×3) of Lavin & Gray 2015 ("Fast Algorithms for
// Convolutional Neural Networks"): the matrix G of the filters' transform; Bᵀ
// and Aᵀ stand in the kernels. They interpolate at 0, ±1 and ∞, and F(4,3) at
// 0, ±2/3, ±3/2 and ∞: of pairs ±a, ±b these cost halves the least, a fifth of what
// 0, ±1, ±2 and ∞ do. Rows of Bᵀ are scaled, and those of G inversely, so that halves
// hold the transformed pictures: the sum of a row's absolute values is at most three.
type winograd struct {
	t int // output pixels of a tile, each way
	// filter is G of a line of three taps, t + 2 values and zeros.
	filter func(x, y, z float32) (a, b, c, d, e, f float32)
}

var (
	winograd2 = winograd{
		t: 2,
		filter: func(x, y, z float32) (a, b, c, d, e, f float32) {
			return x, (x + y + z) / 2, (x - y + z) / 2, z, 0, 0
		},
	}
	winograd4 = winograd{
		t: 4,
		filter: func(x, y, z float32) (a, b, c, d, e, f float32) {
			even, odd := -81./65*(x+4./9*z), -54./65*y
			wide, skew := 16./65*(x+9./4*z), 24./65*y
			return 2 * x, even + odd, even - odd, wide + skew, wide - skew, 2 * z
		},
	}
)

// a is the input pixels of a tile, each way.
func (w winograd) a() int { return w.t + 2 }

// matrices is how many products a tile has.
func (w winograd) matrices() int { return w.a() * w.a() }

func (w winograd) String() string { return fmt.Sprintf("F(%d,3)", w.t) }

// form is the transformed weight: panels of K = In for each of the matrices.
func (w winograd) form() convForm { return convForm(w.String()) }

// transform transforms 3×3 taps: G·g·Gᵀ. What stands in out behind the last matrix
// is undefined.
func (w winograd) transform(taps []float32, out *[36]float32) {
	var down [6][3]float32
	for v := range 3 {
		down[0][v], down[1][v], down[2][v], down[3][v], down[4][v], down[5][v] = w.filter(taps[v], taps[3+v], taps[6+v])
	}
	for i := range w.a() { // a line of fewer than six is overwritten where it ends by the next
		o := out[i*w.a():][:6]
		o[0], o[1], o[2], o[3], o[4], o[5] = w.filter(down[i][0], down[i][1], down[i][2])
	}
}

// bytes is the size of the form.
func (w winograd) bytes(c *Conv2d) int64 {
	return panelBytes(c.b.Precision, gpu.Pad8(c.In), gpu.Pad8(c.Out)) * int64(w.matrices())
}

// layout is the size of the form and what fills it from the folded weight.
func (w winograd) layout(c *Conv2d) (bytes int64, fill func(dst []byte, weight filters) error) {
	p := panelsOf(c.b.Precision, &Linear{In: c.In, Out: c.Out, InGroups: 1, OutGroups: 1})
	bytes = w.bytes(c)
	matrix := int(bytes) / w.matrices()
	return bytes, func(dst []byte, weight filters) error {
		return p.each(weight, 9, func(at, first int, v *[8][]float32) {
			var out [8][36]float32
			for i := range len(v[0]) / 9 {
				for c := range v {
					if len(v[c]) > 0 {
						w.transform(v[c][i*9:], &out[c])
					}
				}
				for m := range w.matrices() {
					putVector(dst[m*matrix+at+(first+i)*panelRow:], p.typ, m, &out)
				}
			}
		})
	}
}

// winogradScratch is the most memory, in bytes, that the transformed pictures
// and the products of one turn take, if no cache is to hold them.
const winogradScratch = 96 << 20

// tilesATurn is the tiles that are computed at once.
func (call *convCall) tilesATurn(d *gpu.Device, w winograd) int {
	c := call.c
	pictures, products := w.matrices()*gpu.Pad8(c.In)*int(c.b.Precision.Size()), w.matrices()*gpu.Pad8(c.Out)*4
	t := d.Traits()
	most := cached(t, winogradScratch, t.Cache)
	most = min(most/(pictures+products), int(t.MaxBinding)/max(pictures, products))
	return max(16, most/16*16)
}

// recordWinograd is the convolution by transforms and a batch of matmuls.
func (call *convCall) recordWinograd(r *gpu.Recorder, w winograd) ([]gpu.Dispatch, error) {
	pieces, err := call.pieces(r.Device(), w.t)
	if err != nil {
		return nil, err
	}
	turn := call.tilesATurn(r.Device(), w)
	var dispatches []gpu.Dispatch
	for _, p := range pieces {
		for _, some := range ranges(p.n*ceilDiv(p.oh, w.t)*ceilDiv(p.ow, w.t), turn) {
			step := winogradTurn{call: call, w: w, piece: p, first: some[0], tiles: some[1] - some[0]}
			three, err := step.record(r)
			if err != nil {
				return nil, err
			}
			dispatches = append(dispatches, three...)
		}
	}
	return dispatches, nil
}

// winogradTurn is some tiles of a piece.
type winogradTurn struct {
	call         *convCall
	w            winograd
	piece        convPiece
	first, tiles int
}

func (t winogradTurn) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	w, c := t.w, t.call.c
	in, out := gpu.Pad8(c.In), gpu.Pad8(c.Out)
	v := r.New(c.name+".transformed", 1, w.matrices(), t.tiles, c.In)
	m := r.NewTyped(c.name+".products", gpu.F32, 1, w.matrices(), t.tiles, c.Out)
	first, err := t.input(r, v)
	if err != nil {
		return nil, err
	}
	g := implicitMatmul{
		name: c.name, m: t.tiles, n: out, k: in, real: c.Out, count: w.matrices(),
		a: gpu.All(v), b: gpu.All(c.form(w.form())), bias: gpu.All(c.biasForm()), y: gpu.All(m), ldc: out,
		pixels: rowsOf(t.tiles, in, r.Precision),
		stepA:  t.tiles * in * int(r.Precision.Size()) / 16, stepB: in * panelColumns(out) * int(r.Precision.Size()) / 16, stepC: t.tiles * out,
		isPlain: true,
		// The convolution's own work, so that rates compare with a direct one's.
		flops: t.piece.flops(c) * float64(t.tiles) / float64(t.piece.n*ceilDiv(t.piece.oh, w.t)*ceilDiv(t.piece.ow, w.t)),
		bytes: float64(v.Bytes() + m.Bytes()),
	}
	g.saved = g.flops - 2*float64(t.tiles*w.matrices()*c.In*c.Out)
	products, err := g.record(r)
	if err != nil {
		return nil, err
	}
	last, err := t.output(r, m)
	return append(append([]gpu.Dispatch{first}, products...), last), err
}

// channels is how many an invocation of the transforms does: four, but two where
// the values of a tile of four take registers that others need (`make isa`).
func channels(t gpu.Traits) int {
	if t.CheapSpills {
		return 4
	}
	return 2
}

// transformSpec is what the specifications of both transforms have in common.
func (t winogradTurn) transformSpec(r *gpu.Recorder) shaders.Spec {
	traits := r.Device().Traits()
	spec := shaders.Spec{Forms: forms(r.Precision)}
	if t.w.t == 4 {
		spec.Forms = append(spec.Forms, "f4")
	}
	if channels(traits) == 2 {
		spec.Forms = append(spec.Forms, "pair")
	}
	looped(traits, &spec)
	return spec
}

// params are those of both transforms, with that many Packed a pixel.
func (t winogradTurn) params(stride, height, width int) gpu.Params {
	return gpu.Params{
		"tiles": t.tiles, "first": t.first, "stride": stride, "height": height, "width": width,
		"rows": ceilDiv(t.piece.oh, t.w.t), "columns": ceilDiv(t.piece.ow, t.w.t),
	}
}

func (t winogradTurn) input(r *gpu.Recorder, v *gpu.Tensor) (gpu.Dispatch, error) {
	call := t.call
	k, err := kernel("winograd_input", fmt.Sprintf("%s %s", r.Precision, t.w), t.transformSpec(r))
	stride := call.x.Stride() / channels(r.Device().Traits())
	params := t.params(stride, t.piece.h, t.piece.w)
	params["pad_y"], params["pad_x"], params["up"] = t.piece.padY(), t.piece.left, t.piece.up
	count := t.tiles * stride
	return gpu.Dispatch{
		Kernel: k, Params: params, Groups: elementwise(count),
		Bind:  []gpu.View{t.piece.x, gpu.All(v)},
		Bytes: float64(2*t.tiles*call.x.Stride()*t.w.matrices()) * float64(v.Type.Size()),
	}, err
}

func (t winogradTurn) output(r *gpu.Recorder, m *gpu.Tensor) (gpu.Dispatch, error) {
	call, wide := t.call, channels(r.Device().Traits())
	k, err := call.e.kernel(r, "winograd_output", fmt.Sprintf("%s %s", r.Precision, t.w), t.transformSpec(r))
	if err != nil {
		return gpu.Dispatch{}, err
	}
	params := t.params(call.y.Stride()/wide, t.piece.oh, t.piece.ow)
	params["real"], params["residual_rows"], params["activates"] = call.c.Out, 0, call.e.activates(k)
	residual := gpu.All(r.Device().Dummy())
	if call.e.residual != nil {
		params["residual_rows"], residual = t.piece.oh, t.piece.residual
	}
	count := t.tiles * call.y.Stride()
	return gpu.Dispatch{
		Kernel: k, Params: params, Groups: elementwise(count / wide),
		Bind:  []gpu.View{gpu.All(m), gpu.All(call.c.biasForm()), residual, t.piece.y},
		Bytes: float64(count) * (float64(t.w.matrices())*float64(m.Type.Size()) + float64(t.w.t*t.w.t)*float64(call.y.Type.Size())),
	}, err
}

// winograd is the transform of the least cost, if it saves a third of the
// direct multiplications. Below 16 channels the transforms cost more than
// they save (as in ncnn).
func (call *convCall) winograd(t gpu.Traits) (winograd, bool) {
	best := winograd2
	if call.cost(winograd4) < call.cost(winograd2) && call.winogradFits(t, winograd4) && call.exactEnough(winograd4) {
		best = winograd4
	}
	return best, call.winogradFits(t, best) && 3*call.multiplications(best) <= 2*9*call.oh*call.ow
}

// exactEnough says whether a transform's roundings are small enough.
func (call *convCall) exactEnough(w winograd) bool {
	return w.t == 2 || !call.c.Exact || call.c.b.Precision != gpu.F16
}

// winogradFits says whether the convolution is one that transforms can do: with
// thousands of channels the matrices exceed a binding, or the workgroup memory.
func (call *convCall) winogradFits(t gpu.Traits, w winograd) bool {
	c := call.c
	return c.Kernel == Square(3) && c.Stride == Square(1) && c.Dilation == Square(1) && c.Groups == 1 && c.In >= 16 && c.Out >= 16 &&
		w.bytes(c) <= t.MaxBinding &&
		chooseConv(t, c.b.Precision, 1, gpu.Pad8(c.Out), gpu.Pad8(c.In), w.matrices(), true).TM > 0
}

// winogradWay is the convolution by transforms.
func (call *convCall) winogradWay(r *gpu.Recorder, w winograd) way {
	return way{name: w.String(), tolerance: w.tolerance(r.Precision), record: func() ([]gpu.Dispatch, error) { return call.recordWinograd(r, w) }}
}

// multiplications is how many a picture takes for each pair of channels.
func (call *convCall) multiplications(w winograd) int {
	return ceilDiv(call.oh, w.t) * ceilDiv(call.ow, w.t) * w.matrices()
}

// cost is multiplications with those that loading a matrix of weights takes the
// time of. Maps of 4×4 pixels take F(2,3): one tile of F(4,3) would load 36
// matrices for a row each. It is a picture's, so that results do not depend on
// the batch.
func (call *convCall) cost(w winograd) int {
	const load = 4 // rows, fewer than the kernels' since F(4,3) has the cheaper transforms
	return call.multiplications(w) + load*w.matrices()
}

// tolerance is the NMSE that the transforms are allowed: they round transformed
// pictures and weights, and the output transform cancels some of what it adds.
// Measured over the test shapes in halves: F(2,3) up to 2.9e-7, F(4,3) up to 2.0e-6.
func (w winograd) tolerance(precision gpu.DType) float64 {
	switch {
	case precision != gpu.F16:
		return 0
	case w.t == 2:
		return 1e-6
	}
	return 6e-6
}
