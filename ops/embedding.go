package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// Embedding is torch.nn.Embedding with weight [Rows, Width], plus position
// embeddings. Its table may be larger than a binding.
type Embedding struct {
	Rows, Width int

	b      *Builder
	name   string
	weight *gpu.Tensor
}

// Embedding makes a table of rows vectors of width values.
func (b *Builder) Embedding(rows, width int) Embedding {
	stride := gpu.Pad8(width)
	return Embedding{Rows: rows, Width: width, b: b,
		weight: b.reserve("weight", []int{rows, width}, b.Precision, int64(rows*stride)*b.Precision.Size())}
}

func (e *Embedding) setName(path string) {
	e.name = path
	e.weight.Name = path + ".weight"
}

// Params is weight [Rows, Width].
func (e *Embedding) Params() []weights.Param {
	return []weights.Param{{Name: "weight", Shape: []int{e.Rows, e.Width}, Set: func(t *weights.Tensor) error {
		v, err := floats(t)
		if err != nil {
			return err
		}
		return e.weight.Upload(func(dst []byte) error {
			putRows(dst, e.weight.Type, v, e.Rows, e.Width, gpu.Pad8(e.Width))
			return nil
		})
	}}}
}

// Forward looks up ids, a u32 input [N, T] whose values are below Rows, and
// adds position, [T, Width], if it is not nil. The result is [N, T, Width].
func (e *Embedding) Forward(r *gpu.Recorder, ids *gpu.Tensor, position *Table) *gpu.Tensor {
	n, tokens := ids.Shape[0], ids.Shape[1]
	y := r.New(e.name, 1, n, tokens, e.Width)
	if r.Err() != nil {
		return y
	}
	spec, variant, positions := shaders.Spec{Forms: forms(r.Precision)}, r.Precision.String(), gpu.All(r.Device().Dummy())
	switch {
	case position == nil:
		spec.Forms, variant = append(spec.Forms, "plain"), variant+" plain"
	case position.Rows != tokens || position.Width != e.Width:
		r.Fail(fmt.Errorf("%s: ids %v do not fit positions [%d %d]", e.name, ids.Shape, position.Rows, position.Width))
		return y
	default:
		positions = gpu.All(position.tensor)
	}
	k, err := kernel("embedding", variant, spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "embedding", Label: e.name, In: []*gpu.Tensor{ids}, Out: []*gpu.Tensor{y}, Twin: e.twin(tokens, position)}
	count := y.Rows() * y.Stride() / 4
	row := int64(y.Stride()) * e.weight.Type.Size()
	most := max(16, int(r.Device().Traits().MaxBinding/row)/16*16)
	for lo := 0; lo < e.Rows; lo += most {
		hi := min(e.Rows, lo+most)
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": tokens, "first": lo, "rows": hi - lo},
			Bind: []gpu.View{gpu.All(ids), {Tensor: e.weight, Offset: int64(lo) * row, Size: int64(hi-lo) * row},
				positions, gpu.All(y)},
			Groups: elementwise(count), FLOPs: 4 * float64(count), Bytes: 2 * float64(y.Bytes()),
		})
	}
	r.Do(op)
	return y
}

func (e *Embedding) twin(tokens int, position *Table) func([][]float32) [][]float64 {
	return func(in [][]float32) [][]float64 {
		table := e.b.host(e.name+".weight", e.b.Precision)
		var y []float64
		for i, id := range in[0] {
			row := widen(table[int(id)*e.Width : (int(id)+1)*e.Width])
			for c := range row {
				if position == nil {
					break
				}
				row[c] += float64(position.Values[i%tokens*e.Width+c])
			}
			y = append(y, row...)
		}
		return [][]float64{y}
	}
}
