package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"saccade/gpu"
	"saccade/shaders"
)

// Peak is what the adapter can do at most, measured in the run itself.
type Peak struct {
	GFLOPS float64 `json:"gflops"` // of chains of fused multiply-adds, two operations each
	GBPS   float64 `json:"gbps"`   // of a copy, 1e9 bytes read and written
}

// The size of the micro-kernels.
const (
	fmaTarget  = 5 * time.Millisecond // that a dispatch should take
	fmaWorkers = 1 << 16              // invocations on a software adapter
	copyBytes  = 64 << 20             // more than any cache
)

// fmaShapes are the micro-kernels tried, of which the fastest counts: a
// workgroup of one SIMD vector of a CPU, of a wavefront, of several; and fma of
// each chain in a round, few where registers and instruction caches are small.
var fmaShapes = []fmaShape{{8, 4}, {8, 6}, {8, 16}, {64, 4}, {64, 16}, {256, 16}}

type fmaShape struct{ group, unroll int }

// meter measures the peaks, again and again while the rows are timed.
type meter struct {
	dev     *gpu.Device
	fma     []*gpu.Program // by shape
	copying *gpu.Program
	source  *gpu.Tensor // what is copied
	best    int         // index of the fastest shape
	peak    Peak        // the highest seen
}

// newMeter makes the micro-kernels and measures them for the first time.
func newMeter(ctx context.Context, dev *gpu.Device) (*meter, error) {
	m := &meter{dev: dev}
	if err := m.open(ctx); err != nil {
		m.close()
		return nil, fmt.Errorf("measuring the adapter's peak: %w", err)
	}
	return m, nil
}

func (m *meter) open(ctx context.Context) error {
	rounds, err := m.calibrate(ctx)
	if err != nil {
		return err
	}
	for _, shape := range fmaShapes {
		if shape.group > m.dev.Info().Limits.MaxInvocations {
			break
		}
		p, err := m.newFMA(shape, max(1, rounds*fmaShapes[0].unroll/shape.unroll))
		if err != nil {
			return err
		}
		m.fma = append(m.fma, p)
	}
	if err := m.openCopy(); err != nil {
		return err
	}
	return m.survey(ctx)
}

// calibrate finds the rounds that take about fmaTarget.
func (m *meter) calibrate(ctx context.Context) (int, error) {
	const rounds = 8
	p, err := m.newFMA(fmaShapes[0], rounds)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	var took time.Duration
	for range 3 { // the first compiles
		if took, err = elapsed(ctx, p); err != nil {
			return 0, err
		}
	}
	return min(1<<16, max(1, int(rounds*float64(fmaTarget)/float64(max(took, 1))))), nil
}

// newFMA records the fma chains in a shape.
func (m *meter) newFMA(shape fmaShape, rounds int) (*gpu.Program, error) {
	text, err := shaders.Source("peak_fma", shaders.Spec{
		Const: map[string]int{"W": shape.group, "U": shape.unroll}, Workgroup: [3]int{shape.group, 1, 1},
	})
	if err != nil {
		return nil, err
	}
	k, err := gpu.ParseKernel("peak_fma", fmt.Sprint(shape.group, "x", shape.unroll), text)
	if err != nil {
		return nil, err
	}
	workers := fmaWorkers
	if !m.dev.Info().Software() {
		workers *= 16
	}
	r := m.dev.Record(gpu.F32)
	y := r.New("y", 1, workers/2, 8)
	r.Do(gpu.Op{Kind: "peak_fma", Out: []*gpu.Tensor{y}, Dispatches: []gpu.Dispatch{{
		Kernel: k, Params: gpu.Params{"count": workers, "rounds": rounds, "factor": 0.999, "term": 0.001},
		Bind: []gpu.View{gpu.All(y)}, Groups: spread(workers / shape.group),
		FLOPs: float64(workers) * float64(rounds*shape.unroll) * 32,
	}}})
	return r.Finish()
}

// openCopy records the copy, of as much as a binding holds.
func (m *meter) openCopy() error {
	text, err := shaders.Source("peak_copy", shaders.Spec{})
	if err != nil {
		return err
	}
	k, err := gpu.ParseKernel("peak_copy", "", text)
	if err != nil {
		return err
	}
	bytes := min(copyBytes, m.dev.Info().Limits.MaxBinding/1024*1024)
	m.source = m.dev.Reserve("x", []int{int(bytes / 4)}, gpu.F32, bytes)
	if err := m.source.Upload(func([]byte) error { return nil }); err != nil {
		return err
	}
	r := m.dev.Record(gpu.F32)
	y := r.New("y", 1, int(bytes/32), 8)
	count := int(bytes / 16)
	r.Do(gpu.Op{Kind: "peak_copy", Out: []*gpu.Tensor{y}, Dispatches: []gpu.Dispatch{{
		Kernel: k, Params: gpu.Params{"count": count}, Bind: []gpu.View{gpu.All(m.source), gpu.All(y)},
		Groups: spread((count + 63) / 64), Bytes: 2 * float64(bytes),
	}}})
	m.copying, err = r.Finish()
	return err
}

// spread puts n workgroups in two dimensions.
func spread(n int) [3]int {
	const most = 32768
	if n <= most {
		return [3]int{n, 1, 1}
	}
	return [3]int{most, (n + most - 1) / most, 1}
}

// survey measures every shape and the copy.
func (m *meter) survey(ctx context.Context) error {
	highest := 0.0
	for range 3 {
		for i := range m.fma {
			rate, err := m.rate(ctx, m.fma[i])
			if err != nil {
				return err
			}
			if rate > highest {
				highest, m.best = rate, i
			}
		}
		took, err := elapsed(ctx, m.copying)
		if err != nil {
			return err
		}
		m.peak.GBPS = max(m.peak.GBPS, 2*float64(m.source.Bytes())/took.Seconds()/1e9)
	}
	return nil
}

// now is the arithmetic peak of this moment in GFLOP/s, the best of three tries.
func (m *meter) now(ctx context.Context) (float64, error) {
	highest := 0.0
	for range 3 {
		rate, err := m.rate(ctx, m.fma[m.best])
		if err != nil {
			return 0, err
		}
		highest = max(highest, rate)
	}
	return highest, nil
}

// rate times the fma chains of a program, in GFLOP/s.
func (m *meter) rate(ctx context.Context, p *gpu.Program) (float64, error) {
	took, err := elapsed(ctx, p)
	if err != nil {
		return 0, err
	}
	flops, _ := p.FLOPs()
	rate := flops / took.Seconds() / 1e9
	m.peak.GFLOPS = max(m.peak.GFLOPS, rate)
	return rate, nil
}

// elapsed is the time of a program's dispatches.
func elapsed(ctx context.Context, p *gpu.Program) (time.Duration, error) {
	timings, err := p.Profile(ctx, nil)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, t := range timings {
		sum += t.Took
	}
	if sum <= 0 {
		return 0, fmt.Errorf("%s took no measurable time", timings[0].Kernel)
	}
	return sum, nil
}

func (m *meter) close() {
	for _, p := range slices.Concat(m.fma, []*gpu.Program{m.copying}) {
		if p != nil {
			p.Close()
		}
	}
	m.source.Release()
}
