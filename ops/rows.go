package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// NoRow is the index of [Rows] whose row is zeros.
const NoRow = 0xFFFFFFFF

// Index is a constant of u32 values, such as which rows [Rows] takes.
func (b *Builder) Index(name string, values []uint32, shape ...int) *gpu.Tensor {
	t := b.reserve(name, shape, gpu.U32, int64(len(values))*4)
	b.Later(func() error {
		return t.Upload(func(dst []byte) error {
			putWords(dst, values)
			return nil
		})
	})
	return t
}

// Span is the index by which [Rows] takes tokens from first on, as many as the shape has
// elements, of each of n items of so many tokens: [N, shape…].
func (b *Builder) Span(n, tokens, first int, shape ...int) *gpu.Tensor {
	key := fmt.Sprint(n, tokens, first, shape)
	if t, ok := b.spans[key]; ok {
		return t
	}
	count := 1
	for _, d := range shape {
		count *= d
	}
	values := make([]uint32, 0, n*count)
	for item := range n {
		for i := range count {
			values = append(values, uint32(item*tokens+first+i))
		}
	}
	t := b.Index("span", values, append([]int{n}, shape...)...)
	b.spans[key] = t
	return t
}

// Spread is the index by which [Rows] gives the first token of each of n items of so many
// tokens to every place of a shape: [N, shape…].
func (b *Builder) Spread(n, tokens int, shape ...int) *gpu.Tensor {
	key := fmt.Sprint("spread", n, tokens, shape)
	if t, ok := b.spans[key]; ok {
		return t
	}
	count := 1
	for _, d := range shape {
		count *= d
	}
	values := make([]uint32, n*count)
	for i := range values {
		values[i] = uint32(i / count * tokens)
	}
	t := b.Index("spread", values, append([]int{n}, shape...)...)
	b.spans[key] = t
	return t
}

// Repeat is the index by which [Rows] gives each of n items of so many tokens several times, one
// after the other: [N·times, tokens], as torch.repeat_interleave does.
func (b *Builder) Repeat(n, tokens, times int) *gpu.Tensor {
	key := fmt.Sprint("repeat", n, tokens, times)
	if t, ok := b.spans[key]; ok {
		return t
	}
	values := make([]uint32, n*times*tokens)
	for i := range values {
		values[i] = uint32(i/(times*tokens)*tokens + i%tokens)
	}
	t := b.Index("repeat", values, n*times, tokens)
	b.spans[key] = t
	return t
}

// Exchange is the index by which [Rows] gives the rows (i, k, j) of rows (i, j, k), of n, a and c
// of them: the two inner sizes exchanged, in a shape.
func (b *Builder) Exchange(n, a, c int, shape ...int) *gpu.Tensor {
	key := fmt.Sprint("exchange", n, a, c, shape)
	if t, ok := b.spans[key]; ok {
		return t
	}
	values := make([]uint32, 0, n*a*c)
	for item := range n {
		for k := range c {
			for j := range a {
				values = append(values, uint32((item*a+j)*c+k))
			}
		}
	}
	t := b.Index("exchange", values, shape...)
	b.spans[key] = t
	return t
}

// Stretch is the index by which [Rows] puts zeros between the pixels of n maps of h×w, for a
// stride: [N, (h−1)·sy+1, (w−1)·sx+1].
func (b *Builder) Stretch(n, h, w int, stride [2]int) *gpu.Tensor {
	key := fmt.Sprint("stretch", n, h, w, stride)
	if t, ok := b.spans[key]; ok {
		return t
	}
	wide, high := (w-1)*stride[1]+1, (h-1)*stride[0]+1
	index := make([]uint32, n*high*wide)
	for i := range index {
		x, y, item := i%wide, i/wide%high, i/wide/high
		if index[i] = NoRow; x%stride[1] == 0 && y%stride[0] == 0 {
			index[i] = uint32((item*h+y/stride[0])*w + x/stride[1])
		}
	}
	t := b.Index("stretch", index, n, high, wide)
	b.spans[key] = t
	return t
}

// Rows gathers rows: y[i] = x[index[i]], torch.index_select along the rows of x
// [..., C], all leading dimensions together. The index is u32 of any shape [...], an input,
// a constant or what [Top] gives; the result is [..., C]. An index from the number of rows
// on, such as [NoRow], gives a row of zeros.
func Rows(r *gpu.Recorder, x, index *gpu.Tensor) *gpu.Tensor { return rows(r, x, index, nil, 0, false) }

// RowsOver is [Rows] where an index from the number of rows on gives the row of over
// [..., C] that it stands beside, in place of zeros: torch.where, such as image features
// among the embeddings of a text.
func RowsOver(r *gpu.Recorder, over, x, index *gpu.Tensor) *gpu.Tensor {
	return rows(r, x, index, over, 0, false)
}

// LearnedRows is [RowsOver] of trained rows, a state f32 [R, C], where an index of base is the
// first: the embeddings of some tokens among those of a text.
func LearnedRows(r *gpu.Recorder, over, state, index *gpu.Tensor, base int) *gpu.Tensor {
	return rows(r, state, index, over, base, true)
}

func rows(r *gpu.Recorder, x, index, over *gpu.Tensor, base int, learned bool) *gpu.Tensor {
	y := r.New("rows", x.Groups, append(append([]int{}, index.Shape...), x.Width())...)
	if r.Err() != nil {
		return y
	}
	if x.Dense() || index.Type != gpu.U32 {
		r.Fail(fmt.Errorf("rows: found %s and the index %s (%s), expected an activation and u32", x, index, index.Type))
		return y
	}
	spec, variant := shaders.Spec{Forms: forms(r.Precision)}, r.Precision.String()
	if over != nil {
		if err := sameShape(over, y); err != nil {
			r.Fail(fmt.Errorf("rows: over: %w", err))
			return y
		}
		spec.Forms, variant = append(spec.Forms, "over"), variant+" over"
	}
	if x.Type != r.Precision {
		spec.Forms, variant = append(spec.Forms, "floats"), variant+" floats"
	}
	k, err := kernel("rows", variant, spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	rows, vectors, width := x.Rows(), y.Stride()/4, x.Width()
	op := gpu.Op{Kind: "rows", Label: r.Label("rows"), In: []*gpu.Tensor{x, index}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{rowsTwin(in, rows, width, base)} }}
	if over != nil {
		op.In = append(op.In, over)
	}
	if learned && !index.Dense() {
		r.Fail(fmt.Errorf("rows: the index %s of trained rows is no input and no constant", index))
		return y
	}
	if learned {
		op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
			if len(needed) > 2 && needed[2] {
				r.Fail(errors.New("rows: what stands where no row is taken is not trained"))
			}
			return []*gpu.Tensor{rowsAdjoint(r, dy, x, index, base), nil, nil}[:len(needed)]
		}
	}
	for _, c := range rowChunks(r.Device(), y.Rows(), y) {
		count := (c[1] - c[0]) * vectors
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "rows": rows, "first": c[0], "columns": index.Width(), "pitch": index.Stride(), "base": base},
			Bind:   []gpu.View{gpu.All(x), gpu.All(index), underlay(r, over, c), rowView(y, c[0], c[1])},
			Groups: elementwise(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// underlay is the window of what stands where no row is taken.
func underlay(r *gpu.Recorder, over *gpu.Tensor, c [2]int) gpu.View {
	if over == nil {
		return gpu.All(r.Device().Dummy())
	}
	return rowView(over, c[0], c[1])
}

// rowsTwin is of x, the index and maybe what it is over.
func rowsTwin(in [][]float32, rows, width, base int) []float64 {
	x, index := in[0], in[1]
	y := make([]float64, 0, len(index)*width)
	for at, i := range index {
		switch row := int(i) - base; {
		case row >= 0 && row < rows:
			y = append(y, widen(x[row*width:(row+1)*width])...)
		case len(in) > 2:
			y = append(y, widen(in[2][at*width:(at+1)*width])...)
		default:
			y = append(y, make([]float64, width)...)
		}
	}
	return y
}
