package gpu

import (
	"fmt"
	"slices"
)

// Tape is what a recording keeps for a backward pass beside its operations.
type Tape struct {
	// Checkpoint has a backward pass record the segments a second time, so that what is
	// made within them need not be kept until then.
	Checkpoint bool
	// Compact has weights stand on the device once, as they are read: an operation that wants them
	// in another layout, as adjoints do, makes that when it needs it, among the activations.
	Compact bool
	// Again says that a segment is being recorded the second time: what its operations leave
	// behind for later runs, the first time did.
	Again bool

	segments []segment
}

// segment is a part of a recording that can be recorded again.
type segment struct {
	first, end int // operations
	in, out    *Tensor
	scope      []string
	record     func(x *Tensor) *Tensor
}

// Segment records f of x, such as a block of layers. f may be called again later, if the
// recording has a tape with Checkpoint: it must then record the same.
func (r *Recorder) Segment(x *Tensor, f func(x *Tensor) *Tensor) *Tensor {
	first := len(r.ops)
	y := f(x)
	if r.Tape != nil && r.Tape.Checkpoint && len(r.ops) > first {
		r.Tape.segments = append(r.Tape.segments, segment{first: first, end: len(r.ops), in: x, out: y, scope: slices.Clone(r.scope), record: f})
	}
	return y
}

// Backward records the gradients of y with regard to each of the tensors `of`, which
// operations read, from dy, that of y itself: each operation's Adjoint, from the last to the
// first, where there is a way from one of `of` to y. add records the sum of two gradients of
// a tensor. A tensor that y does not depend on has none, nil.
func (r *Recorder) Backward(y, dy *Tensor, of []*Tensor, add func(a, b *Tensor) *Tensor) []*Tensor {
	b := backward{r: r, add: add, needs: map[*Tensor]bool{}, grads: map[*Tensor]*Tensor{y: dy}}
	for _, t := range of {
		b.needs[t] = true
	}
	b.mark(0, len(r.ops))
	b.run(0, len(r.ops), true)
	grads := make([]*Tensor, len(of))
	for i, t := range of {
		grads[i] = b.grads[t]
	}
	return grads
}

// backward is a backward pass under way.
type backward struct {
	r     *Recorder
	add   func(a, b *Tensor) *Tensor
	needs map[*Tensor]bool    // tensors whose gradient is needed, as they depend on those asked for
	grads map[*Tensor]*Tensor // what is known of them so far
}

// mark finds what operations lo to hi make of tensors whose gradients are needed.
func (b *backward) mark(lo, hi int) {
	for _, op := range b.r.ops[lo:hi] {
		if slices.ContainsFunc(op.In, func(t *Tensor) bool { return b.needs[t] }) {
			for _, t := range op.Out {
				b.needs[t] = true
			}
		}
	}
}

// run records the adjoints of operations lo to hi, the last first. Of segments, if they
// are looked at, it records the operations again first.
func (b *backward) run(lo, hi int, segments bool) {
	for i := hi - 1; i >= lo && b.r.err == nil; i-- {
		if s := b.ending(i + 1); segments && s != nil {
			b.again(s)
			i = s.first
			continue
		}
		b.step(i)
	}
}

// ending is the segment that ends before operation i, nil if none does.
func (b *backward) ending(i int) *segment {
	t := b.r.Tape
	if t == nil {
		return nil
	}
	at := slices.IndexFunc(t.segments, func(s segment) bool { return s.end == i })
	if at < 0 {
		return nil
	}
	return &t.segments[at]
}

// again records a segment a second time and goes back through that.
func (b *backward) again(s *segment) {
	dy, r := b.grads[s.out], b.r
	if dy == nil || !b.needs[s.out] {
		return
	}
	scope, lo := r.scope, len(r.ops)
	r.scope = s.scope
	kept := r.Tape.segments
	r.Tape.segments, r.Tape.Again = nil, true // those within are a part of this one
	var y *Tensor
	r.Capture(Wants{Only: true}, func() { y = s.record(s.in) })
	r.Tape.segments, r.Tape.Again = kept, false
	r.scope = scope
	hi := len(r.ops)
	b.mark(lo, hi)
	b.grads[y] = dy
	b.run(lo, hi, false)
}

// step records the adjoint of an operation.
func (b *backward) step(i int) {
	op := b.r.ops[i]
	var dy *Tensor
	if len(op.Out) > 0 {
		dy = b.grads[op.Out[0]]
	}
	needs, some := make([]bool, len(op.In)), false
	for k, t := range op.In {
		needs[k] = b.needs[t]
		some = some || needs[k]
	}
	if dy == nil || !some {
		return
	}
	if op.Adjoint == nil {
		b.r.Fail(fmt.Errorf("%s (%s) has no adjoint: nothing before it can be trained", op.Label, op.Kind))
		return
	}
	kept := b.r.scope
	b.r.scope = []string{op.Label + "'"}
	for k, dx := range op.Adjoint(dy, needs) {
		switch x := op.In[k]; {
		case dx == nil || !needs[k]:
		case b.grads[x] == nil:
			b.grads[x] = dx
		default:
			b.grads[x] = b.add(b.grads[x], dx)
		}
	}
	b.r.scope = kept
}
