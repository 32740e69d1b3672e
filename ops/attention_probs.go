package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// AttentionProbs are the probabilities of Attention, [N, heads, T, T].
func AttentionProbs(r *gpu.Recorder, qkv *gpu.Tensor, heads int, mask Mask, options ...AttentionOption) *gpu.Tensor {
	c, ok := fusedCall(r, qkv, heads, mask, options)
	if !ok {
		return qkv
	}
	return c.recordProbs(r)
}

// CrossAttentionProbs are the probabilities of [CrossAttention] of q over k: [N, heads,
// Tq, Tk] for N items of k, Tq counting the queries of all items of q that attend to one.
func CrossAttentionProbs(r *gpu.Recorder, q, k *gpu.Tensor, mask Mask, options ...AttentionOption) *gpu.Tensor {
	c, ok := crossCall(r, q, k, k, mask, options)
	if !ok {
		return q
	}
	return c.recordProbs(r)
}

// KeyValueAttentionProbs are those of [KeyValueAttention], as [CrossAttentionProbs] has
// them.
func KeyValueAttentionProbs(r *gpu.Recorder, q *gpu.Tensor, heads int, kv *gpu.Tensor, mask Mask, options ...AttentionOption) *gpu.Tensor {
	c, ok := keyValueCall(r, q, heads, kv, mask, options)
	if !ok {
		return q
	}
	return c.recordProbs(r)
}

func (c *attentionCall) recordProbs(r *gpu.Recorder) *gpu.Tensor {
	n, tq, tk := c.tokens()
	y := r.New("attention_probs", 1, n, c.heads, tq, tk)
	spec, err := c.spec(r.Precision, shaders.Spec{}, biasDeclared)
	if err != nil {
		r.Fail(err)
		return y
	}
	k, err := kernel("attention_probs", r.Precision.String()+c.suffix(), spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "attention_probs", Label: r.Label("attention_probs"), In: c.inputs(c.operands()), Out: []*gpu.Tensor{y},
		Rows: c.probsTwin}
	for _, rows := range rowChunks(r.Device(), y.Rows(), y) {
		p := c.params(0)
		p["p_stride"], p["first_row"], p["end_row"] = y.Stride(), rows[0], rows[1]
		n := rows[1] - rows[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: p, Groups: grid((n + 63) / 64),
			Bind:  append([]gpu.View{gpu.All(c.q), gpu.All(c.k), rowView(y, rows[0], rows[1]), c.mask.view(r)}, c.bias.bind(r, 1, 0, 1)...),
			FLOPs: 2 * float64(n) * float64(tk) * float64(c.head), Bytes: float64(c.q.Bytes()) + float64(n*y.Stride())*float64(y.Type.Size()),
		})
	}
	r.Do(op)
	return y
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
