package gpu

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
)

// OpCheck is the outcome of recomputing one operation on the CPU.
type OpCheck struct {
	Op, Label, Kernel string
	NMSE              float64 // Σ(gpu−cpu)² / Σcpu² over all outputs
	MaxAbs            float64 // largest difference relative to the largest value
	Allowed           float64 // NMSE
	Rows              int     // how many of the output's rows were compared; 0: all
	Err               error   // what is wrong, or nil
}

// Default NMSE between an operation and its twin: rounding the output to a
// half gives about 8e-8; f32 sums of a few thousand terms about 1e-13.
const (
	ToleranceF16 = 1e-6
	ToleranceF32 = 1e-10
)

// Verify runs the program operation by operation, recomputes each from the
// GPU's own inputs by its twin, and reports them in order. An input that
// the operation changed and padding that is not zero are errors too. With
// stopAtFirst it ends at the first wrong one.
func (p *Program) Verify(ctx context.Context, in map[string]any, stopAtFirst bool) ([]OpCheck, error) {
	return p.verify(ctx, in, stopAtFirst, p.sampling())
}

// VerifySample is Verify that compares a sample of the rows of smaller operations
// too: programs that grow from row to row can be verified at every size.
func (p *Program) VerifySample(ctx context.Context, in map[string]any) ([]OpCheck, error) {
	s := p.sampling()
	s.most = min(s.most, sampleFLOPs)
	return p.verify(ctx, in, false, s)
}

func (p *Program) verify(ctx context.Context, in map[string]any, stopAtFirst bool, s sampling) ([]OpCheck, error) {
	if err := p.begin(ctx, in); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	var checks []OpCheck
	for i, lo := 0, 0; i < len(p.ops); i++ {
		hi := lo + len(p.ops[i].Dispatches)
		c, err := p.verifyOp(ctx, i, lo, hi, s)
		if err != nil {
			return checks, err
		}
		checks = append(checks, c)
		if c.Err != nil && stopAtFirst {
			break
		}
		lo = hi
	}
	return checks, nil
}

func (p *Program) verifyOp(ctx context.Context, i, lo, hi int, s sampling) (OpCheck, error) {
	op := &p.ops[i]
	c := OpCheck{Op: op.Kind, Label: op.Label, Allowed: op.Tolerance}
	if lo < hi {
		c.Kernel = p.steps[lo].x.Kernel.String()
	}
	w, err := p.wanted(op, s)
	if err != nil {
		return c, err
	}
	if err := p.execute(ctx, lo, hi); err != nil {
		return c, err
	}
	return c, p.compareOp(&c, op, w)
}

// wanted is what an operation should compute from what its inputs hold now.
type wanted struct {
	in     [][]byte
	values [][]float32 // that in holds
	out    [][]float64
	rows   []int // those that out has of an operation that has Rows
}

// wanted recomputes an operation on the CPU, or a sample of it.
func (p *Program) wanted(op *Op, s sampling) (w wanted, err error) {
	w.in = make([][]byte, len(op.In))
	w.values = make([][]float32, len(op.In))
	for k, t := range op.In {
		if w.in[k], err = p.dev.read(t); err != nil {
			return w, err
		}
		w.values[k] = t.decode(w.in[k])
	}
	switch {
	case op.Rows != nil:
		w.rows = op.sample(s)
		w.out = [][]float64{op.Rows(w.values, w.rows)}
	case op.Twin != nil:
		w.out = op.Twin(w.values)
	}
	return w, nil
}

// compareOp compares the outputs with what is wanted, and the inputs with what they were.
func (p *Program) compareOp(c *OpCheck, op *Op, w wanted) error {
	switch {
	case op.Judge != nil:
		if err := p.judge(c, op, w); err != nil {
			return err
		}
	case w.out == nil:
		c.Err = fmt.Errorf("%s (%s) has no CPU twin", op.Label, op.Kind)
		return nil
	case len(w.out) != len(op.Out):
		return fmt.Errorf("%s: the twin gives %d outputs, the operation %d", op.Label, len(w.out), len(op.Out))
	default:
		for k, t := range op.Out {
			if err := p.compareOutput(c, op, t, w.out[k], w.rows); err != nil {
				return err
			}
		}
	}
	for k, t := range op.In {
		after, err := p.dev.read(t)
		if err != nil {
			return err
		}
		if c.Err == nil && !slices.Contains(op.Out, t) && !bytes.Equal(w.in[k], after) { // a state may be both
			c.Err = fmt.Errorf("%s (%s, kernel %s) changed its input %s", op.Label, op.Kind, c.Kernel, t)
		}
	}
	return nil
}

// judge has an operation that chooses say what of its output is to be compared.
func (p *Program) judge(c *OpCheck, op *Op, w wanted) error {
	raw, err := p.dev.read(op.Out[0])
	if err != nil {
		return err
	}
	got, want, wrong := op.Judge(w.values, op.Out[0].decode(raw))
	if wrong != nil {
		c.NMSE, c.Err = math.Inf(1), fmt.Errorf("%s (%s, kernel %s): %w", op.Label, op.Kind, c.Kernel, wrong)
		return nil
	}
	c.compare(op, op.Out[0], got, want, raw)
	return nil
}

func (p *Program) compareOutput(c *OpCheck, op *Op, t *Tensor, want []float64, rows []int) error {
	raw, err := p.dev.read(t)
	if err != nil {
		return err
	}
	got := t.decode(raw)
	if len(rows) > 0 && len(rows) < t.Rows() {
		c.Rows, got = len(rows), pick(got, rows, t.Width())
	}
	if len(want) != len(got) {
		return fmt.Errorf("%s: the twin gives %d values for %s", op.Label, len(want), t)
	}
	c.compare(op, t, got, want, raw)
	return nil
}

// compare takes up how values of an output differ from those wanted, and whether its
// padding is zero.
func (c *OpCheck) compare(op *Op, t *Tensor, got []float32, want []float64, raw []byte) {
	if c.Allowed == 0 {
		c.Allowed = ToleranceF32
		if t.Type == F16 {
			c.Allowed = ToleranceF16
		}
	}
	nmse, maxAbs := difference(got, want)
	c.NMSE, c.MaxAbs = math.Max(c.NMSE, nmse), math.Max(c.MaxAbs, maxAbs)
	switch {
	case !(nmse <= c.Allowed):
		c.Err = fmt.Errorf("%s (%s, kernel %s): %s differs from the CPU by NMSE %.3g, allowed %.3g", op.Label, op.Kind, c.Kernel, t, nmse, c.Allowed)
	case !t.paddingClean(raw):
		c.Err = fmt.Errorf("%s (%s, kernel %s): %s has padding that is not zero", op.Label, op.Kind, c.Kernel, t)
	}
}

// Operations of more arithmetic than mostFLOPs, which a CPU core does in some
// seconds, are compared in a sample of about sampleFLOPs, of leastRows or more. In a
// program of more than mostOfAll, which takes a core minutes, each operation has an
// equal share of sampleOfAll.
const (
	mostFLOPs   = 6e9
	sampleFLOPs = 3e8
	mostOfAll   = 2e11
	sampleOfAll = 3e10
	leastRows   = 97
)

// sampling is how much arithmetic of an operation is recomputed: all of it up to most,
// else about so much.
type sampling struct{ most, about float64 }

// sampling is that of a program's operations.
func (p *Program) sampling() sampling {
	var all, n float64
	for i := range p.ops {
		if p.ops[i].Rows != nil {
			all += p.ops[i].flops()
			n++
		}
	}
	if all > mostOfAll {
		share := min(sampleFLOPs, sampleOfAll/n)
		return sampling{share, share}
	}
	return sampling{mostFLOPs, sampleFLOPs}
}

// flops is the arithmetic of an operation.
func (o *Op) flops() (n float64) {
	for _, x := range o.Dispatches {
		n += x.FLOPs
	}
	return n
}

// sample are the rows of the output to compare: all, or some that are spread over
// it, the first and the last among them.
func (o *Op) sample(s sampling) []int {
	if o.Rows == nil {
		return nil
	}
	work := o.flops()
	n := o.Out[0].Rows()
	count := n
	if work > s.most {
		count = min(n, max(leastRows, int(float64(n)*s.about/work)))
	}
	rows := make([]int, count)
	for i := range rows {
		if rows[i] = i; count > 1 {
			rows[i] = i * (n - 1) / (count - 1)
		}
	}
	return rows
}

// pick takes rows of a width out of values.
func pick(values []float32, rows []int, width int) []float32 {
	out := make([]float32, 0, len(rows)*width)
	for _, r := range rows {
		out = append(out, values[r*width:(r+1)*width]...)
	}
	return out
}

// difference is the NMSE and the largest difference relative to the largest
// wanted value. NaN anywhere gives NaN; a difference from all zeros, +Inf.
func difference(got []float32, want []float64) (nmse, maxAbs float64) {
	var num, den, worst, top float64
	for i, w := range want {
		e := float64(got[i]) - w
		num += e * e
		den += w * w
		worst, top = math.Max(worst, math.Abs(e)), math.Max(top, math.Abs(w))
	}
	if num == 0 {
		return 0, 0
	}
	return num / den, worst / top
}

// FindNonFinite runs the program again, operation by operation, and names the
// first whose output holds NaN or Inf; "" if none does.
func (p *Program) FindNonFinite(ctx context.Context, in map[string]any) (label string, err error) {
	if err := p.begin(ctx, in); err != nil {
		return "", err
	}
	defer p.mu.Unlock()
	for i, lo := 0, 0; i < len(p.ops); i++ {
		hi := lo + len(p.ops[i].Dispatches)
		if err := p.execute(ctx, lo, hi); err != nil {
			return "", err
		}
		for _, t := range p.ops[i].Out {
			raw, err := p.dev.read(t)
			if err != nil {
				return "", err
			}
			if firstNonFinite(t.decode(raw)) >= 0 {
				return p.ops[i].Label, nil
			}
		}
		lo = hi
	}
	return "", nil
}

// runWatched executes operation by operation for the debug words nan and dump.
func (p *Program) runWatched(ctx context.Context) error {
	for i, lo := 0, 0; i < len(p.ops); i++ {
		op := &p.ops[i]
		hi := lo + len(op.Dispatches)
		if err := p.execute(ctx, lo, hi); err != nil {
			return err
		}
		lo = hi
		dump := p.dev.opts.Debug.Dump == op.Label
		if !dump && !p.dev.opts.Debug.NaN {
			continue
		}
		for _, t := range op.Out {
			raw, err := p.dev.read(t)
			if err != nil {
				return err
			}
			v := t.decode(raw)
			if dump {
				p.dev.logf("%s", describeValues(t, v))
			}
			if at := firstNonFinite(v); at >= 0 && p.dev.opts.Debug.NaN {
				return fmt.Errorf("%s (%s): %s holds %v at %d", op.Label, op.Kind, t, v[at], at)
			}
		}
	}
	return nil
}

func describeValues(t *Tensor, v []float32) string {
	lo, hi, sum := math.Inf(1), math.Inf(-1), 0.0
	for _, x := range v {
		f := float64(x)
		lo, hi, sum = math.Min(lo, f), math.Max(hi, f), sum+f
	}
	return fmt.Sprintf("%s: min %g, max %g, mean %g, first %v", t, lo, hi, sum/float64(len(v)), v[:min(8, len(v))])
}
