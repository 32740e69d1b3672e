package ops

import (
	"cmp"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// MostBeams is the most candidates that [Beams] gives of an item.
const MostBeams = 32

// Beams gives the k best continuations of each of N items that have so many beams: of
// x, f32 log-probabilities [N·beams, V] as [LogSoftmax] and [Penalize] make them, each
// with the sum so far of its beam, an f32 input scores [N·beams], added. The result is
// f32 [N, k, 3]: the sum, the token's id and the beam that it continues, from 0 on, in
// descending order of the sum; of equal ones in that of the beams, then of the ids. Sums
// near [Impossible] are of tokens that must not be chosen. NaN is never among them.
func Beams(r *gpu.Recorder, x, scores *gpu.Tensor, beams, k int) *gpu.Tensor {
	n := max(1, x.Rows()/max(1, beams))
	y := r.NewTyped("beams", gpu.F32, 1, n, max(1, k), 3)
	if r.Err() != nil {
		return y
	}
	c := beamsCall{x: x, scores: scores, y: y, n: n, beams: beams, k: k}
	op := gpu.Op{Kind: "beams", Label: r.Label("beams"), In: []*gpu.Tensor{x, scores}, Out: []*gpu.Tensor{y}, Judge: c.judge}
	err := c.check()
	if err == nil {
		op.Dispatches, err = c.record(r)
	}
	if err != nil {
		r.Fail(fmt.Errorf("beams: %w", err))
		return y
	}
	r.Do(op)
	return y
}

// beamsCall is one use of [Beams].
type beamsCall struct {
	x, scores, y *gpu.Tensor
	n, beams, k  int
}

func (c beamsCall) check() error {
	if err := checkLogits(c.x); err != nil {
		return err
	}
	if c.x.Type != gpu.F32 || c.beams < 1 || c.x.Rows() != c.n*c.beams {
		return fmt.Errorf("found %s (%s) of items with %d beams, expected f32 [items·beams V]", c.x, c.x.Type, c.beams)
	}
	if c.scores.Type != gpu.F32 || !c.scores.Dense() || c.scores.Rows()*c.scores.Width() != c.x.Rows() {
		return fmt.Errorf("the scores %s (%s) do not fit %s, expected dense f32 [%d]", c.scores, c.scores.Type, c.x, c.x.Rows())
	}
	if candidates := c.beams * c.x.Width(); c.k < 1 || c.k > min(MostBeams, candidates) {
		return fmt.Errorf("the %d best of %d candidates, expected 1 to %d", c.k, candidates, min(MostBeams, candidates))
	}
	return nil
}

// beamsBlock is how many vectors of four candidates make a block, of which the first
// kernel finds the best.
const beamsBlock = 16

// record finds the best of each block, then takes the best of all k times, each time with
// the next best of its block in its place.
func (c beamsCall) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	first, err := kernel("beams_blocks", "", shaders.Spec{Const: map[string]int{"BLOCK": beamsBlock}})
	if err != nil {
		return nil, err
	}
	second, err := wideKernel(r, "beams", "", shaders.Spec{Const: map[string]int{"BLOCK": beamsBlock}})
	if err != nil {
		return nil, err
	}
	chunks, err := itemChunks(r.Device(), c.n, c.x, c.y)
	if err != nil {
		return nil, err
	}
	vectors := c.x.Stride() / 4
	blocks := ceilDiv(vectors, beamsBlock)
	var dispatches []gpu.Dispatch
	for _, items := range chunks {
		lo, hi := items[0], items[1]
		count := (hi - lo) * c.beams * blocks
		best := r.NewTyped("beams.blocks", gpu.F32, 1, 16, ceilDiv(4*count, 16)) // in rows, of which there is a multiple of 16
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: first,
			Params: gpu.Params{"count": count, "vectors": vectors, "width": c.x.Width(), "blocks": blocks, "first": lo * c.beams},
			Bind:   []gpu.View{itemView(c.x, c.n, lo, hi), gpu.All(c.scores), gpu.All(best)},
			Groups: elementwise(count), Bytes: 16 * float64((hi-lo)*c.beams*vectors),
		}, gpu.Dispatch{
			Kernel: second,
			Params: gpu.Params{"items": hi - lo, "beams": c.beams, "vectors": vectors, "width": c.x.Width(), "blocks": blocks, "first": lo * c.beams, "wanted": c.k},
			Bind:   []gpu.View{itemView(c.x, c.n, lo, hi), gpu.All(c.scores), gpu.All(best), itemView(c.y, c.n, lo, hi)},
			Groups: grid(hi - lo), Bytes: 16 * float64(count),
		})
	}
	return dispatches, nil
}

// judge wants the tokens and beams to be the twin's, and compares the sums by numbers:
// beside ids they would not count.
func (c beamsCall) judge(in [][]float32, out []float32) (got []float32, want []float64, err error) {
	all, width := c.beams*c.x.Width(), c.x.Width()
	sums := make([]float32, all)
	for item := range c.n {
		order := make([]int, all)
		for i := range order {
			order[i] = i
			sums[i] = in[0][item*all+i] + in[1][item*c.beams+i/width]
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sums[b], sums[a]) })
		for k, i := range order[:c.k] {
			o := out[(item*c.k+k)*3:][:3]
			if int(o[1]) != i%width || int(o[2]) != i/width {
				return nil, nil, fmt.Errorf("item %d: choice %d is id %g of beam %g with %g, the twin's id %d of beam %d with %g", item, k, o[1], o[2], o[0], i%width, i/width, sums[i])
			}
			if sums[i] > LeastPossible {
				got, want = append(got, o[0]), append(want, float64(sums[i]))
			}
		}
	}
	return got, want, nil
}
