package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// A matrix that changes from step to step, or that is an activation, is brought into panels each
// time it is multiplied with, which takes a small part of the product's time: so all ways of a
// matmul serve it.

// panelled is the ways to compute y = x·Wᵀ by a weight that arrange brings into panels first.
func (l *Linear) panelled(r *gpu.Recorder, x, y *gpu.Tensor, e epilogue, arrange func() ([]gpu.Dispatch, error)) (standard way, others func() []way) {
	after := func(w way) way {
		record := w.record
		w.record = func() ([]gpu.Dispatch, error) {
			first, err := arrange()
			if err != nil {
				return nil, err
			}
			rest, err := record()
			return append(first, rest...), err
		}
		return w
	}
	standard, all := l.ways(r, x, y, e)
	return after(standard), func() []way {
		some := all()
		for i := range some {
			some[i] = after(some[i])
		}
		return some
	}
}

// madeOf is a layer without a builder, of in to out columns, whose weight is made in a recording.
func madeOf(r *gpu.Recorder, name string, in, out *gpu.Tensor, bias *gpu.Tensor) *Linear {
	l := &Linear{In: in.Width(), Out: out.Width(), InGroups: in.Groups, OutGroups: out.Groups, name: name, bias: bias}
	if bias == nil {
		l.bias = r.Device().Dummy()
	}
	k, n := l.physical()
	width := panelWidth(r.Precision)
	l.weight = r.NewTyped(name+".panels", r.Precision, 1, panelColumns(n)/width*k, width)
	return l
}

// panelRows brings rows of x, as many columns of it as the layer has outputs from physical column
// first on, into the layer's panels: row k of the weight is row k of x.
func (l *Linear) panelRows(r *gpu.Recorder, x *gpu.Tensor, first int) ([]gpu.Dispatch, error) {
	k, n := l.physical()
	edge := int(16 / r.Precision.Size())
	lanes := ceilDiv(n, panelWidth(r.Precision)) * 8
	return arranged(r, "panels", x, l.weight, k*lanes, gpu.Params{
		"rows": x.Rows(), "vectors": n / edge, "stride": x.Stride() / edge, "first": first / edge, "depth": k, "lanes": lanes})
}

// panelsTurned brings a trained matrix into the layer's panels: row k of the weight is its column k.
func (l *Linear) panelsTurned(r *gpu.Recorder, w *gpu.Tensor) ([]gpu.Dispatch, error) {
	k, n := l.physical()
	return arranged(r, "transpose", w, l.weight, ceilDiv(n, panelWidth(r.Precision))*8*k/4, gpu.Params{
		"rows": w.Rows(), "columns": k / 4, "stride": w.Stride() / 4, "first": 0, "panel": 8 * k, "line": 8})
}

// columnsAsRows brings the columns of x to y as rows, as many as y has.
func columnsAsRows(r *gpu.Recorder, x, y *gpu.Tensor) ([]gpu.Dispatch, error) {
	vectors, columns := y.Stride()/int(16/r.Precision.Size()), ceilDiv(y.Rows(), 4)
	return arranged(r, "transpose", x, y, vectors*columns, gpu.Params{
		"rows": x.Rows(), "columns": columns, "stride": x.Stride() / 4, "first": 0, "panel": 8, "line": vectors})
}

// arranged is the dispatch of a kernel that brings x, an activation or a state, to y.
func arranged(r *gpu.Recorder, name string, x, y *gpu.Tensor, count int, p gpu.Params) ([]gpu.Dispatch, error) {
	if most := r.Device().Traits().MaxBinding; max(x.Bytes(), y.Bytes()) > most {
		return nil, fmt.Errorf("%s: %s exceeds the adapter's largest binding, %d bytes", name, x, most)
	}
	spec, variant := shaders.Spec{Forms: forms(r.Precision)}, r.Precision.String()
	if x.Type != r.Precision {
		spec.Forms, variant = append(spec.Forms, "state"), variant+" state"
	}
	k, err := kernel(name, variant, spec)
	if err != nil {
		return nil, err
	}
	p["count"] = count
	return []gpu.Dispatch{{Kernel: k, Params: p, Bind: []gpu.View{gpu.All(x), gpu.All(y)}, Groups: elementwise(count), Bytes: float64(x.Bytes() + y.Bytes())}}, nil
}
