package ops

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Sampling says from which distribution [Sample] draws: that of transformers'
// TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper and MinPLogitsWarper, in
// this order. A zero changes nothing.
type Sampling struct {
	Temperature float64 // divides the scores
	// TopK keeps the scores that are at least the k-th largest: more than k where some are equal.
	TopK int
	// TopP keeps a token if those more probable have less than this mass of what is left. Of
	// equally probable ones all stay or none, where transformers goes by the order of its sort.
	TopP float64
	MinP float64 // keeps tokens that have at least this part of the largest probability
}

// Greedy chooses the token of the largest score of each row of x [R, V]; of equal ones
// the lowest id. The result is f32 [R, 2]: the id and its log-probability, log_softmax
// of the scores at that id. In a row with NaN or +∞ the log-probability is NaN, in one
// where all is [Impossible] it is Impossible.
func Greedy(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return chooseCall{x: x, mode: chooseBest}.record(r)
}

// Sample draws a token of each row of x [R, V] by the numbers u, an f32 input [R] of
// numbers in 0 ≤ u < 1: the first id, in the order of the ids, up to which the
// probabilities sum to more than u. The result is as [Greedy]'s, with log-probabilities
// of the distribution that is drawn from.
func Sample(r *gpu.Recorder, x, u *gpu.Tensor, s Sampling) *gpu.Tensor {
	return chooseCall{x: x, u: u, s: s, mode: chooseDrawn}.record(r)
}

// Probabilities are those that [Sample] draws by, f32 of the shape of x. They are undefined
// in a row that has NaN or of which nothing is possible.
func Probabilities(r *gpu.Recorder, x *gpu.Tensor, s Sampling) *gpu.Tensor {
	return chooseCall{x: x, s: s, mode: chooseNone}.record(r)
}

// The modes of the kernel.
const (
	chooseBest  = iota // the id of the largest score
	chooseDrawn        // an id drawn
	chooseNone         // the probabilities
)

// chooseCall is one use of [Greedy], [Sample] or [Probabilities].
type chooseCall struct {
	x, u *gpu.Tensor
	s    Sampling
	mode int
}

func (c chooseCall) record(r *gpu.Recorder) *gpu.Tensor {
	shape := c.x.Shape
	if c.mode != chooseNone {
		shape = []int{c.x.Rows(), 2}
	}
	y := r.NewTyped("choose", gpu.F32, 1, shape...)
	if r.Err() != nil {
		return y
	}
	if err := c.check(); err != nil {
		r.Fail(fmt.Errorf("choose: %w", err))
		return y
	}
	k, err := c.kernel(r)
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "choose", Label: r.Label("choose"), In: []*gpu.Tensor{c.x}, Out: []*gpu.Tensor{y}, Judge: c.judge}
	u := r.Device().Dummy()
	if c.u != nil {
		u, op.In = c.u, append(op.In, c.u)
	}
	list := r.NewTyped("choose.list", gpu.F32, 1, c.x.Rows(), c.room(k))
	for _, rows := range rowChunks(r.Device(), c.x.Rows(), c.x, y, list) {
		n := rows[1] - rows[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"rows": n, "vectors": c.x.Stride() / 4, "width": c.x.Width(), "first": rows[0], "scale": math.Log2E / c.temperature(), "top_k": c.s.TopK, "top_p": c.s.TopP, "min_p": c.s.MinP, "span": c.span()},
			Bind:   []gpu.View{rowView(c.x, rows[0], rows[1]), gpu.All(u), rowView(list, rows[0], rows[1]), rowView(y, rows[0], rows[1])}, Groups: grid(n),
			Bytes: float64(n*c.x.Stride())*float64(c.x.Type.Size()) + float64(n*y.Stride())*4,
		})
	}
	r.Do(op)
	return y
}

func (c chooseCall) check() error {
	if err := checkLogits(c.x); err != nil {
		return err
	}
	if c.mode == chooseDrawn && (c.u == nil || c.u.Type != gpu.F32 || !c.u.Dense() || c.u.Rows()*c.u.Width() != c.x.Rows()) {
		return fmt.Errorf("the numbers %v do not fit %s, expected dense f32 [%d]", c.u, c.x, c.x.Rows())
	}
	s := c.s
	if !(s.Temperature >= 0) || s.Temperature != 0 && (s.Temperature < 1e-6 || s.Temperature > 1e6) {
		return fmt.Errorf("a temperature of %g, expected 1e-6 to 1e6, or 0 for none", s.Temperature)
	}
	if s.TopK < 0 || !(s.TopP >= 0 && s.TopP <= 1) || !(s.MinP >= 0 && s.MinP <= 1) {
		return fmt.Errorf("top-k %d, top-p %g and min-p %g, expected a number of at least 0 and parts of 0 to 1", s.TopK, s.TopP, s.MinP)
	}
	return nil
}

// topK and topP say whether the kernel need search for what is kept.
func (c chooseCall) topK() bool { return c.s.TopK > 0 && c.s.TopK < c.x.Width() }
func (c chooseCall) topP() bool { return c.s.TopP > 0 && c.s.TopP < 1 }

func (c chooseCall) temperature() float64 {
	if c.s.Temperature == 0 {
		return 1
	}
	return c.s.Temperature
}

// span is how far below the largest score, whose weight is 1, top-p may keep a token: all
// those further off have less than the part of the whole that it leaves out. The one more
// is for rounding.
func (c chooseCall) span() float64 {
	return c.temperature() * (1 + math.Log(float64(c.x.Width())/math.Max(1-c.s.TopP, 1e-7)))
}

// room is how many scores the kernel may list of a row.
func (c chooseCall) room(k *gpu.Kernel) int {
	if !c.topK() && !c.topP() {
		return 1
	}
	threads := k.Workgroup[0]
	return 4 * threads * ceilDiv(c.x.Stride()/4, threads)
}

func (c chooseCall) kernel(r *gpu.Recorder) (*gpu.Kernel, error) {
	spec := shaders.Spec{Forms: forms(c.x.Type)}.WithConst("MODE", c.mode)
	variant := c.x.Type.String() + []string{" best", " drawn", " probabilities"}[c.mode]
	if c.topK() {
		spec, variant = spec.WithConst("TOP_K", 1), variant+" k"
	}
	if c.topP() {
		spec, variant = spec.WithConst("TOP_P", 1), variant+" p"
	}
	return wideKernel(r, "choose", variant, spec)
}

// judge accepts each distribution whose bounds on mass are within rounding of those
// asked for, and a token drawn where the sum up to it or before it is within rounding of
// the number. Log-probabilities are compared less one, since they may be zero.
func (c chooseCall) judge(in [][]float32, out []float32) (got []float32, want []float64, err error) {
	width, rows := c.x.Width(), c.x.Rows()
	for row := range rows {
		scores := in[0][row*width : (row+1)*width]
		if c.mode == chooseNone {
			g := out[row*width : (row+1)*width]
			got, want = append(got, g...), append(want, c.nearest(scores, g)...)
			continue
		}
		id, logProb := int(out[2*row]), out[2*row+1]
		u := -1.0
		if c.mode == chooseDrawn {
			u = float64(in[1][row])
		}
		w, err := c.chosen(scores, id, u)
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", row, err)
		}
		got, want = append(got, logProb-1), append(want, w-1)
	}
	return got, want, nil
}

// even is how near to a bound sums of f32 may come to either side of it, of the whole.
const even = 1e-5

// chosen is the log-probability that a token should have, or why it is not the right one.
func (c chooseCall) chosen(scores []float32, id int, u float64) (float64, error) {
	if id < 0 || id >= len(scores) {
		return 0, fmt.Errorf("chose id %d of %d", id, len(scores))
	}
	best := largestScore(scores)
	if scores[best] <= LeastPossible {
		return Impossible, nil
	}
	if u < 0 {
		if id != best {
			return 0, fmt.Errorf("chose id %d of score %g, not %d of %g", id, scores[id], best, scores[best])
		}
		return math.Log(c.distribution(scores, 0)[id]), nil
	}
	for _, slack := range []float64{0, -even, even} {
		p, sum := c.distribution(scores, slack), 0.0
		for _, v := range p[:id] {
			sum += v
		}
		if p[id] > 0 && sum <= u+even && sum+p[id] >= u-even {
			return math.Log(p[id]), nil
		}
	}
	return 0, fmt.Errorf("drew id %d, which is not where probabilities sum to %g", id, u)
}

// nearest is the distribution, of those within rounding, that is nearest to got.
func (c chooseCall) nearest(scores, got []float32) []float64 {
	var best []float64
	least := math.Inf(1)
	for _, slack := range []float64{0, -even, even} {
		p, d := c.distribution(scores, slack), 0.0
		for i, v := range p {
			d += math.Abs(v - float64(got[i]))
		}
		if best == nil || d < least {
			best, least = p, d
		}
	}
	return best
}

// distribution has the probabilities of a row, with bounds on mass that are larger by slack.
func (c chooseCall) distribution(scores []float32, slack float64) []float64 {
	top := float64(scores[largestScore(scores)])
	p := make([]float64, len(scores))
	for i, v := range scores {
		if v > LeastPossible || v != v {
			p[i] = math.Exp((float64(v) - top) / c.temperature())
		}
	}
	order := descending(scores)
	if c.topK() {
		least := scores[order[c.s.TopK-1]]
		for i, v := range scores {
			if v < least {
				p[i] = 0
			}
		}
	}
	if c.topP() {
		keepMass(p, scores, order, c.s.TopP+slack)
	}
	least := c.s.MinP * (1 + slack)
	var sum float64
	for i := range p {
		if p[i] < least {
			p[i] = 0
		}
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// keepMass zeroes what has part or more of the mass of p among larger scores.
func keepMass(p []float64, scores []float32, order []int, part float64) {
	var sum, above float64
	for _, v := range p {
		sum += v
	}
	for lo := 0; lo < len(order); {
		hi, mass := lo, 0.0
		for hi < len(order) && scores[order[hi]] == scores[order[lo]] {
			mass += p[order[hi]]
			hi++
		}
		if above >= part*sum && lo > 0 {
			for _, i := range order[lo:hi] {
				p[i] = 0
			}
		}
		above += mass
		lo = max(hi, lo+1) // NaN is equal to nothing
	}
}

// descending are the ids in the order of their scores, equal ones in that of the ids.
func descending(scores []float32) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order
}

// largestScore is the first id of the largest score.
func largestScore(scores []float32) int {
	best := 0
	for i, v := range scores {
		if v > scores[best] {
			best = i
		}
	}
	return best
}
