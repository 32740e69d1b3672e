package ops

import (
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// attentionProducts is an attention as two products with the softmax between
// them: the form for wide heads, of which the fused kernels hold only a chunk,
// so that they compute the scores once for each. Scores are stored for some
// queries at a time.
type attentionProducts struct {
	*attentionCall
	y *gpu.Tensor

	tq, tk       int
	width        int         // of a head, padded
	keys, values *gpu.Tensor // the heads of an item in panels
	scores       *gpu.Tensor // f32 [heads, rows, tk]
	probs        *gpu.Tensor // the same, normalised
	rows         int         // queries at a time
}

// The most memory, in bytes, that the scores of one turn take: on software
// adapters what caches hold.
const (
	scoresMost     = 32 << 20
	scoresMostSoft = 4 << 20
)

// wideHead is the padded head width from which two products take less time than
// a fused kernel. On lavapipe those of f16 are ahead where that kernel needs
// several chunks (heads × size × tokens: see the lines of `bench -op attention`).
func wideHead(info gpu.Info, precision gpu.DType) int {
	if info.Class == gpu.ClassCPU {
		return 128/int(precision.Size()) + 8
	}
	return 256
}

// products says whether the form applies. Few tokens are not worth its dispatches.
func (c *attentionCall) products(info gpu.Info, precision gpu.DType) bool {
	_, tq, tk := c.tokens()
	return c.mask == Mask{} && gpu.Pad8(c.head) >= wideHead(info, precision) && min(tq, tk) >= 64
}

// recordProducts gives the dispatches; ok is false where no matmul fits.
func (c *attentionCall) recordProducts(r *gpu.Recorder, y *gpu.Tensor) (dispatches []gpu.Dispatch, ok bool, err error) {
	n, tq, tk := c.tokens()
	a := attentionProducts{attentionCall: c, y: y, tq: tq, tk: tk, width: gpu.Pad8(c.head)}
	a.rows = a.turn(r.Device().Info())
	panels := func(name string, k, n int) *gpu.Tensor {
		return r.NewTyped("attention."+name, r.Precision, 1, c.heads*k, panelColumns(n))
	}
	a.keys, a.values = panels("keys", a.width, gpu.Pad8(tk)), panels("values", gpu.Pad8(tk), a.width)
	a.scores = r.NewTyped("attention.scores", gpu.F32, 1, c.heads, a.rows, tk)
	a.probs = r.NewTyped("attention.probs", r.Precision, 1, c.heads, a.rows, tk)
	for item := range n {
		packed, err := a.pack(r, item)
		if err != nil {
			return nil, false, err
		}
		dispatches = append(dispatches, packed...)
		for _, rows := range ranges(tq, a.rows) {
			some, ok, err := a.some(r, item*tq+rows[0], item*tq+rows[1])
			if !ok || err != nil {
				return nil, false, err
			}
			dispatches = append(dispatches, some...)
		}
	}
	return dispatches, true, nil
}

// turn is the queries at a time.
func (a *attentionProducts) turn(info gpu.Info) int {
	most := scoresMost
	if info.Class == gpu.ClassCPU {
		most = scoresMostSoft
	}
	query := a.heads * gpu.Pad8(a.tk) * 4
	return min(a.tq, max(64, min(most, int(info.Limits.MaxBinding))/query/64*64))
}

// pack puts the keys and the values of an item into panels.
func (a *attentionProducts) pack(r *gpu.Recorder, item int) ([]gpu.Dispatch, error) {
	n := a.q.Shape[0]
	keys, err := a.panels(r, a.k, itemView(a.k, n, item, item+1), a.kAt, a.keys, true)
	if err != nil {
		return nil, err
	}
	values, err := a.panels(r, a.v, itemView(a.v, n, item, item+1), a.vAt, a.values, false)
	return []gpu.Dispatch{keys, values}, err
}

// panels packs the heads of x from column offset on, turned so that the tokens
// become the columns, or as they are.
func (a *attentionProducts) panels(r *gpu.Recorder, x *gpu.Tensor, view gpu.View, offset int, to *gpu.Tensor, turned bool) (gpu.Dispatch, error) {
	e := 16 / int(r.Precision.Size())
	spec := shaders.Spec{Const: map[string]int{"E": e}, Decl: map[string]string{}}
	variant := r.Precision.String()
	k := gpu.Pad8(a.tk)
	if turned {
		k, spec.Const["TURNED"] = a.width, 1
		variant += " turned"
	}
	if r.Precision == gpu.F32 {
		spec.Decl["turn"] = "fn turn(rows: Rows, k: u32) -> Panel { return Panel(rows[0][k], rows[1][k], rows[2][k], rows[3][k]); }"
	}
	kern, err := kernel("panels", variant, spec)
	vectors, blocks := a.width/e, ceilDiv(gpu.Pad8(a.tk), e)
	count := a.heads * blocks * vectors
	return gpu.Dispatch{
		Kernel: kern, Groups: grid(ceilDiv(count, 64)), Bind: []gpu.View{view, gpu.All(to)}, Bytes: float64(count*e) * 32,
		Params: gpu.Params{"count": count, "vectors": vectors, "blocks": blocks, "tokens": a.tk, "stride": x.Stride(), "offset": offset,
			"K": k, "step": a.step(to)},
	}, err
}

// step is the vectors of a head's panels.
func (a *attentionProducts) step(panels *gpu.Tensor) int {
	return int(panels.Bytes()) / 16 / a.heads
}

// some is the attention of queries lo to hi, counted over all items.
func (a *attentionProducts) some(r *gpu.Recorder, lo, hi int) (dispatches []gpu.Dispatch, ok bool, err error) {
	rows, stride := hi-lo, a.scores.Stride()
	size := r.Precision.Size()
	flops := 2 * float64(rows*a.heads*a.tk*a.head)
	scores := matmulBatch{
		m: rows, n: stride, k: a.width, count: a.heads, lda: a.q.Stride(), ldc: stride, floats: true, flops: flops,
		a: from(rowView(a.q, lo, hi), int64(a.qAt)*size), b: gpu.All(a.keys), c: gpu.All(a.scores),
		stepA: a.width, stepB: a.step(a.keys), stepC: rows * stride, bytes: float64(rows*a.heads*a.tk) * 4,
	}
	sums := matmulBatch{
		m: rows, n: a.width, k: stride, count: a.heads, lda: stride, ldc: a.y.Stride(), flops: flops,
		a: gpu.All(a.probs), b: gpu.All(a.values), c: rowView(a.y, lo, hi),
		stepA: rows * stride, stepB: a.step(a.values), stepC: a.width, bytes: float64(int64(rows*a.heads*a.tk) * size),
	}
	first, ok, err := scores.record(r)
	if !ok || err != nil {
		return nil, false, err
	}
	last, ok, err := sums.record(r)
	if !ok || err != nil {
		return nil, false, err
	}
	softmax, err := a.softmax(r, rows*a.heads)
	return append(append(first, softmax), last...), true, err
}

// softmax normalises rows of scores.
func (a *attentionProducts) softmax(r *gpu.Recorder, rows int) (gpu.Dispatch, error) {
	k, perGroup, err := softmaxKernel(r, gpu.F32)
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"rows": rows, "stride": a.scores.Stride(), "width": a.tk, "scale": 1 / math.Sqrt(float64(a.head))},
		Bind: []gpu.View{gpu.All(a.scores), gpu.All(a.probs)}, Groups: grid(ceilDiv(rows, perGroup)),
		Bytes: float64(rows*a.tk) * float64(4+r.Precision.Size()),
	}, err
}
