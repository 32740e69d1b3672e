package ops

import (
	"errors"

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
	queries      *gpu.Tensor // the heads of an item in rows
	keys, values *gpu.Tensor // and in panels
	scores       *gpu.Tensor // f32 [heads, rows, tk]
	probs        *gpu.Tensor // the same, normalised
	rows         int         // queries at a time
}

// scoresMost is the most memory, in bytes, that the scores of one turn take, if no
// cache is to hold them: of one they take two thirds.
const scoresMost = 32 << 20

// wideHead is the padded head width from which two products take less time than
// a fused kernel: for the one in registers where it needs several chunks (lavapipe,
// halves, GFLOP/s, heads × size × tokens: 8×80×1024 from 10 to 20, 8×160×256 from 6 to
// 20, 1×256×256 from 5 to 28, 1×512×1024 from 3 to 45; f32 12×64×197 from 4 to 12). For
// the one in workgroup memory, not yet measured, where a query takes eight threads.
func wideHead(t gpu.Traits, precision gpu.DType) int {
	if t.CheapBarriers {
		return 256
	}
	return 128/int(precision.Size()) + 8
}

// products says whether the form applies. Few tokens are not worth its dispatches,
// unless those have fewer kernels for a slow compiler.
func (c *attentionCall) products(r *gpu.Recorder) bool {
	t := r.Device().Traits()
	if !c.plain() || gpu.Pad8(c.head) < wideHead(t, r.Precision) {
		return false
	}
	return c.manyTokens() || t.SlowCompiler && epilogue{}.recorded(r, "attention_panels", r.Precision.String())
}

// plain says whether the form can be had: it has no masks and no bias, and a head of keys
// for each of queries.
func (c *attentionCall) plain() bool {
	return c.mask == (Mask{}) && c.bias == (attentionBias{}) && c.repeat == 1
}

// manyTokens says whether the form's dispatches have enough to do.
func (c *attentionCall) manyTokens() bool {
	_, tq, tk := c.tokens()
	return min(tq, tk) >= 64
}

// productsWay is attention in that form.
func (c *attentionCall) productsWay(r *gpu.Recorder, y *gpu.Tensor) way {
	return way{name: "products", record: func() ([]gpu.Dispatch, error) {
		dispatches, ok, err := c.recordProducts(r, y)
		if !ok && err == nil {
			err = errNoWindow
		}
		return dispatches, err
	}}
}

// errNoWindow says that a matmul of a batch fits no windows of the adapter.
var errNoWindow = errors.New("the matrices of the heads fit no windows of this adapter")

// recordProducts gives the dispatches; ok is false where no matmul fits.
func (c *attentionCall) recordProducts(r *gpu.Recorder, y *gpu.Tensor) (dispatches []gpu.Dispatch, ok bool, err error) {
	n, tq, tk := c.tokens()
	a := attentionProducts{attentionCall: c, y: y, tq: tq, tk: tk, width: gpu.Pad8(c.head)}
	a.rows = a.turn(r.Device().Traits())
	panels := func(name string, k, n int) *gpu.Tensor {
		return r.NewTyped("attention."+name, r.Precision, 1, c.heads*k, panelColumns(n))
	}
	a.queries = r.NewTyped("attention.queries", r.Precision, 1, c.heads, gpu.Pad8(tq), a.width)
	a.keys, a.values = panels("keys", a.width, gpu.Pad8(tk)), panels("values", gpu.Pad8(tk), a.width)
	a.scores = r.NewTyped("attention.scores", gpu.F32, 1, c.heads, gpu.Pad8(a.rows), tk)
	a.probs = r.NewTyped("attention.probs", r.Precision, 1, c.heads, gpu.Pad8(a.rows), tk)
	for item := range n {
		packed, ok, err := a.pack(r, item)
		if !ok || err != nil {
			return nil, false, err
		}
		dispatches = append(dispatches, packed...)
		for _, rows := range ranges(tq, a.rows) {
			some, ok, err := a.some(r, item, rows[0], rows[1])
			if !ok || err != nil {
				return nil, false, err
			}
			dispatches = append(dispatches, some...)
		}
	}
	return dispatches, true, nil
}

// turn is the queries at a time.
func (a *attentionProducts) turn(t gpu.Traits) int {
	most := cached(t, scoresMost, t.Cache*2/3)
	query := a.heads * gpu.Pad8(a.tk) * 4
	return min(a.tq, max(64, min(most, int(t.MaxBinding))/query/64*64))
}

// pack puts the heads of an item together: the queries of each in rows, the
// keys and the values in panels.
func (a *attentionProducts) pack(r *gpu.Recorder, item int) (dispatches []gpu.Dispatch, ok bool, err error) {
	for _, p := range []packedHeads{
		{x: a.q, offset: a.qAt, tokens: a.tq, k: gpu.Pad8(a.tq), lanes: a.width * int(r.Precision.Size()) / 16, to: a.queries},
		{x: a.k, offset: a.kAt, tokens: a.tk, k: a.width, lanes: 8, to: a.keys, turned: true},
		{x: a.v, offset: a.vAt, tokens: a.tk, k: gpu.Pad8(a.tk), lanes: 8, to: a.values},
	} {
		view, ok := a.view(r.Device().Traits(), &p, item)
		if !ok {
			return nil, false, nil
		}
		d, err := a.packHeads(r, view, p)
		if err != nil {
			return nil, false, err
		}
		dispatches = append(dispatches, d)
	}
	return dispatches, true, nil
}

// packedHeads is what the kernel attention_panels does with one operand.
type packedHeads struct {
	x      *gpu.Tensor
	offset int // elements to head 0
	tokens int // of an item
	k      int // rows of a panel
	lanes  int // 16-byte vectors of a row
	turned bool
	to     *gpu.Tensor
}

// view is what to bind for an item: all, which has no need of alignment, or
// where that is too large a window. It moves the offset.
func (a *attentionProducts) view(t gpu.Traits, h *packedHeads, item int) (v gpu.View, ok bool) {
	if h.x.Bytes() <= t.MaxBinding {
		h.offset += item * h.tokens * h.x.Stride()
		return gpu.All(h.x), true
	}
	v = itemView(h.x, a.k.Shape[0], item, item+1)
	return v, v.Size <= t.MaxBinding && v.Offset%int64(max(1, t.OffsetAlignment)) == 0
}

func (a *attentionProducts) packHeads(r *gpu.Recorder, view gpu.View, h packedHeads) (gpu.Dispatch, error) {
	e := 16 / int(r.Precision.Size())
	spec := shaders.Spec{Forms: forms(r.Precision)}
	variant := r.Precision.String()
	if h.turned {
		spec = spec.WithConst("TURNED", 1)
		variant += " turned"
	}
	kern, err := kernel("attention_panels", variant, spec)
	vectors, blocks := a.width/e, ceilDiv(gpu.Pad8(h.tokens), e)
	count := a.heads * blocks * vectors
	return gpu.Dispatch{
		Kernel: kern, Groups: grid(ceilDiv(count, 64)), Bytes: float64(count*e) * 32,
		Bind: []gpu.View{view, gpu.All(h.to)},
		Params: gpu.Params{"count": count, "vectors": vectors, "blocks": blocks, "tokens": h.tokens, "stride": h.x.Stride(), "offset": h.offset,
			"K": h.k, "step": a.step(h.to), "lanes": h.lanes},
	}, err
}

// step is the vectors of a head of packed operands.
func (a *attentionProducts) step(packed *gpu.Tensor) int {
	return packed.Rows() / a.heads * packed.Stride() * int(packed.Type.Size()) / 16
}

// some is the attention of queries lo to hi of an item.
func (a *attentionProducts) some(r *gpu.Recorder, item, lo, hi int) (dispatches []gpu.Dispatch, ok bool, err error) {
	rows, stride := hi-lo, a.scores.Stride()
	step := gpu.Pad8(rows) * stride // from head to head, so that windows begin aligned
	size := r.Precision.Size()
	flops := 2 * float64(rows*a.heads*a.tk*a.head)
	scores := matmulBatch{
		m: rows, n: stride, k: a.width, count: a.heads, lda: a.width, ldc: stride, floats: true, flops: flops,
		a: from(gpu.All(a.queries), int64(lo*a.width)*size), b: gpu.All(a.keys), c: gpu.All(a.scores),
		stepA: gpu.Pad8(a.tq) * a.width, stepB: a.step(a.keys), stepC: step, bytes: float64(rows*a.heads*a.tk) * 4,
	}
	sums := matmulBatch{
		m: rows, n: a.width, k: stride, count: a.heads, lda: stride, ldc: a.y.Stride(), flops: flops,
		a: gpu.All(a.probs), b: gpu.All(a.values), c: rowView(a.y, item*a.tq+lo, item*a.tq+hi),
		stepA: step, stepB: a.step(a.values), stepC: a.width, bytes: float64(int64(rows*a.heads*a.tk) * size),
	}
	first, ok, err := scores.record(r)
	if !ok || err != nil {
		return nil, false, err
	}
	last, ok, err := sums.record(r)
	if !ok || err != nil {
		return nil, false, err
	}
	softmax, err := a.softmax(r, gpu.Pad8(rows)*a.heads)
	return append(append(first, softmax), last...), true, err
}

// softmax normalises rows of scores.
func (a *attentionProducts) softmax(r *gpu.Recorder, rows int) (gpu.Dispatch, error) {
	k, perGroup, err := softmaxKernel(r, gpu.F32)
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"rows": rows, "stride": a.scores.Stride(), "width": a.tk, "scale": a.exponent()},
		Bind: []gpu.View{gpu.All(a.scores), gpu.All(a.probs)}, Groups: grid(ceilDiv(rows, perGroup)),
		Bytes: float64(rows*a.tk) * float64(4+r.Precision.Size()),
	}, err
}
