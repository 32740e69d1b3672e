package ops

import (
	"fmt"
	"maps"
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
	made          map[tokenMap]*gpu.Tensor
}

// RelativePosition makes the tables for maps of h rows of w tokens and heads of so many elements.
func (b *Builder) RelativePosition(h, w, head int) RelativePosition {
	return RelativePosition{H: h, W: w, Head: head, b: b, name: "relative_position", made: map[tokenMap]*gpu.Tensor{}}
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

// tokenMap is the map that tokens are, of h rows of w; of one column it is as one row.
type tokenMap struct {
	h, w   int
	turned bool
}

func newTokenMap(h, w int) tokenMap {
	if w == 1 {
		return tokenMap{h: 1, w: h, turned: true}
	}
	return tokenMap{h: h, w: w}
}

// rowFours and columnFours count how many times four keys what [RelativePosition.Forward]
// gives has of the rows, padded, and of the columns, over as many rows as it takes for
// their tokens to be a multiple of four.
func (m tokenMap) rowFours() int    { return ceilDiv(m.h, 4) }
func (m tokenMap) columnFours() int { return m.w * m.turn() / 4 }
func (m tokenMap) turn() int        { return []int{1, 4, 2, 4}[m.w%4] }
func (m tokenMap) fours() int       { return m.rowFours() + m.columnFours() }

// Forward gives what each query of x [N, …, D], whose first groups are the heads of q and
// whose items are maps of h rows of w tokens, gives the keys: its products with the vectors
// of their distances, of the rows, four at a time, and then of the columns, f32
// [N, heads, fours, 4·h·w] for [RelativePositions]. A map of another size than the tables'
// has them resampled linearly.
func (l *RelativePosition) Forward(r *gpu.Recorder, x *gpu.Tensor, heads, h, w int) *gpu.Tensor {
	m, tokens := newTokenMap(h, w), h*w
	y := r.NewTyped("relative_position", gpu.F32, 1, x.Rows()/max(tokens, 1), heads, m.fours(), 4*tokens)
	if r.Err() != nil {
		return y
	}
	if x.Dense() || heads < 1 || x.Groups < heads || x.Width()/x.Groups != l.Head || tokens < 1 || x.Rows()%tokens != 0 {
		r.Fail(fmt.Errorf("%s: found %s in %d groups, expected at least %d heads of %d on maps %d×%d", l.name, x, x.Groups, heads, l.Head, h, w))
		return y
	}
	k, err := kernel("relative_position", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision), Const: map[string]int{"TM": relativeQueries}})
	if err != nil {
		r.Fail(err)
		return y
	}
	n := y.Shape[0]
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "relative_position", Label: r.Label("relative_position"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Rows: func(in [][]float32, rows []int) []float64 { return l.twin(in[0], rows, x.Width(), heads, m) }}
	for _, c := range chunks {
		op.Dispatches = append(op.Dispatches,
			l.dispatch(k, x, y, m, c, m.rowFours(), gpu.Params{"first": 0, "lines": m.h, "across": m.w, "step": 1, "down": m.w, "vector": m.h - 1}),
			l.dispatch(k, x, y, m, c, m.columnFours(), gpu.Params{"first": m.rowFours(), "lines": m.w, "across": m.h, "step": m.w, "down": 1, "vector": 2*m.h - 1 + m.w - 1}))
	}
	r.Do(op)
	return y
}

// relativeQueries is how many queries an invocation takes.
const relativeQueries = 8

// dispatch is that of some items' rows or columns of keys, of so many fours.
func (l *RelativePosition) dispatch(k *gpu.Kernel, x, y *gpu.Tensor, m tokenMap, items [2]int, fours int, p gpu.Params) gpu.Dispatch {
	n, heads, tokens := y.Shape[0], y.Shape[1], m.h*m.w
	all := (items[1] - items[0]) * heads
	count := fours * p["lines"].(int) * ceilDiv(p["across"].(int), relativeQueries)
	maps.Copy(p, gpu.Params{"fours": fours, "tokens": tokens, "heads": heads, "width": gpu.Pad8(l.Head), "x_stride": x.Stride(), "y_stride": y.Stride() / 4, "blocks": m.fours()})
	return gpu.Dispatch{
		Kernel: k, Params: p, Groups: [3]int{ceilDiv(count, 64), heads, items[1] - items[0]},
		Bind:  []gpu.View{itemView(x, n, items[0], items[1]), gpu.All(l.table(m)), itemView(y, n, items[0], items[1])},
		FLOPs: 8 * float64(all*fours*tokens*l.Head), Bytes: 16 * float64(all*fours*tokens),
	}
}

// vectors are those of a map's distances, of the rows from 1 − h on and then of the
// columns, [2h−1 + 2w−1, head].
func (l *RelativePosition) vectors(m tokenMap) []float32 {
	rows, columns := l.rows, l.columns
	if m.turned {
		rows, columns = columns, rows
	}
	return append(resampled(rows, l.Head, 2*m.h-1), resampled(columns, l.Head, 2*m.w-1)...)
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

// table is the constant of a map's vectors, one in each row.
func (l *RelativePosition) table(m tokenMap) *gpu.Tensor {
	if t, ok := l.made[m]; ok {
		return t
	}
	n, width := 2*m.h-1+2*m.w-1, gpu.Pad8(l.Head)
	t := l.b.reserve(fmt.Sprintf("%s.%dx%d", l.name, m.h, m.w), []int{n, l.Head}, l.b.Precision, int64(n*width)*l.b.Precision.Size())
	l.made[m] = t
	l.b.Later(func() error {
		return t.Upload(func(dst []byte) error {
			putRows(dst, t.Type, l.vectors(m), n, l.Head, width)
			return nil
		})
	})
	return t
}

// twin is rows of what the queries in x, rows of so many elements, give.
func (l *RelativePosition) twin(x []float32, rows []int, stride, heads int, m tokenMap) []float64 {
	vectors, tokens := l.vectors(m), m.h*m.w
	for i, v := range vectors {
		vectors[i] = gpu.Round(l.b.Precision, v)
	}
	out := make([]float64, len(rows)*4*tokens)
	parallel(len(rows), func(i int) {
		four, head, item := rows[i]%m.fours(), rows[i]/m.fours()%heads, rows[i]/m.fours()/heads
		for j := range 4 * tokens {
			query := j / 4
			at := query/m.w - (4*four+j%4)%m.h + m.h - 1
			if four >= m.rowFours() {
				at = 2*m.h - 1 + query%m.w - (4*(four-m.rowFours())+j%4)%m.w + m.w - 1
			}
			out[i*4*tokens+j] = dot(x[(item*tokens+query)*stride+head*l.Head:][:l.Head], vectors[at*l.Head:][:l.Head])
		}
	})
	return out
}
