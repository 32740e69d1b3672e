package gpu

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"saccade/gpu/internal/wgpu"
)

// Tuner has the programs of a device try all ways of their operations, on the
// values that a run gives them. A way must come to what the CPU computes before
// it is timed, whatever its speed. The right ones are timed by turns, so that a
// machine that changes its speed does not decide; one that is hopeless drops out.
// An operation that another of the same key has been tried for is not tried again.
type Tuner struct {
	Budget time.Duration // of all trials, after which operations are left; 0: as long as it takes
	Known  func(adapter Info, key string) bool
	Report func(adapter Info, found Tuned)

	mu    sync.Mutex
	spent time.Duration
	done  map[string]bool
	left  map[string]bool
}

// Tuned is what the tuner found out of an operation.
type Tuned struct {
	Key    string
	Label  string // of the first operation that has the key
	Trials []Trial
	Best   int // of the trials, of which 0 is the default; -1 if none is right
}

// Trial is what became of one way.
type Trial struct {
	Way     string
	Took    time.Duration // the median of a run; 0: it was not timed
	Ratio   float64       // of the first right one's time, the median of the rounds; 0: none
	NMSE    float64       // against the CPU
	Stopped bool          // it was so slow that it was not timed to the end
	Err     error         // why it could not win: it did not compile, or is wrong
}

const (
	tuneRounds  = 5
	tuneSample  = 4 * time.Millisecond // of a round, if the way takes less
	tuneRepeats = 100                  // at most, also of what takes no time that can be measured
	// hopeless is the ratio to the best from which a way is not timed any further.
	hopeless = 1.4
	// worthwhile is what a way's time must be of the default's to replace it: less is noise.
	worthwhile = 0.97
)

// wants says whether an operation is still to be tried.
func (t *Tuner) wants(adapter Info, key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.done[key] && (t.Known == nil || !t.Known(adapter, key))
}

// Left is how many operations the budget did not suffice for.
func (t *Tuner) Left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.left)
}

// take begins the trial of a key, if it is wanted and there is time.
func (t *Tuner) take(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done[key] {
		return false
	}
	if t.Budget > 0 && t.spent >= t.Budget {
		if t.left == nil {
			t.left = map[string]bool{}
		}
		t.left[key] = true
		return false
	}
	return true
}

// finish takes the outcome of the trial.
func (t *Tuner) finish(adapter Info, result Tuned, took time.Duration) {
	t.mu.Lock()
	t.spent += took
	if t.done == nil {
		t.done = map[string]bool{}
	}
	t.done[result.Key] = true
	t.mu.Unlock()
	if t.Report != nil {
		t.Report(adapter, result)
	}
}

// tune is a run that tries the ways of each operation before it goes on with
// what the best of them computed.
func (p *Program) tune(ctx context.Context, t *Tuner) error {
	for i, lo := 0, 0; i < len(p.ops); i++ {
		op := &p.ops[i]
		hi := lo + len(op.Dispatches)
		best := [2]int{lo, hi}
		if len(op.Others) > 0 && t.take(op.Key) {
			began := time.Now()
			trials, err := p.try(ctx, i, lo, hi)
			if err != nil {
				return fmt.Errorf("tuning %s: %w", op.Label, err)
			}
			result := outcome(op, trials)
			if result.Best >= 0 {
				best = [2]int{trials[result.Best].lo, trials[result.Best].hi}
			}
			t.finish(p.dev.info, result, time.Since(began))
		}
		if err := p.execute(ctx, best[0], best[1]); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// trial is a Trial under way.
type trial struct {
	Trial
	tolerance float64
	lo, hi    int // steps
	out       bool
	repeat    int             // runs in one measurement
	times     []time.Duration // of a run, round by round
}

// try proves all ways of operation i, then times those that are right by turns.
// The first right one, which is the default unless that is wrong, stays to the
// end: the others are compared with it.
func (p *Program) try(ctx context.Context, i, lo, hi int) ([]trial, error) {
	op := &p.ops[i]
	trials := []trial{{Trial: Trial{Way: op.Way}, tolerance: op.Tolerance, lo: lo, hi: hi}}
	for _, o := range p.others {
		if o.op == i {
			w := op.Others[o.way]
			trials = append(trials, trial{Trial: Trial{Way: w.Name, Err: w.Err}, tolerance: w.Tolerance, lo: o.lo, hi: o.hi, out: w.Err != nil})
		}
	}
	w, err := p.wanted(op, sampling{sampleFLOPs, sampleFLOPs})
	if err != nil {
		return nil, err
	}
	least := time.Duration(math.MaxInt64)
	for k := range trials {
		x := &trials[k]
		if x.out {
			continue
		}
		if err := p.prove(ctx, op, x, w); err != nil {
			return nil, err
		}
		if x.out {
			continue
		}
		for range 2 { // a first look; what seems hopeless gets another, since noise makes slow
			once, err := p.timeSteps(ctx, x.lo, x.hi, 1)
			if err != nil {
				return nil, err
			}
			if x.Took == 0 || once < x.Took {
				x.Took = once
			}
			if x.out = float64(x.Took) > 2*hopeless*float64(least); !x.out {
				break
			}
		}
		least = min(least, x.Took)
		x.repeat = max(1, min(tuneRepeats, int(tuneSample/max(1, x.Took))))
	}
	return trials, p.race(ctx, trials)
}

// prove runs a way once, over NaN, and compares what it stored with the CPU.
func (p *Program) prove(ctx context.Context, op *Op, x *trial, w wanted) error {
	if err := p.poisonOutputs(op); err != nil {
		return err
	}
	if err := p.execute(ctx, x.lo, x.hi); err != nil {
		return err
	}
	c := OpCheck{Op: op.Kind, Label: op.Label, Kernel: p.steps[x.lo].x.Kernel.String(), Allowed: x.tolerance}
	if err := p.compareOp(&c, op, w); err != nil {
		return err
	}
	x.NMSE, x.Err, x.out = c.NMSE, c.Err, c.Err != nil
	return nil
}

// poisonOutputs writes NaN where an operation stores, so that a way that leaves
// something out is not saved by what another left there.
func (p *Program) poisonOutputs(op *Op) error {
	p.dev.mu.Lock()
	defer p.dev.mu.Unlock()
	for _, t := range op.Out {
		if err := p.dev.queue.WriteBuffer(t.buf.b, uint64(t.off), poison(t.bytes)); err != nil {
			return fmt.Errorf("poisoning %s: %s", t, oneLine(err))
		}
	}
	return nil
}

// race times what is not out, round by round.
func (p *Program) race(ctx context.Context, trials []trial) error {
	first := slices.IndexFunc(trials, func(x trial) bool { return !x.out })
	if first < 0 || !slices.ContainsFunc(trials[first+1:], func(x trial) bool { return !x.out }) {
		return nil
	}
	least := time.Duration(math.MaxInt64)
	for range tuneRounds {
		for k := range trials {
			x := &trials[k]
			if x.out {
				continue
			}
			took, err := p.timeSteps(ctx, x.lo, x.hi, x.repeat)
			if err != nil {
				return err
			}
			x.times = append(x.times, took)
			least = min(least, took)
		}
		for k := range trials {
			x := &trials[k]
			if !x.out && k != first {
				x.out = float64(slices.Min(x.times)) > hopeless*float64(least)
			}
		}
	}
	for k := range trials {
		trials[k].sum(trials[first].times)
	}
	return nil
}

// sum finds the median time and that of the ratios to the default, whose times are given.
func (x *trial) sum(standard []time.Duration) {
	if len(x.times) == 0 {
		return
	}
	ratios := make([]float64, len(x.times))
	for i, t := range x.times {
		ratios[i] = float64(t) / float64(max(1, standard[i]))
	}
	slices.Sort(ratios)
	sorted := slices.Sorted(slices.Values(x.times))
	x.Took, x.Ratio = sorted[len(sorted)/2], ratios[len(ratios)/2]
}

// outcome names the best of what came to the end: the first that is right, unless
// another takes clearly less.
func outcome(op *Op, trials []trial) Tuned {
	result := Tuned{Key: op.Key, Label: op.Label, Best: -1}
	least := worthwhile
	for k, x := range trials {
		x.Stopped = x.out && x.Err == nil
		result.Trials = append(result.Trials, x.Trial)
		switch {
		case x.out:
		case result.Best < 0:
			result.Best = k
		case x.Ratio < least:
			result.Best, least = k, x.Ratio
		}
	}
	return result
}

// timeSteps is what steps lo to hi take, the mean of so many runs in a row: by
// timestamps, but by the clock where there are none or where so many dispatches at
// once could be too long for a driver.
func (p *Program) timeSteps(ctx context.Context, lo, hi, runs int) (time.Duration, error) {
	d := p.dev
	next, _ := p.chunkLocked(lo, hi)
	if !d.info.Timestamps || next < hi {
		began := time.Now()
		for range runs {
			if err := p.execute(ctx, lo, hi); err != nil {
				return 0, err
			}
		}
		return time.Since(began) / time.Duration(runs), ctx.Err()
	}
	d.mu.lockInTurn()
	defer d.mu.Unlock()
	if err := d.calibrate(); err != nil {
		return 0, err
	}
	ticks, err := d.timestamps(2, func(e *wgpu.CommandEncoder, q *wgpu.QuerySet) error {
		if err := e.WriteTimestamp(q, 0); err != nil {
			return err
		}
		for range runs {
			if err := p.encode(e, lo, hi); err != nil {
				return err
			}
		}
		return e.WriteTimestamp(q, 1)
	})
	if err != nil {
		return 0, fmt.Errorf("timing: %s", oneLine(err))
	}
	return time.Duration(float64(ticks[1]-ticks[0]) * d.period / float64(runs)), ctx.Err()
}

func (p *Program) chunkLocked(lo, hi int) (next int, work float64) {
	p.dev.mu.Lock()
	defer p.dev.mu.Unlock()
	return p.chunk(lo, hi)
}
