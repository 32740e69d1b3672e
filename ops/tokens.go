package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Table is a constant of f32 rows that is computed on the host: the class
// token and the position embeddings of a sequence, say.
type Table struct {
	Rows, Width int
	Values      []float32 // [Rows, Width], set before Upload

	tensor *gpu.Tensor
	b      *Builder // of a trained one
}

// Table reserves a table. Its values may be filled in later, before Upload.
func (b *Builder) Table(name string, rows, width int) *Table {
	return &Table{Rows: rows, Width: width, tensor: b.reserve(name, []int{rows, width}, gpu.F32, int64(rows*gpu.Pad8(width))*4)}
}

// Upload takes the table's memory and fills it.
func (t *Table) Upload(values []float32) error {
	if len(values) != t.Rows*t.Width {
		return fmt.Errorf("table %s: got %d values", t.tensor, len(values))
	}
	t.Values = values
	return t.tensor.Upload(func(dst []byte) error {
		putRows(dst, gpu.F32, values, t.Rows, t.Width, gpu.Pad8(t.Width))
		return nil
	})
}

// Tokens makes the sequence of a vision transformer from patches x [N, …, C], P a picture:
// the first T − P rows of the table [T, C] as they are, then the patches with
// the table's other rows (their position embedding) added. The result is [N, T, C].
func Tokens(r *gpu.Recorder, x *gpu.Tensor, table *Table) *gpu.Tensor {
	return tokens(r, x, table, x.Shape[0], x.Shape[0], table.Rows, x.Width())
}

// TokensOf is Tokens with a table of trained rows [T, C], such as [Stack] makes.
func TokensOf(r *gpu.Recorder, b *Builder, x, rows *gpu.Tensor) *gpu.Tensor {
	return Tokens(r, x, &Table{Rows: rows.Rows(), Width: rows.Width(), tensor: rows, b: b})
}

// adjoint is the gradients of x and of the rows of a trained table, from dy, that of [TokensOf].
func (t *Table) adjoint(r *gpu.Recorder, x, dy *gpu.Tensor, n int, needed []bool) []*gpu.Tensor {
	grads := make([]*gpu.Tensor, 2)
	if needed[0] {
		grads[0] = Rows(r, dy, t.b.Span(n, t.Rows, t.Rows-x.Rows()/n, x.Shape[1:len(x.Shape)-1]...))
	}
	if needed[1] {
		grads[1] = sumOf(r, "dtable", dy, t.tensor)
	}
	return grads
}

// AddTable adds the table's rows [P, C] to those of x [..., C] in turn, such as the
// embedding of positions to maps [N, h, w, C] with P = h·w, or a vector to all with P = 1.
func AddTable(r *gpu.Recorder, x *gpu.Tensor, table *Table) *gpu.Tensor {
	if r.Err() == nil && x.Rows()%table.Rows != 0 {
		r.Fail(fmt.Errorf("tokens: a table of %d rows can't be added in turn to the %d of %s", table.Rows, x.Rows(), x))
	}
	return tokens(r, x, table, x.Rows()/table.Rows, x.Shape...)
}

// tokens is n times the rows of a table, with those of x added to the last, in a shape.
func tokens(r *gpu.Recorder, x *gpu.Tensor, table *Table, n int, shape ...int) *gpu.Tensor {
	y := r.NewTyped("tokens", x.Type, 1, shape...)
	if r.Err() != nil {
		return y
	}
	tokens := table.Rows
	prefix := tokens - x.Rows()/n
	if prefix < 0 || table.Width != x.Width() || x.Groups != 1 {
		r.Fail(fmt.Errorf("tokens: %v do not fit a table [%d %d]", x.Shape, table.Rows, table.Width))
		return y
	}
	k, err := kernel("tokens", x.Type.String(), shaders.Spec{Forms: forms(x.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("tokens: %w", err))
		return y
	}
	op := gpu.Op{Kind: "tokens", Label: r.Label("tokens"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{tokensTwin(in[0], table.values(in), table.Width, n, prefix)}
		}}
	if prefix == 0 { // the table is added
		op.Adjoint = func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{dy} }
	}
	if !table.tensor.Constant() {
		op.In = append(op.In, table.tensor)
		op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return table.adjoint(r, x, dy, n, needed) }
	}
	for _, c := range chunks {
		count := (c[1] - c[0]) * tokens * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": tokens, "prefix": prefix},
			Bind:   []gpu.View{itemView(x, n, c[0], c[1]), gpu.All(table.tensor), itemView(y, n, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 4 * float64(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// Repeat gives the table's rows [T, C] to each of n items: [N, T, C].
func (t *Table) Repeat(r *gpu.Recorder, n int) *gpu.Tensor {
	y := r.New("repeat", 1, n, t.Rows, t.Width)
	k, err := kernel("tokens", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	count := y.Rows() * y.Stride() / 4
	r.Do(gpu.Op{Kind: "tokens", Label: r.Label("repeat"), Out: []*gpu.Tensor{y},
		Twin: func([][]float32) [][]float64 { return [][]float64{tokensTwin(nil, t.Values, t.Width, n, t.Rows)} },
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": t.Rows, "prefix": t.Rows},
			Bind:   []gpu.View{gpu.All(r.Device().Dummy()), gpu.All(t.tensor), gpu.All(y)},
			Groups: elementwise(count), Bytes: float64(y.Bytes()),
		}}})
	return y
}

// values are the table's for a twin, of whose inputs they are the last if they are trained.
func (t *Table) values(in [][]float32) []float32 {
	if len(in) > 1 {
		return in[1]
	}
	return t.Values
}

func tokensTwin(x, table []float32, c, n, prefix int) []float64 {
	patches := len(table) - prefix*c
	var y []float64
	for b := range n {
		y = append(y, widen(table)...)
		body := y[len(y)-patches:]
		for i, v := range x[b*patches : (b+1)*patches] {
			body[i] += float64(v)
		}
	}
	return y
}
