package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// RelativePosition has tables of vectors for the distances of tokens on a map, along its
// height and its width, as the attention of ViTDet and SAM does: rel_pos_h [2H−1, head]
// and rel_pos_w [2W−1, head].
type RelativePosition struct {
	H, W, Head int

	b             *Builder
	name          string
	rows, columns []float32
	made          map[[2]int]*gpu.Tensor // by the size of the map
}

// RelativePosition makes the tables for maps of h rows of w tokens and heads of so many elements.
func (b *Builder) RelativePosition(h, w, head int) RelativePosition {
	return RelativePosition{H: h, W: w, Head: head, b: b, name: "relative_position", made: map[[2]int]*gpu.Tensor{}}
}

func (l *RelativePosition) setName(path string) { l.name = path + ".relative_position" }

// Params are rel_pos_h and rel_pos_w.
func (l *RelativePosition) Params() []weights.Param {
	param := func(name string, side int, to *[]float32) weights.Param {
		return weights.Param{Name: name, Shape: []int{2*side - 1, l.Head}, Set: func(t *weights.Tensor) error {
			v, err := floats(t)
			*to = slices.Clone(v)
			return err
		}}
	}
	return []weights.Param{param("rel_pos_h", l.H, &l.rows), param("rel_pos_w", l.W, &l.columns)}
}

// distances counts those of keys on a map of h rows of w tokens, along both.
func distances(h, w int) int { return 2*h - 1 + 2*w - 1 }

// Forward gives what each query of x [N, …, D], whose first groups are the heads of q,
// gives the distances on a map of h rows of w tokens: its products with the vectors of
// those in rows, from 1 − h on, and then in columns, f32 [N, …, heads·(2h−1 + 2w−1)]. A map
// of another size than the tables' has them resampled linearly.
func (l *RelativePosition) Forward(r *gpu.Recorder, x *gpu.Tensor, heads, h, w int) *gpu.Tensor {
	y := r.NewTyped("relative_position", gpu.F32, heads, reshaped(x.Shape, heads*distances(h, w))...)
	if r.Err() != nil {
		return y
	}
	if x.Dense() || heads < 1 || x.Groups < heads || x.Width()/x.Groups != l.Head {
		r.Fail(fmt.Errorf("%s: found %s in %d groups, expected at least %d heads of %d", l.name, x, x.Groups, heads, l.Head))
		return y
	}
	k, err := kernel("relative_position", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	table, e := l.table(h, w), 16/int(r.Precision.Size())
	width, columns := gpu.Pad8(l.Head), gpu.Pad8(distances(h, w))
	op := gpu.Op{Kind: "relative_position", Label: r.Label("relative_position"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Rows: func(in [][]float32, rows []int) []float64 { return l.twin(in[0], rows, x.Width(), heads, h, w) }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		count := ceilDiv(rows, 4) * heads * columns / e
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "rows": rows, "heads": heads, "width": width, "columns": columns, "x_stride": x.Stride()},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(table), rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 2 * float64(rows*heads*l.Head*distances(h, w)), Bytes: float64(rows) * float64(y.Stride()) * 4,
		})
	}
	r.Do(op)
	return y
}

// vectors are those of a map's distances, [2h−1 + 2w−1, head].
func (l *RelativePosition) vectors(h, w int) []float32 {
	return append(resampled(l.rows, l.Head, 2*h-1), resampled(l.columns, l.Head, 2*w-1)...)
}

// resampled are rows of a width in another number, as torch.nn.functional.interpolate
// (mode="linear", align_corners=False) gives them.
func resampled(values []float32, width, to int) []float32 {
	from := len(values) / width
	out := make([]float32, 0, to*width)
	for i := range to {
		at := max(0, (float64(i)+0.5)*float64(from)/float64(to)-0.5)
		lo := min(int(at), from-1)
		hi, share := min(lo+1, from-1), at-float64(lo)
		for c := range width {
			out = append(out, float32((1-share)*float64(values[lo*width+c])+share*float64(values[hi*width+c])))
		}
	}
	return out
}

// table is the constant of a map's vectors, one in each column.
func (l *RelativePosition) table(h, w int) *gpu.Tensor {
	size := [2]int{h, w}
	if t, ok := l.made[size]; ok {
		return t
	}
	width, columns, n := gpu.Pad8(l.Head), gpu.Pad8(distances(h, w)), distances(h, w)
	t := l.b.reserve(fmt.Sprintf("%s.%dx%d", l.name, h, w), []int{width, n}, l.b.Precision, int64(width*columns)*l.b.Precision.Size())
	l.made[size] = t
	l.b.Later(func() error {
		turned := make([]float32, width*n)
		for i, v := range l.vectors(h, w) {
			turned[i%l.Head*n+i/l.Head] = v
		}
		return t.Upload(func(dst []byte) error {
			putRows(dst, t.Type, turned, width, n, columns)
			return nil
		})
	})
	return t
}

// twin is rows of what the queries in x, rows of so many elements, give.
func (l *RelativePosition) twin(x []float32, rows []int, stride, heads, h, w int) []float64 {
	n, vectors := distances(h, w), l.vectors(h, w)
	for i, v := range vectors {
		vectors[i] = gpu.Round(l.b.Precision, v)
	}
	out := make([]float64, len(rows)*heads*n)
	parallel(len(rows)*heads, func(i int) {
		query := x[rows[i/heads]*stride+i%heads*l.Head:][:l.Head]
		for at := range n {
			out[i*n+at] = dot(query, vectors[at*l.Head:][:l.Head])
		}
	})
	return out
}
