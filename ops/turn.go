package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// turn is a weight in panels, of so many taps of inner rows each, with rows and columns exchanged and
// the taps in reverse, in panels too: what an adjoint multiplies with. It stands among the
// activations, for as long as it is read. outer are w's columns, as physical as the rows; host is the
// result as it is packed on the host.
func turn(r *gpu.Recorder, name string, w *gpu.Tensor, taps, inner, outer int, host func() ([]byte, error)) *gpu.Tensor {
	width := panelWidth(w.Type)
	y := r.NewTyped(name, w.Type, 1, panelColumns(inner)/width*taps*outer, width)
	if r.Err() != nil {
		return y
	}
	if w.Bytes() != panelBytes(w.Type, taps*inner, outer) || inner%8 != 0 || outer%8 != 0 {
		r.Fail(fmt.Errorf("%s: %s of %d bytes has no panels of %d·%d rows and %d columns", name, w, w.Bytes(), taps, inner, outer))
		return y
	}
	if most := r.Device().Traits().MaxBinding; max(w.Bytes(), y.Bytes()) > most {
		r.Fail(fmt.Errorf("%s: %s exceeds the adapter's largest binding, %d bytes; train without low memory", name, w, most))
		return y
	}
	k, err := kernel("turn", w.Type.String(), shaders.Spec{Forms: forms(w.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	edge := 16 / int(w.Type.Size())
	lanes := panelColumns(inner) / edge
	count := taps * outer / edge * lanes
	r.Do(gpu.Op{Kind: "turn", Label: r.Label(name), Out: []*gpu.Tensor{y},
		Twin: func([][]float32) [][]float64 {
			data, err := host()
			if err != nil { // a checkpoint that could be read when it was loaded
				return [][]float64{make([]float64, y.Rows()*width)}
			}
			v := make([]float32, y.Rows()*width)
			stored := weights.Tensor{Name: name, DType: weights.F32, Shape: y.Shape, Data: data}
			if w.Type == gpu.F16 {
				stored.DType = weights.F16
			}
			if stored.Float32s(v) != nil {
				return [][]float64{make([]float64, len(v))}
			}
			return [][]float64{widen(v)}
		},
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "lanes": lanes, "taps": taps, "inner": inner, "outer": outer},
			Bind: []gpu.View{gpu.All(w), gpu.All(y)}, Groups: elementwise(count), Bytes: float64(w.Bytes() + y.Bytes()),
		}}})
	return y
}

// packed is what fill makes of so many bytes.
func packed(bytes int64, fill func(dst []byte) error) ([]byte, error) {
	dst := make([]byte, bytes)
	return dst, fill(dst)
}

// compact says that weights of a recording stand on the device once: see [gpu.Tape].
func compact(r *gpu.Recorder) bool { return r.Tape != nil && r.Tape.Compact }
