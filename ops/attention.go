package ops

import (
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
}

// check refuses lengths that are not of n items.
func (m Mask) check(n int) error {
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

// view is the lengths to bind.
func (m Mask) view(r *gpu.Recorder) gpu.View {
	if m.Lengths == nil {
		return gpu.All(r.Device().Dummy())
	}
	return gpu.All(m.Lengths)
}

// Attention is scaled dot-product self-attention over a fused qkv [N, …, 3·D]
// whose groups are the heads of q, then of k, then of v; tokens are all between
// N and the last, such as pixels. The result is [N, …, D] with the heads as groups: torch's scaled_dot_product_attention.
func Attention(r *gpu.Recorder, qkv *gpu.Tensor, heads int, mask Mask) *gpu.Tensor {
	c, ok := fusedCall(r, qkv, heads, mask)
	if !ok {
		return qkv
	}
	return c.record(r)
}

// AttentionProbs are the probabilities of Attention, [N, heads, T, T].
func AttentionProbs(r *gpu.Recorder, qkv *gpu.Tensor, heads int, mask Mask) *gpu.Tensor {
	c, ok := fusedCall(r, qkv, heads, mask)
	if !ok {
		return qkv
	}
	return c.recordProbs(r)
}

// CrossAttentionProbs are the probabilities of [CrossAttention] of q over k, without
// a mask: [N, heads, Tq, Tk].
func CrossAttentionProbs(r *gpu.Recorder, q, k *gpu.Tensor) *gpu.Tensor {
	c, ok := crossCall(r, q, k, k, Mask{})
	if !ok {
		return q
	}
	return c.recordProbs(r)
}

// CrossAttention is attention of q [N, …, D] over k and v [N, …, D], all with the heads as groups.
func CrossAttention(r *gpu.Recorder, q, k, v *gpu.Tensor, mask Mask) *gpu.Tensor {
	c, ok := crossCall(r, q, k, v, mask)
	if !ok {
		return q
	}
	return c.record(r)
}

func crossCall(r *gpu.Recorder, q, k, v *gpu.Tensor, mask Mask) (*attentionCall, bool) {
	if r.Err() != nil {
		return nil, false
	}
	if q.Groups != k.Groups || k.Groups != v.Groups || q.Width() != k.Width() || k.Width() != v.Width() ||
		k.Rows() != v.Rows() || q.Shape[0] != k.Shape[0] {
		r.Fail(fmt.Errorf("attention: q %v in %d heads, k %v in %d and v %v in %d do not match", q.Shape, q.Groups, k.Shape, k.Groups, v.Shape, v.Groups))
		return nil, false
	}
	if err := mask.check(q.Shape[0]); err != nil {
		r.Fail(err)
		return nil, false
	}
	return &attentionCall{q: q, k: k, v: v, heads: q.Groups, head: q.Width() / q.Groups, mask: mask}, true
}

// attentionCall names the operands of an attention: windows of head columns of
// q, k and v, which may be one tensor.
type attentionCall struct {
	q, k, v          *gpu.Tensor
	qAt, kAt, vAt    int // physical column of head 0
	qCol, kCol, vCol int // logical column of head 0
	heads, head      int // head: logical width of one
	mask             Mask
}

func fusedCall(r *gpu.Recorder, qkv *gpu.Tensor, heads int, mask Mask) (*attentionCall, bool) {
	if r.Err() != nil {
		return nil, false
	}
	if heads < 1 || qkv.Groups != 3*heads || len(qkv.Shape) < 3 {
		r.Fail(fmt.Errorf("attention: %s in %d groups is not q, k and v of %d heads", qkv, qkv.Groups, heads))
		return nil, false
	}
	if err := mask.check(qkv.Shape[0]); err != nil {
		r.Fail(err)
		return nil, false
	}
	head := qkv.Width() / qkv.Groups
	d, pd := heads*head, heads*gpu.Pad8(head)
	return &attentionCall{q: qkv, k: qkv, v: qkv, heads: heads, head: head, kAt: pd, vAt: 2 * pd, kCol: d, vCol: 2 * d, mask: mask}, true
}

func (c *attentionCall) tokens() (n, tq, tk int) {
	n = c.q.Shape[0]
	return n, c.q.Rows() / n, c.k.Rows() / n
}

// operands are q, k and v, each tensor once.
func (c *attentionCall) operands() []*gpu.Tensor {
	if c.q == c.k {
		return []*gpu.Tensor{c.q}
	}
	return []*gpu.Tensor{c.q, c.k, c.v}
}

// inputs are operands, then the lengths if there are any.
func (c *attentionCall) inputs(operands []*gpu.Tensor) []*gpu.Tensor {
	if c.mask.Lengths == nil {
		return operands
	}
	return append(slices.Clip(operands), c.mask.Lengths)
}

func (c *attentionCall) params() gpu.Params {
	_, tq, tk := c.tokens()
	return gpu.Params{
		"heads": c.heads, "width": gpu.Pad8(c.head), "Tq": tq, "Tk": tk,
		"q_stride": c.q.Stride(), "k_stride": c.k.Stride(), "q_offset": c.qAt, "k_offset": c.kAt,
		"flags": c.mask.Causal, "scale": math.Log2E / math.Sqrt(float64(c.head)),
	}
}

func (c *attentionCall) record(r *gpu.Recorder) *gpu.Tensor {
	y := r.New("attention", c.heads, reshaped(c.q.Shape, c.heads*c.head)...)
	op := gpu.Op{Kind: "attention", Label: r.Label("attention"), In: c.inputs(c.operands()), Out: []*gpu.Tensor{y},
		Rows: c.twin}
	t := r.Device().Traits()
	_, tq, _ := c.tokens()
	fused := c.fusedWay(r, y, chooseAttention(t, r.Precision, tq, gpu.Pad8(c.head)))
	products := c.productsWay(r, y)
	standard := fused
	if c.products(r) {
		standard = products.or(fused)
	}
	do(r, op, c.shape(), standard, func() []way {
		all := []way{fused}
		for _, v := range attentionCandidates(t, r.Precision, tq, gpu.Pad8(c.head)) {
			all = append(all, c.fusedWay(r, y, v))
		}
		if c.mask == (Mask{}) && c.manyTokens() {
			all = append(all, products)
		}
		return all
	})
	return y
}

// shape is what decides between the ways: items, queries × keys, heads × width, the mask.
func (c *attentionCall) shape() string {
	n, tq, tk := c.tokens()
	s := fmt.Sprintf("%dx%dx%d %dx%d%s", n, tq, tk, c.heads, c.head, c.mask.suffix())
	if c.mask.Causal {
		s += " causal"
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
	k, err := v.kernel(r.Precision, c.mask)
	if err != nil {
		return nil, err
	}
	chunks, err := itemChunks(r.Device(), n, append(c.operands(), y)...)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, part := range chunks {
		lo, hi := part[0], part[1]
		p := c.params()
		p["batch"], p["v_stride"], p["o_stride"], p["v_offset"], p["first"] = hi-lo, c.v.Stride(), y.Stride(), c.vAt, lo
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k, Params: p, Groups: [3]int{v.blocks(tq), c.heads, hi - lo},
			Bind:  []gpu.View{itemView(c.q, n, lo, hi), itemView(c.k, n, lo, hi), itemView(c.v, n, lo, hi), itemView(y, n, lo, hi), c.mask.view(r)},
			FLOPs: 4 * float64((hi-lo)*c.heads) * float64(tq) * float64(tk) * float64(c.head),
			Bytes: float64(hi-lo) * float64(itemBytes(c.q, n)+itemBytes(y, n)),
			Turns: v.turns(tk),
		})
	}
	return dispatches, nil
}

func (c *attentionCall) recordProbs(r *gpu.Recorder) *gpu.Tensor {
	n, tq, tk := c.tokens()
	y := r.New("attention_probs", 1, n, c.heads, tq, tk)
	k, err := kernel("attention_probs", r.Precision.String()+c.mask.suffix(), shaders.Spec{Forms: c.mask.forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "attention_probs", Label: r.Label("attention_probs"), In: c.inputs(c.operands()[:min(2, len(c.operands()))]), Out: []*gpu.Tensor{y},
		Rows: c.probsTwin}
	for _, rows := range rowChunks(r.Device(), y.Rows(), y) {
		p := c.params()
		p["p_stride"], p["first_row"], p["end_row"] = y.Stride(), rows[0], rows[1]
		n := rows[1] - rows[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: p, Groups: grid((n + 63) / 64),
			Bind:  []gpu.View{gpu.All(c.q), gpu.All(c.k), rowView(y, rows[0], rows[1]), c.mask.view(r)},
			FLOPs: 2 * float64(n) * float64(tk) * float64(c.head), Bytes: float64(c.q.Bytes()) + float64(n*y.Stride())*float64(y.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// twin is rows of the output, queries of all items, in f64.
func (c *attentionCall) twin(in [][]float32, rows []int) []float64 {
	_, tq, tk := c.tokens()
	d, v := c.heads*c.head, in[0]
	if c.q != c.k {
		v = in[2]
	}
	out := make([]float64, len(rows)*d)
	parallel(len(rows)*c.heads, func(i int) {
		row, h := rows[i/c.heads], i%c.heads
		o := out[i/c.heads*d+h*c.head:][:c.head]
		for j, w := range c.twinRow(in, row/tq, h, row%tq) {
			for e, x := range v[(row/tq*tk+j)*c.v.Width()+c.vCol+h*c.head:][:c.head] {
				o[e] += w * float64(x)
			}
		}
	})
	return out
}

// probsTwin is rows of the probabilities [N, heads, Tq, Tk] in f64.
func (c *attentionCall) probsTwin(in [][]float32, rows []int) []float64 {
	_, tq, tk := c.tokens()
	out := make([]float64, len(rows)*tk)
	parallel(len(rows), func(i int) {
		bh := rows[i] / tq
		copy(out[i*tk:], c.twinRow(in, bh/c.heads, bh%c.heads, rows[i]%tq))
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
	row := make([]float64, tk)
	qi := in[0][(b*tq+i)*c.q.Width()+c.qCol+h*c.head:][:c.head]
	for j := range row {
		row[j] = math.Inf(-1)
		if j < seen && (!c.mask.Causal || j <= i+tk-tq) {
			row[j] = dot(qi, k[(b*tk+j)*c.k.Width()+c.kCol+h*c.head:][:c.head]) / math.Sqrt(float64(c.head))
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

// attentionVariant is a kernel file with its constants.
type attentionVariant struct {
	Family string // "attention" (barrier-free) or "attention_flash" (workgroup memory)
	TR     int    // queries a lane (attention only)
	TD     int    // vectors in a chunk of the head
	Chunks int    // of the head; each has workgroups of its own, in attention_flash a thread for each query
}

func (v attentionVariant) String() string {
	if v.Family == "attention_flash" {
		return fmt.Sprintf("%dx%d", v.TD, v.Chunks)
	}
	return fmt.Sprintf("%dx%dx%d", v.TR, v.TD, v.Chunks)
}

// blocks is the workgroups in x for tq queries.
func (v attentionVariant) blocks(tq int) int {
	if v.Family == "attention_flash" {
		return ceilDiv(tq, v.queries())
	}
	return ceilDiv(tq, 8*v.TR) * v.Chunks
}

// queries of a workgroup of attention_flash, which has 256 threads at most.
func (v attentionVariant) queries() int { return min(64, 256/v.Chunks) }

// tile is the keys that attention_flash stages at once, as many up to 16 as the
// 16 KiB of workgroup memory hold that every adapter has, with the scores.
func (v attentionVariant) tile() int {
	keys := 16
	for keys > 1 && keys*v.Chunks*(16*v.TD+4*v.queries()) > 16<<10 {
		keys /= 2
	}
	return keys
}

// flashKeys is how many keys a turn of attention_flash's loops over a tile takes.
const flashKeys = 4

// turns of the kernel's loops over so many keys: for each block of four the keys
// twice, with several chunks those and the queries for each; for each tile that
// threads stage together, what they load twice and the keys three times.
func (v attentionVariant) turns(keys int) int {
	if v.Family == "attention_flash" {
		tile := v.tile()
		return ceilDiv(keys, tile) * (1 + 2*(1+ceilDiv(tile*v.TD, v.queries())) + 3*(1+ceilDiv(tile, flashKeys)))
	}
	queries := v.TR
	if v.Chunks == 1 {
		queries = 0
	}
	return ceilDiv(keys, 4)*(v.Chunks*(1+queries+4)+4+1) + 2*v.TR
}

// flash is the specification of attention_flash.
func (v attentionVariant) flash() shaders.Spec {
	threads, tile := v.Chunks*v.queries(), v.tile()
	return shaders.Spec{
		Const: map[string]int{
			"TD": v.TD, "PARTS": v.Chunks, "QUERIES": v.queries(), "THREADS": threads,
			"TB": tile, "AT": min(tile, flashKeys), "TILE": tile * v.Chunks * v.TD, "SCORES": tile * threads,
		},
		Workgroup: [3]int{threads, 1, 1},
	}
}

func (v attentionVariant) kernel(precision gpu.DType, mask Mask) (*gpu.Kernel, error) {
	var spec shaders.Spec
	if v.Family == "attention_flash" {
		spec = v.flash()
	} else {
		spec = shaders.Spec{Const: map[string]int{"TR": v.TR, "TD": v.TD, "CHUNKS": v.Chunks}}
	}
	spec.Forms = mask.forms(precision)
	return kernel(v.Family, fmt.Sprintf("%s %s%s", precision, v, mask.suffix()), spec)
}

// flashVectors is the most of a head that a thread of attention_flash holds: by
// `make isa`, with more of them a thread takes so many registers that AMD's GPUs
// run a few at once, and spills from 14 on.
const flashVectors = 10

// flashVariant is attention_flash for heads of hd elements with at most so many
// vectors a thread, as far as 16 threads share a query.
func flashVariant(hd, most int) attentionVariant {
	v := attentionVariant{Family: "attention_flash", Chunks: 1}
	for v.Chunks < 16 && ceilDiv(hd/4, v.Chunks) > most {
		v.Chunks *= 2
	}
	v.TD = ceilDiv(hd/4, v.Chunks)
	return v
}

// chooseAttention picks a variant for tq queries of heads of hd elements,
// padding included.
func chooseAttention(t gpu.Traits, precision gpu.DType, tq, hd int) attentionVariant {
	if t.CheapBarriers {
		return flashVariant(hd, flashVectors)
	}
	// A chunk is a divisor of the head, of at most 8 vectors. Few tokens take
	// half of that, since what counts then is the time to compile.
	vectors := hd * int(precision.Size()) / 16
	most := 8
	if tq <= 80 {
		most = 4
	}
	td := divisor(vectors, most)
	return attentionVariant{Family: "attention", TR: queriesPerLane(tq), TD: td, Chunks: vectors / td}
}

// divisor is the largest divisor of n up to most.
func divisor(n, most int) int {
	d := min(n, most)
	for n%d != 0 {
		d--
	}
	return d
}

// queriesPerLane takes, of 1 to 5 and for many of 8, the number that wastes
// fewest of the eight lanes, the larger of equals.
func queriesPerLane(tq int) int {
	counts := []int{1, 2, 3, 4, 5}
	if tq >= 512 {
		counts = append(counts, 8) // takes the driver longer to compile
	}
	best, waste := 1, math.Inf(1)
	for _, n := range counts {
		rows := (tq + 8*n - 1) / (8 * n) * 8 * n
		w := float64(rows) / float64(tq) * (1 + 0.5/float64(n)) // few queries a lane load each key more often
		if w <= waste {
			best, waste = n, w
		}
	}
	return best
}
