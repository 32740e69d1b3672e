package gpu

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"saccade/gpu/internal/wgpu"
)

// Timing is what one dispatch took.
type Timing struct {
	Op, Label, Kernel string
	Shape             []int // of the operation's first output
	Groups            [3]int
	Took              time.Duration
	FLOPs, Saved      float64 // as in Dispatch
	Bytes             float64
}

// profileBatch is the most dispatches timed in one submit: two queries each, of at most 8192.
const profileBatch = 256

// Profile runs the program with a timestamp before and after each dispatch,
// or one submit a dispatch on adapters without timestamps.
func (p *Program) Profile(ctx context.Context, in map[string]any) ([]Timing, error) {
	if err := p.begin(ctx, in); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	d := p.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.calibrate(); err != nil {
		return nil, err
	}
	timings := make([]Timing, p.count)
	for i, s := range p.steps[:p.count] {
		op := p.ops[s.op]
		timings[i] = Timing{Op: op.Kind, Label: op.Label, Kernel: s.x.Kernel.String(), Groups: s.x.Groups, FLOPs: s.x.FLOPs, Saved: s.x.Saved, Bytes: s.x.Bytes}
		if len(op.Out) > 0 {
			timings[i].Shape = op.Out[0].Shape
		}
	}
	size := profileBatch
	if !d.info.Timestamps {
		size = 1
	}
	for lo := 0; lo < p.count; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		next, _ := p.chunk(lo, min(lo+size, p.count))
		if err := p.profileSteps(timings, lo, next); err != nil {
			return nil, fmt.Errorf("profiling: %s", oneLine(err))
		}
		lo = next
	}
	return timings, nil
}

func (p *Program) profileSteps(timings []Timing, lo, hi int) error {
	d := p.dev
	if !d.info.Timestamps {
		began := time.Now()
		if err := d.submit(func(e *wgpu.CommandEncoder) error { return p.encode(e, lo, hi) }); err != nil {
			return err
		}
		d.settle()
		timings[lo].Took = time.Since(began)
		return nil
	}
	ticks, err := d.timestamps(2*(hi-lo), func(e *wgpu.CommandEncoder, q *wgpu.QuerySet) error {
		for i := lo; i < hi; i++ {
			at := uint32(2 * (i - lo))
			if err := e.WriteTimestamp(q, at); err != nil {
				return err
			}
			if err := p.encode(e, i, i+1); err != nil {
				return err
			}
			if err := e.WriteTimestamp(q, at+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := lo; i < hi; i++ {
		k := 2 * (i - lo)
		timings[i].Took = time.Duration(float64(ticks[k+1]-ticks[k]) * d.period)
	}
	return nil
}

// timestamps submits what f encodes and returns the n timestamps it wrote. The caller holds d.mu.
func (d *Device) timestamps(n int, f func(*wgpu.CommandEncoder, *wgpu.QuerySet) error) ([]uint64, error) {
	q, err := d.dev.CreateQuerySet(&wgpu.QuerySetDescriptor{Type: wgpu.QueryTypeTimestamp, Count: uint32(n)})
	if err != nil {
		return nil, err
	}
	defer q.Release()
	size := int64(n * wgpu.QuerySize)
	resolved, err := d.newBuffer("timestamps", size, wgpu.BufferUsageQueryResolve|wgpu.BufferUsageCopySrc)
	if err != nil {
		return nil, err
	}
	defer resolved.releaseLocked()
	staging, err := d.newBuffer("timestamps", size, wgpu.BufferUsageMapRead|wgpu.BufferUsageCopyDst)
	if err != nil {
		return nil, err
	}
	defer staging.releaseLocked()
	err = d.submit(func(e *wgpu.CommandEncoder) error {
		if err := f(e, q); err != nil {
			return err
		}
		if err := e.ResolveQuerySet(q, 0, uint32(n), resolved.b, 0); err != nil {
			return err
		}
		return e.CopyBufferToBuffer(resolved.b, 0, staging.b, 0, uint64(size))
	})
	if err != nil {
		return nil, err
	}
	ticks := make([]uint64, n)
	err = staging.mapRead(size, func(raw []byte) {
		for i := range ticks {
			ticks[i] = binary.LittleEndian.Uint64(raw[i*8:])
		}
	})
	return ticks, err
}

// calibrate measures the nanoseconds of a tick, which the binding does not
// tell: two timestamps 20 ms apart against the clock. Within 3 % of one it is one.
// It does so once, where there are timestamps.
func (d *Device) calibrate() error {
	if !d.info.Timestamps || d.period > 0 {
		return nil
	}
	stamp := func() (uint64, time.Time, error) {
		ticks, err := d.timestamps(1, func(e *wgpu.CommandEncoder, q *wgpu.QuerySet) error { return e.WriteTimestamp(q, 0) })
		if err != nil {
			return 0, time.Time{}, err
		}
		return ticks[0], time.Now(), nil
	}
	if _, _, err := stamp(); err != nil {
		return err
	}
	t0, w0, err := stamp()
	if err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	t1, w1, err := stamp()
	if err != nil {
		return err
	}
	if t1 <= t0 {
		return fmt.Errorf("timestamps do not advance: %d after %d", t1, t0)
	}
	d.period = float64(w1.Sub(w0)) / float64(t1-t0)
	if d.period > 0.97 && d.period < 1.03 {
		d.period = 1
	}
	return nil
}
