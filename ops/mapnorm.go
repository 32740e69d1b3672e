package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// mapNorm is what norms over the pixels of maps share: a pass for the sums of strips,
// one of the norm's own for what each channel of an item is multiplied by and added,
// one that does so.
type mapNorm struct {
	x, y *gpu.Tensor
	sums *gpu.Tensor // of strips: means, then squared differences from them
	// factors of each item: multipliers, then summands
	factors       *gpu.Tensor
	n             int      // items
	pixels, strip int      // of an item, of a strip
	windows       []window // of pixels, whole strips
}

// stripPixels is how many pixels one thread of the first pass sums, at least:
// more where a thread of the second, which goes over the channels of all strips that it
// joins, would have more than mostSummed to go over; see [gpu.Dispatch]'s Turns.
const (
	stripPixels = 64
	mostSummed  = 16 << 10
)

// newMapNorm is a norm of x, of n items, whose own pass joins so many channels.
func newMapNorm(r *gpu.Recorder, name string, x, y *gpu.Tensor, n, channels int) (mapNorm, error) {
	m := mapNorm{x: x, y: y, n: n, pixels: x.Rows() / n}
	m.strip = min(max(stripPixels, ceilDiv(m.pixels*channels, mostSummed)), m.pixels)
	m.sums = r.NewTyped(name+".sums", gpu.F32, 1, n, m.strips(), 2*x.Stride())
	m.factors = r.NewTyped(name+".factors", gpu.F32, 1, n, 2*x.Stride())
	var err error
	m.windows, err = mapWindows(r.Device(), n, m.pixels, m.strip, x, y)
	return m, err
}

// strips of an item.
func (m *mapNorm) strips() int { return ceilDiv(m.pixels, m.strip) }

// record is all passes; stats is the norm's own.
func (m *mapNorm) record(r *gpu.Recorder, a Activation, stats gpu.Dispatch) ([]gpu.Dispatch, error) {
	sums, err := kernel("groupnorm_sums", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		return nil, err
	}
	spec := shaders.Spec{Const: map[string]int{"PIXELS": pixelsOfThread(r)}, Forms: forms(r.Precision)}
	looped(r.Device().Traits(), &spec)
	apply, err := a.kernel(r, "groupnorm", r.Precision.String(), "", spec)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, w := range m.windows {
		dispatches = append(dispatches, m.sumUp(sums, w))
	}
	dispatches = append(dispatches, stats)
	for _, w := range m.windows {
		dispatches = append(dispatches, m.apply(r, apply, a, w))
	}
	return dispatches, nil
}

// sumUp is the first pass over a window.
func (m *mapNorm) sumUp(k *gpu.Kernel, w window) gpu.Dispatch {
	pixels, vectors := w.hi-w.lo, m.x.Stride()/4
	strips := ceilDiv(pixels, m.strip) // of each item in the window
	count := w.items() * strips * vectors
	first := w.first*m.strips() + w.lo/m.strip
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "pixels": pixels, "strip": m.strip, "strips": strips, "first": first},
		Bind: []gpu.View{w.view(m.x, m.n, m.pixels), gpu.All(m.sums)}, Groups: elementwise(count),
		FLOPs: 4 * float64(w.items()*pixels*m.x.Stride()), Bytes: float64(w.items()*pixels) * float64(itemBytes(m.x, m.n*m.pixels)),
	}
}

// apply is the last pass over a window.
func (m *mapNorm) apply(r *gpu.Recorder, k *gpu.Kernel, a Activation, w window) gpu.Dispatch {
	pixels, vectors := w.hi-w.lo, m.x.Stride()/4
	step := ceilDiv(pixels, pixelsOfThread(r)) * vectors
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"count": w.items() * step, "step": step, "item": pixels * vectors, "vectors": vectors, "first": w.first, "activates": a.activates(k, "")},
		Bind:   []gpu.View{w.view(m.x, m.n, m.pixels), gpu.All(m.factors), w.view(m.y, m.n, m.pixels)},
		Groups: elementwise(w.items() * step),
		FLOPs:  4 * float64(w.items()*pixels*m.x.Stride()), Bytes: 2 * float64(w.items()*pixels) * float64(itemBytes(m.x, m.n*m.pixels)),
	}
}
