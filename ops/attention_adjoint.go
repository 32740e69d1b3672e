package ops

import (
	"errors"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// attentionAdjoint is the gradients of an attention's operands from g, that of its output o.
type attentionAdjoint struct {
	*attentionCall
	o, g  *gpu.Tensor
	grads []*gpu.Tensor // of operands, in their order; nil: not needed
	stats *gpu.Tensor   // what probabilities are computed anew from
}

// adjoint records the gradients of inputs, of which those of the operands come first.
func (c *attentionCall) adjoint(r *gpu.Recorder, o, g *gpu.Tensor, needed []bool) []*gpu.Tensor {
	a := attentionAdjoint{attentionCall: c, o: o, g: g}
	var out []*gpu.Tensor
	for i, t := range c.operands() {
		a.grads = append(a.grads, nil)
		if needed[i] {
			a.grads[i] = r.New("attention", t.Groups, t.Shape...)
			out = append(out, a.grads[i])
		}
	}
	n, tq, _ := c.tokens()
	a.stats = r.NewTyped("attention.stats", gpu.F32, 1, n*c.heads*tq, 2)
	all := make([]*gpu.Tensor, len(needed))
	copy(all, a.grads)
	if r.Err() != nil {
		return all
	}
	dispatches, err := a.record(r)
	if err != nil {
		r.Fail(fmt.Errorf("attention: %w", err))
		return all
	}
	r.Do(gpu.Op{Kind: "attention_adjoint", Label: r.Label("attention"), In: c.inputs(append(c.operands(), o, g)), Out: out, Twin: a.twin, Dispatches: dispatches})
	return all
}

// record gives the dispatches: the statistics, dq, then dk and dv.
func (a attentionAdjoint) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	n, tq, tk := a.tokens()
	switch {
	case a.bias != (attentionBias{}):
		return nil, errors.New("one with a bias has no adjoint: nothing before it can be trained")
	case a.q.Shape[0] != a.k.Shape[0]:
		return nil, fmt.Errorf("one of %d items of q to %d of k has no adjoint", a.q.Shape[0], a.k.Shape[0])
	case a.k == a.q && a.q.Groups != a.heads+2*a.heads/a.repeat || a.k != a.q && a.q.Groups != a.heads:
		return nil, fmt.Errorf("one of %d heads among %d groups of q has no adjoint", a.heads, a.q.Groups)
	}
	more := []*gpu.Tensor{a.o, a.g, a.stats}
	chunks, err := a.chunks(r, append(more, a.needed()...)...)
	if err != nil {
		return nil, err
	}
	var all []gpu.Dispatch
	for _, part := range chunks {
		lo, hi := part[0], part[1]
		q, k, v := itemView(a.q, n, lo, hi), itemView(a.k, n, lo, hi), itemView(a.v, n, lo, hi)
		o, g, stats := itemView(a.o, n, lo, hi), itemView(a.g, n, lo, hi), itemView(a.stats, n, lo, hi)
		work := 2 * float64((hi-lo)*a.heads) * float64(tq) * float64(tk) * float64(a.head)
		add := func(name string, tokens, heads int, products float64, y *gpu.Tensor, outputs string, bind ...gpu.View) error {
			kern, rows, err := a.kernel(r, name, outputs, tokens)
			if err != nil {
				return err
			}
			all = append(all, gpu.Dispatch{Kernel: kern, Params: a.params(y, lo), Bind: bind, Groups: [3]int{ceilDiv(tokens, rows), heads, hi - lo},
				FLOPs: products * work, Bytes: float64(hi-lo) * float64(itemBytes(a.q, n)+itemBytes(a.k, n)+itemBytes(y, n)), Turns: max(tq, tk)})
			return nil
		}
		err := add("attention_stats", tq, a.heads, 1, a.stats, "", q, k, o, g, a.mask.view(r), stats)
		dq, dk, dv := a.grads[0], a.grads[min(1, len(a.grads)-1)], a.grads[len(a.grads)-1]
		if err == nil && dq != nil {
			err = add("attention_adjoint", tq, a.heads, 3, dq, "", q, k, v, g, stats, a.mask.view(r), itemView(dq, n, lo, hi))
		}
		keys := func(outputs string, products float64, y *gpu.Tensor) {
			if err == nil && y != nil {
				err = add("attention_adjoint_keys", tk, a.heads/a.repeat, products, y, outputs, q, k, v, g, stats, a.mask.view(r), itemView(y, n, lo, hi))
			}
		}
		if dk == dv {
			keys("kv", 4, dk)
		} else {
			keys("k", 3, dk)
			keys("v", 2, dv)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// needed are the gradients that are.
func (a attentionAdjoint) needed() (all []*gpu.Tensor) {
	for _, t := range a.grads {
		if t != nil {
			all = append(all, t)
		}
	}
	return all
}

// kernel is one of the kernels, which of the keys' writes the outputs "k", "v" or both, and
// the tokens of its workgroups.
func (a attentionAdjoint) kernel(r *gpu.Recorder, name, outputs string, tokens int) (*gpu.Kernel, int, error) {
	vector := 8
	if r.Precision == gpu.F32 {
		vector = 4
	}
	vectors := gpu.Pad8(a.head) / vector
	lanes, rows, parts := 8, 3, 1 // of three the text is short enough for the cache, of one the loads take all the time
	if name == "attention_stats" {
		rows = 4
	}
	rows = max(1, min(rows, 64/(gpu.Pad8(a.head)/4)))
	if r.Device().Traits().ManyThreads {
		for parts < 64 && gpu.Pad8(a.head) > adjointPart*parts {
			parts *= 2
		}
		lanes, rows = 64/parts, 1
	}
	rows = min(rows, ceilDiv(tokens, lanes))
	td := ceilDiv(vectors, parts)
	spec := shaders.Spec{Const: map[string]int{"LANES": lanes, "TR": rows, "TD": td}, Forms: a.mask.forms(r.Precision), Workgroup: [3]int{lanes, parts, 1}}
	variant := fmt.Sprintf("%s %dx%dx%d", r.Precision, lanes, rows, td)
	if parts > 1 {
		spec.Const["PARTS"], spec.Const["LP"] = parts, lanes*parts
		spec.Forms = append(slices.Clip(spec.Forms), "parts")
		variant += fmt.Sprintf(" of %d parts", parts)
	}
	variant += a.mask.suffix()
	if r.Precision == gpu.F16 {
		spec.Const["TH"] = 2
	}
	switch outputs {
	case "k":
		spec.Const["VALUES"], variant = 0, variant+" keys"
	case "v":
		spec.Const["KEYS"], variant = 0, variant+" values"
	}
	k, err := kernel(name, variant, spec)
	return k, lanes * rows, err
}

// adjointPart is the elements of a head that a thread of the adjoint holds on GPUs: up to six
// vectors of them, beside what it loads, without a spill and with half the occupancy or more.
const adjointPart = 16

// params are those of all three kernels, of which y is the output, for items from first on.
func (a attentionAdjoint) params(y *gpu.Tensor, first int) gpu.Params {
	_, tq, tk := a.tokens()
	p := gpu.Params{
		"heads": a.heads, "repeat": a.repeat, "width": gpu.Pad8(a.head), "Tq": tq, "Tk": tk,
		"q_stride": a.q.Stride(), "k_stride": a.k.Stride(), "v_stride": a.v.Stride(), "o_stride": a.o.Stride(), "y_stride": y.Stride(),
		"q_offset": a.qAt, "k_offset": a.kAt, "v_offset": a.vAt,
		"flags": a.mask.flags(), "scale": a.exponent(), "gain": a.scale, "first": first,
	}
	return p
}

// twin is the gradients of the operands in f64.
func (a attentionAdjoint) twin(in [][]float32) [][]float64 {
	n, tq, tk := a.tokens()
	operands := a.operands()
	grads := make([][]float64, len(operands))
	for i, t := range operands {
		grads[i] = make([]float64, t.Rows()*t.Width())
	}
	at := func(x *gpu.Tensor) int {
		for i, t := range operands {
			if t == x {
				return i
			}
		}
		return 0
	}
	qs, ks, vs := at(a.q), at(a.k), at(a.v)
	os, gs := in[len(operands)], in[len(operands)+1]
	rest := append(append([][]float32{}, in[:len(operands)]...), in[len(operands)+2:]...) // as twinRow has them
	keys := a.heads / a.repeat
	parallel(n*keys, func(x int) { // heads of keys do not meet
		b, kh := x/keys, x%keys
		for h := kh * a.repeat; h < (kh+1)*a.repeat; h++ {
			for i := range tq {
				p := a.twinRow(rest, b, h, i)
				out := (b*tq+i)*a.heads*a.head + h*a.head
				g := gs[out:][:a.head]
				qAt := (b*tq+i)*a.q.Width() + a.qCol + h*a.head
				mean := dot(g, os[out:][:a.head])
				for j := range tk {
					kAt, vAt := (b*tk+j)*a.k.Width()+a.kCol+kh*a.head, (b*tk+j)*a.v.Width()+a.vCol+kh*a.head
					ds := p[j] * (dot(g, in[vs][vAt:][:a.head]) - mean) * a.scale
					for e := range a.head {
						grads[qs][qAt+e] += ds * float64(in[ks][kAt+e])
						grads[ks][kAt+e] += ds * float64(in[qs][qAt+e])
						grads[vs][vAt+e] += p[j] * float64(g[e])
					}
				}
			}
		}
	})
	var all [][]float64
	for i, g := range grads {
		if a.grads[i] != nil {
			all = append(all, g)
		}
	}
	return all
}
