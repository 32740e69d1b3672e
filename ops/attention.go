package ops

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Mask says which keys a query may see.
type Mask struct {
	// Causal lets query i see the keys up to i + Tk − Tq.
	Causal bool
	// Lengths, u32 [N], are how many keys of each item are seen, the first, at
	// least one: the others are padding. Nil: all.
	Lengths *gpu.Tensor
	// Tail has the queries be the last of the Lengths keys: with Causal, query i sees
	// the keys up to i + Lengths − Tq. So k and v may be states that grow, of which
	// [Append] has just written the last Tq tokens; Lengths are at least Tq then.
	Tail bool
}

// check refuses lengths that are not of n items.
func (m Mask) check(n int) error {
	if m.Tail && (!m.Causal || m.Lengths == nil) {
		return errors.New("attention: a tail is one of a causal mask with lengths, which it lacks")
	}
	if l := m.Lengths; l != nil && (l.Type != gpu.U32 || l.Rows()*l.Width() != n) {
		return fmt.Errorf("attention: lengths %s (%s) do not fit %d items, expected u32 [N]", l, l.Type, n)
	}
	return nil
}

// forms are those of a kernel that declares `fn limit`, for a precision.
func (m Mask) forms(precision gpu.DType) []string {
	all := forms(precision)
	if m.Lengths != nil {
		all = append(all, "lengths")
	}
	return all
}

// suffix names those forms, for tables.
func (m Mask) suffix() string {
	if m.Lengths != nil {
		return " lengths"
	}
	return ""
}

// flags are those of the kernels.
func (m Mask) flags() int {
	flags := 0
	if m.Causal {
		flags |= 1
	}
	if m.Tail {
		flags |= 2
	}
	return flags
}

// view is the lengths to bind.
func (m Mask) view(r *gpu.Recorder) gpu.View {
	if m.Lengths == nil {
		return gpu.All(r.Device().Dummy())
	}
	return gpu.All(m.Lengths)
}

// Attention is scaled dot-product self-attention over a fused qkv [N, …, D+2·K]
// whose groups are the heads of q, then of k, then of v, of which there may be fewer, as
// in [CrossAttention]; tokens are all between N and the last, such as pixels. The result is [N, …, D] with the heads as groups: torch's scaled_dot_product_attention.
func Attention(r *gpu.Recorder, qkv *gpu.Tensor, heads int, mask Mask, options ...AttentionOption) *gpu.Tensor {
	c, ok := fusedCall(r, qkv, heads, mask, options)
	if !ok {
		return qkv
	}
	return c.record(r)
}

// CrossAttention is attention of q [N, …, D] over k and v [N, …, D'], all with the heads
// as groups. k and v may have fewer heads, each then that of several neighbouring heads
// of q, as if it were repeated (torch's enable_gqa). q may have more items: the first
// N'/N of its N' items attend to the first of k and v, and so on, such as the beams of a
// text; not with a causal mask. The result has the shape of q.
func CrossAttention(r *gpu.Recorder, q, k, v *gpu.Tensor, mask Mask, options ...AttentionOption) *gpu.Tensor {
	c, ok := crossCall(r, q, k, v, mask, options)
	if !ok {
		return q
	}
	return c.record(r)
}

func crossCall(r *gpu.Recorder, q, k, v *gpu.Tensor, mask Mask, options []AttentionOption) (*attentionCall, bool) {
	if r.Err() != nil {
		return nil, false
	}
	if q.Groups%k.Groups != 0 || k.Groups != v.Groups || q.Width()/q.Groups != k.Width()/k.Groups || k.Width() != v.Width() ||
		k.Rows() != v.Rows() || k.Shape[0] != v.Shape[0] || q.Shape[0]%k.Shape[0] != 0 {
		r.Fail(fmt.Errorf("attention: q %v in %d heads, k %v in %d and v %v in %d do not match", q.Shape, q.Groups, k.Shape, k.Groups, v.Shape, v.Groups))
		return nil, false
	}
	if mask.Causal && q.Shape[0] != k.Shape[0] {
		r.Fail(fmt.Errorf("attention: a causal mask of %d items of q to %d of k, expected as many", q.Shape[0], k.Shape[0]))
		return nil, false
	}
	c := &attentionCall{q: q, k: k, v: v, heads: q.Groups, repeat: q.Groups / k.Groups, head: q.Width() / q.Groups, mask: mask}
	return c, c.take(r, options)
}

// take checks the mask and takes the options.
func (c *attentionCall) take(r *gpu.Recorder, options []AttentionOption) bool {
	c.scale = 1 / math.Sqrt(float64(c.head))
	for _, o := range options {
		o(c)
	}
	err := c.mask.check(c.k.Shape[0])
	if err == nil {
		err = c.bias.check(c)
	}
	if err == nil && !(c.scale > 0) {
		err = fmt.Errorf("attention: found a scale of %g, expected a positive one", c.scale)
	}
	if err != nil {
		r.Fail(err)
	}
	return err == nil
}

// AttentionOption says how an attention differs from torch's scaled_dot_product_attention.
type AttentionOption func(*attentionCall)

// AttentionScale is what products of queries and keys are multiplied by, in place of
// one by the root of a head's width.
func AttentionScale(s float64) AttentionOption { return func(c *attentionCall) { c.scale = s } }

// attentionCall names the operands of an attention: windows of head columns of
// q, k and v, which may be one tensor.
type attentionCall struct {
	q, k, v          *gpu.Tensor
	qAt, kAt, vAt    int // physical column of head 0
	qCol, kCol, vCol int // logical column of head 0
	heads, head      int // head: logical width of one
	repeat           int // heads of q that attend to one of k and v
	mask             Mask
	bias             attentionBias
	scale            float64 // of the products of queries and keys; see exponent
}

func fusedCall(r *gpu.Recorder, qkv *gpu.Tensor, heads int, mask Mask, options []AttentionOption) (*attentionCall, bool) {
	if r.Err() != nil {
		return nil, false
	}
	keys := 0
	if heads > 0 {
		keys = (qkv.Groups - heads) / 2
	}
	if keys < 1 || heads+2*keys != qkv.Groups || heads%keys != 0 || len(qkv.Shape) < 3 {
		r.Fail(fmt.Errorf("attention: %s in %d groups is not q, k and v of %d heads", qkv, qkv.Groups, heads))
		return nil, false
	}
	head := qkv.Width() / qkv.Groups
	c := &attentionCall{q: qkv, k: qkv, v: qkv, heads: heads, repeat: heads / keys, head: head, mask: mask}
	c.kAt, c.kCol = heads*gpu.Pad8(head), heads*head
	c.vAt, c.vCol = c.kAt+keys*gpu.Pad8(head), c.kCol+keys*head
	return c, c.take(r, options)
}

// KeyValueAttention is [CrossAttention] whose keys and values are one tensor kv
// [N, …, 2·K], keys first, and whose queries are the first heads of q [N', …, D or more],
// such as of a fused qkv.
func KeyValueAttention(r *gpu.Recorder, q *gpu.Tensor, heads int, kv *gpu.Tensor, mask Mask, options ...AttentionOption) *gpu.Tensor {
	c, ok := keyValueCall(r, q, heads, kv, mask, options)
	if !ok {
		return q
	}
	return c.record(r)
}

func keyValueCall(r *gpu.Recorder, q *gpu.Tensor, heads int, kv *gpu.Tensor, mask Mask, options []AttentionOption) (*attentionCall, bool) {
	if r.Err() != nil {
		return nil, false
	}
	keys, head := kv.Groups/2, q.Width()/q.Groups
	if heads < 1 || q.Groups < heads || keys < 1 || kv.Groups != 2*keys || heads%keys != 0 || kv.Width() != 2*keys*head || q.Shape[0]%kv.Shape[0] != 0 || mask.Causal && q.Shape[0] != kv.Shape[0] {
		r.Fail(fmt.Errorf("attention: q %v in %d groups, of which %d are heads, and k and v %v in %d do not match", q.Shape, q.Groups, heads, kv.Shape, kv.Groups))
		return nil, false
	}
	c := &attentionCall{q: q, k: kv, v: kv, heads: heads, repeat: heads / keys, head: head, vAt: keys * gpu.Pad8(head), vCol: keys * head, mask: mask}
	return c, c.take(r, options)
}

// tokens are the items of k and v, the queries to each, and the keys of each.
func (c *attentionCall) tokens() (n, tq, tk int) {
	n = c.k.Shape[0]
	return n, c.q.Rows() / n, c.k.Rows() / n
}

// operands are q, k and v, each tensor once.
func (c *attentionCall) operands() []*gpu.Tensor {
	switch c.k {
	case c.q:
		return []*gpu.Tensor{c.q}
	case c.v:
		return []*gpu.Tensor{c.q, c.k}
	}
	return []*gpu.Tensor{c.q, c.k, c.v}
}

// inputs are operands, then those of the bias, then the lengths if there are any.
func (c *attentionCall) inputs(operands []*gpu.Tensor) []*gpu.Tensor {
	all := append(slices.Clip(operands), c.bias.inputs()...)
	if c.mask.Lengths != nil {
		all = append(all, c.mask.Lengths)
	}
	return all
}

// spec has a kernel do what the call asks for beside its size: see [attentionBias.take].
func (c *attentionCall) spec(precision gpu.DType, s shaders.Spec, form int) (shaders.Spec, error) {
	s.Forms = c.mask.forms(precision)
	return c.bias.take(s, form)
}

// suffix names that, for tables.
func (c *attentionCall) suffix() string { return c.mask.suffix() + c.bias.suffix() }

// params are those that the kernels share, for items from first on.
func (c *attentionCall) params(first int) gpu.Params {
	_, tq, tk := c.tokens()
	p := gpu.Params{
		"heads": c.heads, "repeat": c.repeat, "width": gpu.Pad8(c.head), "Tq": tq, "Tk": tk,
		"q_stride": c.q.Stride(), "k_stride": c.k.Stride(), "q_offset": c.qAt, "k_offset": c.kAt,
		"flags": c.mask.flags(), "scale": c.exponent(),
	}
	c.bias.params(p, tk, first)
	return p
}

// exponent is the scale for kernels whose softmax is of powers of two, as all are.
func (c *attentionCall) exponent() float64 { return math.Log2E * c.scale }

func (c *attentionCall) record(r *gpu.Recorder) *gpu.Tensor {
	y := r.New("attention", c.heads, reshaped(c.q.Shape, c.heads*c.head)...)
	op := gpu.Op{Kind: "attention", Label: r.Label("attention"), In: c.inputs(c.operands()), Out: []*gpu.Tensor{y},
		Rows: c.twin}
	op.Adjoint = func(g *gpu.Tensor, needed []bool) []*gpu.Tensor { return c.adjoint(r, y, g, needed) }
	t := r.Device().Traits()
	_, tq, _ := c.tokens()
	fused := c.fusedWay(r, y, chooseAttention(t, r.Precision, tq, gpu.Pad8(c.head)))
	products := c.productsWay(r, y)
	few := c.fewWays(r, y)
	standard := fused
	switch {
	case c.products(r):
		standard = products.or(fused)
	case len(few) > 0 && tq <= fewQueries:
		standard = few[0]
	}
	do(r, op, c.shape(), standard, func() []way {
		all := append([]way{fused}, few...)
		for _, v := range attentionCandidates(t, r.Precision, tq, gpu.Pad8(c.head)) {
			all = append(all, c.fusedWay(r, y, v))
		}
		if c.plain() && c.manyTokens() {
			all = append(all, products)
		}
		return all
	})
	return y
}

// shape is what decides between the ways: items, queries × keys, heads × width, heads of keys, the mask.
func (c *attentionCall) shape() string {
	n, tq, tk := c.tokens()
	s := fmt.Sprintf("%dx%dx%d %dx%d%s", n, tq, tk, c.heads, c.head, c.suffix())
	if c.repeat > 1 {
		s += fmt.Sprintf(" keys %d", c.heads/c.repeat)
	}
	if c.mask.Causal {
		s += " causal"
	}
	if c.mask.Tail {
		s += " tail"
	}
	return s
}

// fusedWay is attention by a kernel that stores no scores.
func (c *attentionCall) fusedWay(r *gpu.Recorder, y *gpu.Tensor, v attentionVariant) way {
	return way{name: v.Family + " " + v.String(), record: func() ([]gpu.Dispatch, error) { return c.recordFused(r, y, v) }}
}

// recordFused gives the dispatches of a kernel that stores no scores.
func (c *attentionCall) recordFused(r *gpu.Recorder, y *gpu.Tensor, v attentionVariant) ([]gpu.Dispatch, error) {
	n, tq, tk := c.tokens()
	k, err := v.kernel(r, c)
	if err != nil {
		return nil, err
	}
	chunks, err := c.chunks(r, y)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, part := range chunks {
		lo, hi := part[0], part[1]
		p := c.params(lo)
		p["batch"], p["v_stride"], p["o_stride"], p["v_offset"] = hi-lo, c.v.Stride(), y.Stride(), c.vAt
		if v.Family == "attention" {
			p["columns"] = c.bias.columns()
		}
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k, Params: p, Groups: [3]int{v.blocks(tq), c.heads, hi - lo},
			Bind:  c.bind(r, y, lo, hi),
			FLOPs: 4 * float64((hi-lo)*c.heads) * float64(tq) * float64(tk) * float64(c.head),
			Bytes: float64(hi-lo) * float64(itemBytes(c.q, n)+itemBytes(y, n)),
			Turns: v.turns(tk, c.bias.columns()),
		})
	}
	return dispatches, nil
}

// chunks cuts the items into ranges of which every part fits a binding, with those of more tensors.
func (c *attentionCall) chunks(r *gpu.Recorder, more ...*gpu.Tensor) ([][2]int, error) {
	n, _, _ := c.tokens()
	all := append(c.operands(), more...)
	if c.bias.positions != nil {
		all = append(all, c.bias.positions)
	}
	return itemChunks(r.Device(), n, all...)
}

// bind are the buffers of the kernels that give o, for items lo to hi.
func (c *attentionCall) bind(r *gpu.Recorder, o *gpu.Tensor, lo, hi int) []gpu.View {
	n, _, _ := c.tokens()
	views := []gpu.View{itemView(c.q, n, lo, hi), itemView(c.k, n, lo, hi), itemView(c.v, n, lo, hi), itemView(o, n, lo, hi), c.mask.view(r)}
	return append(views, c.bias.bind(r, n, lo, hi)...)
}

// twin is rows of the output, queries of all items, in f64.
func (c *attentionCall) twin(in [][]float32, rows []int) []float64 {
	_, tq, tk := c.tokens()
	d := c.heads * c.head
	v := in[slices.Index(c.operands(), c.v)]
	out := make([]float64, len(rows)*d)
	parallel(len(rows)*c.heads, func(i int) {
		row, h := rows[i/c.heads], i%c.heads
		o := out[i/c.heads*d+h*c.head:][:c.head]
		for j, w := range c.twinRow(in, row/tq, h, row%tq) {
			for e, x := range v[(row/tq*tk+j)*c.v.Width()+c.vCol+h/c.repeat*c.head:][:c.head] {
				o[e] += w * float64(x)
			}
		}
	})
	return out
}

// twinRow is the probabilities of query i of item b in head h.
func (c *attentionCall) twinRow(in [][]float32, b, h, i int) []float64 {
	_, tq, tk := c.tokens()
	k, seen := in[0], tk
	if c.q != c.k {
		k = in[1]
	}
	if c.mask.Lengths != nil {
		seen = min(tk, int(in[len(in)-1][b]))
	}
	end := tk // of the keys, the last of which the last query sees
	if c.mask.Tail {
		end = seen
	}
	row := make([]float64, tk)
	qi := in[0][(b*tq+i)*c.q.Width()+c.qCol+h*c.head:][:c.head]
	for j := range row {
		row[j] = math.Inf(-1)
		if j < seen && (!c.mask.Causal || j <= i+end-tq) {
			row[j] = dot(qi, k[(b*tk+j)*c.k.Width()+c.kCol+h/c.repeat*c.head:][:c.head])*c.scale + c.bias.twin(in[len(c.operands()):], c.heads, tq, b, h, i, j)
		}
	}
	softmaxRow(row)
	return row
}

func dot(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
