package gpu

import (
	"context"
	"fmt"
	"slices"
	"time"

	"saccade/gpu/internal/wgpu"
)

// pace estimates how long dispatches take, from those measured so far.
type pace struct {
	flopsPerSecond float64
}

// newPace starts from careful guesses; the first submits correct them.
func newPace(software bool) pace {
	if software {
		return pace{flopsPerSecond: 5e9}
	}
	return pace{flopsPerSecond: 200e9}
}

// cost is a dispatch's work in units comparable to floating-point operations:
// its arithmetic, its traffic at four operations a byte, and a fixed part.
func cost(x *Dispatch) float64 { return x.FLOPs + 4*x.Bytes + 1e5 }

func (p pace) estimate(work float64) time.Duration {
	return time.Duration(work / p.flopsPerSecond * 1e9)
}

// learn takes a measured submit into the estimate. A rate that was too high is
// corrected at once, one that was too low by halves: long submits are the danger.
func (p *pace) learn(work float64, took time.Duration) {
	if took <= 0 {
		return
	}
	rate := work / took.Seconds()
	if rate < p.flopsPerSecond {
		p.flopsPerSecond = rate
	} else {
		p.flopsPerSecond = (p.flopsPerSecond + rate) / 2
	}
}

// submit encodes with f and submits; the caller holds d.mu.
func (d *Device) submit(f func(*wgpu.CommandEncoder) error) error {
	e, err := d.dev.CreateCommandEncoder(nil)
	if err != nil {
		return err
	}
	defer e.Release()
	if err := f(e); err != nil {
		return err
	}
	cmd, err := e.Finish(nil)
	if err != nil {
		return err
	}
	defer cmd.Release()
	d.queue.Submit(cmd)
	d.stats.Submits++
	return nil
}

// Wait returns when all submitted work is done.
func (d *Device) Wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
}

// settle returns when all submitted work is done. The binding is never told to
// wait: after five seconds it goes on without a word as if all were done, and
// frees what the GPU still reads. A driver that compiles for seconds, or a
// process that was stopped and continued, crashes of it. The caller holds d.mu.
func (d *Device) settle() { d.pollUntil(func(idle bool) bool { return idle }) }

// pollUntil polls without waiting, at first in a row, then after pauses that
// grow with the time passed, until done; idle says that no work is under way.
// The caller holds d.mu, and the pauses are lent.
func (d *Device) pollUntil(done func(idle bool) bool) {
	began := time.Now()
	for !done(d.dev.Poll(false, nil)) {
		if passed := time.Since(began); passed > 50*time.Microsecond {
			d.mu.lend(func() { time.Sleep(min(passed/40, time.Millisecond)) })
		}
	}
}

// execute runs steps lo to hi in submits that are estimated to stay within the
// budget, and stops between two of them when ctx ends.
func (p *Program) execute(ctx context.Context, lo, hi int) error {
	for lo < hi {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := p.executeChunk(lo, hi)
		if err != nil {
			return err
		}
		lo = next
	}
	return ctx.Err()
}

// chunk is as many steps from lo as the budget allows, at least one, and their
// work. The caller holds d.mu.
func (p *Program) chunk(lo, hi int) (next int, work float64) {
	for next = lo; next < hi; next++ {
		w := cost(p.steps[next].x)
		if next > lo && p.dev.pace.estimate(work+w) > p.dev.opts.SubmitBudget {
			break
		}
		work += w
	}
	return next, work
}

// executeChunk submits a chunk of steps from lo, waits for it and learns from
// the time it took.
func (p *Program) executeChunk(lo, hi int) (next int, err error) {
	d := p.dev
	d.mu.lockInTurn()
	defer d.mu.Unlock()
	next, work := p.chunk(lo, hi)
	for _, s := range p.steps[lo:next] {
		d.stats.FLOPs += s.x.FLOPs
		d.stats.Saved += s.x.Saved
		d.stats.Bytes += s.x.Bytes
	}
	cold := slices.ContainsFunc(p.steps[lo:next], func(s step) bool { return !s.pipe.warm })
	began := time.Now()
	if err := d.submit(func(e *wgpu.CommandEncoder) error { return p.encode(e, lo, next) }); err != nil {
		return lo, fmt.Errorf("submitting %s: %s", p.ops[p.steps[lo].op].Label, oneLine(err))
	}
	if !p.warm || cold {
		d.settle()
		return next, nil
	}
	d.settle()
	d.pace.learn(work, time.Since(began))
	return next, nil
}

// encode puts steps lo to hi into one compute pass.
func (p *Program) encode(e *wgpu.CommandEncoder, lo, hi int) error {
	pass := e.BeginComputePass(nil)
	defer pass.Release()
	for i := lo; i < hi; i++ {
		p.encodeStep(pass, i)
	}
	return pass.End()
}

func (p *Program) encodeStep(pass *wgpu.ComputePassEncoder, i int) {
	s := &p.steps[i]
	if p.dev.opts.Debug.Dispatch {
		p.dev.logf("dispatch %4d %-40s %-32s %v", i, p.ops[s.op].Label, s.x.Kernel, s.x.Groups)
	}
	s.pipe.warm = true
	pass.SetPipeline(s.pipe.pipe)
	pass.SetBindGroup(0, s.group, nil)
	pass.DispatchWorkgroups(uint32(s.x.Groups[0]), uint32(s.x.Groups[1]), uint32(s.x.Groups[2]))
}
