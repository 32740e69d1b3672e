//go:build !headless && linux

package viewer

import (
	"context"
	"fmt"
	"image"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-gl/glfw/v3.3/glfw"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/viewer/viewertest"
)

// spin keeps the device busy: p.turns additions an invocation.
const spin = `
struct Params { turns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var sum = c[id.x];
  for (var i = 0u; i < p.turns; i++) { sum = sum * 0.999 + 1.0; }
  c[id.x] = sum;
}`

// step is a program of many dispatches, which take the device a while.
func step(t *testing.T, d *gpu.Device) *gpu.Program {
	t.Helper()
	k, err := gpu.ParseKernel("spin", "", spin)
	require.NoError(t, err)
	r := d.Record(gpu.F32)
	const rows, turns = 4096, 250
	for i := range 64 {
		x := r.New(fmt.Sprintf("x%d", i), 1, rows, 8)
		r.Do(gpu.Op{Kind: "spin", Out: []*gpu.Tensor{x}, Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"turns": turns},
			Bind: []gpu.View{gpu.All(x)}, Groups: [3]int{rows * 8 / 64}, FLOPs: 2 * turns * rows * 8}}})
	}
	p, err := r.Finish()
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// The window answers, and draws, while steps of a second occupy the device.
func TestWindowWhileStepsRun(t *testing.T) {
	viewertest.Open(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{SubmitBudget: 50 * time.Millisecond})
	p := step(t, d)
	f := newFake()
	f.view = middleOfRun(t, d)
	v, closed := opened(t, d, f, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	running := make(chan error, 1)
	ended := false
	end := func() {
		if cancel(); !ended {
			ended = true
			require.NoError(t, <-running)
		}
	}
	defer end() // before the program is closed
	var steps atomic.Int32
	began := time.Now()
	go func() {
		for ctx.Err() == nil {
			for from := time.Now(); time.Since(from) < time.Second; { // a step, on a fast adapter too
				if _, err := p.Run(ctx, nil); err != nil && ctx.Err() == nil {
					running <- err
					return
				}
			}
			steps.Add(1)
			f.change(func(v *View) { v.Step++ })
		}
		running <- nil
	}()
	for steps.Load() < 1 { // the first compiles
		time.Sleep(time.Millisecond)
	}
	before, from := v.Stats(), time.Now()
	var toSession, toScreen []time.Duration
	for range 20 {
		commands, frames, at := len(f.got()), v.Stats().Frames, time.Now()
		v.press('+') // as a callback of the window's thread does
		for len(f.got()) == commands {
			time.Sleep(100 * time.Microsecond)
		}
		toSession = append(toSession, time.Since(at))
		for v.Stats().Frames == frames {
			time.Sleep(100 * time.Microsecond)
		}
		toScreen = append(toScreen, time.Since(at))
	}
	time.Sleep(time.Second)
	for range 40 { // as many frames as there can be
		f.change(func(v *View) { v.Notice = time.Now().String() })
		time.Sleep(25 * time.Millisecond)
	}
	after, took := v.Stats(), time.Since(from).Seconds()
	slices.Sort(toSession)
	slices.Sort(toScreen)
	t.Logf("%s a step; %.1f waits for events a second, longest gap %v; %.1f frames a second; key to session: median %v, longest %v; to the next frame: median %v, longest %v",
		span(time.Since(began)/time.Duration(max(1, steps.Load()))), float64(after.Waits-before.Waits)/took, after.LongestGap, float64(after.Frames-before.Frames)/took,
		toSession[10], toSession[19], toScreen[10], toScreen[19])
	// A step takes a second at least: a window that waited for steps would handle events once a step.
	require.Greater(t, after.Waits-before.Waits, 2*int(steps.Load()), "events are handled while a step runs")
	at := time.Now()
	require.NoError(t, closed())
	t.Logf("closed in %v", time.Since(at))
	at = time.Now()
	end()
	t.Logf("the step was cancelled in %v", time.Since(at))
}

// Ten thousand frames, each with other text and another heat map, of changing
// size now and then, leave no buffer and no memory behind.
func TestTenThousandFramesLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: make soak")
	}
	viewertest.Open(t, 400, 300, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	f.view.Grid = image.Pt(8, 8)
	v := New(f, Options{Width: 160, Height: 120})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, glfw.Init())
	defer glfw.Terminate()
	w, err := v.open()
	require.NoError(t, err)
	defer w.Destroy()
	s, err := d.NewSurface(native(w.Window), Source)
	require.NoError(t, err)
	defer s.Close()
	var stats gpu.Stats
	var memory int64
	began := time.Now()
	for i := range 10000 {
		f.Point(image.Pt(i%8, i/8%8), true)
		f.change(func(v *View) { v.Facts = []string{fmt.Sprint("frame ", i)} })
		if i%500 == 0 {
			w.SetSize(160+i%1000/10, 120)
			glfw.PollEvents()
		}
		require.NoError(t, v.frame(s))
		if i == 2000 { // caches are full
			stats, memory = d.Stats(), resident(t)
		}
	}
	after := d.Stats()
	t.Logf("%.1f ms a frame; %d buffers alive, %d made; resident memory %s, then %s", time.Since(began).Seconds()/10, after.Buffers, after.Created,
		gpu.MiB(memory), gpu.MiB(resident(t)))
	require.Equal(t, 10000, v.Stats().Frames)
	require.Equal(t, stats.Buffers, after.Buffers)
	require.Zero(t, after.Readbacks, "drawing reads nothing back")
	// 8,000 frames: a leak of a KiB a frame would show as 8 MiB.
	require.Less(t, resident(t)-memory, int64(8<<20))
}

// resident is this process's memory, after a garbage collection.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	raw, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}
