package gpu_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	. "saccade/gpu"
	"saccade/gpu/gputest"
)

// addOne is c[i] = a[i] + bias in rows of stride/4 vectors, halves or floats alike by bits of f32.
const addOne = `
struct Params { n: u32, bias: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < p.n) { c[id.x] = a[id.x] + p.bias; }
}`

// chain is the program of recordChain.
func chain(t *testing.T, d *Device, rows, n int) *Program {
	t.Helper()
	p, err := recordChain(t, d, rows, n).Finish()
	require.NoError(t, err)
	return p
}

// recordChain records n additions of one on a [rows 8] input.
func recordChain(t *testing.T, d *Device, rows, n int) *Recorder {
	t.Helper()
	k, err := ParseKernel("add", "", addOne)
	require.NoError(t, err)
	r := d.Record(F32)
	x := r.Input("x", F32, rows, 8)
	for i := range n {
		y := r.New(fmt.Sprintf("y%d", i), 1, rows, 8)
		r.Do(Op{Kind: "add", Label: fmt.Sprintf("add.%d", i), In: []*Tensor{x}, Out: []*Tensor{y},
			Twin: func(in [][]float32) [][]float64 {
				out := make([]float64, len(in[0]))
				for i, v := range in[0] {
					out[i] = float64(v) + 1
				}
				return [][]float64{out}
			},
			Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": rows * 8, "bias": 1.0}, Bind: []View{All(x), All(y)},
				Groups: [3]int{(rows*8 + 63) / 64}, FLOPs: float64(rows * 8), Bytes: float64(rows * 64)}},
		})
		x = y
	}
	r.Output("y", x)
	return r
}

func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i % 97)
	}
	return v
}

func TestRunReplaysAndAllocatesNothing(t *testing.T) {
	d := gputest.Open(t, Options{})
	p := chain(t, d, 5, 10)
	defer p.Close()
	in := map[string]any{"x": ramp(40)}
	_, err := p.Run(context.Background(), in)
	require.NoError(t, err)
	before := d.Stats()
	for range 3 {
		out, err := p.Run(context.Background(), in)
		require.NoError(t, err)
		for i, v := range out["y"] {
			require.Equal(t, float32(i%97)+10, v)
		}
	}
	after := d.Stats()
	require.Equal(t, before.Created, after.Created, "a warm run makes no buffer")
	require.Equal(t, int64(3*160), after.UploadBytes-before.UploadBytes, "a warm run uploads its input only")
	require.Equal(t, 3, after.Readbacks-before.Readbacks)
}

func TestArenaSharesPlaces(t *testing.T) {
	d := gputest.Open(t, Options{Debug: Debug{Poison: true}})
	p := chain(t, d, 100, 20)
	defer p.Close()
	m := p.Memory()
	t.Logf("arena %d, live %d, sum %d bytes", m.Arena, m.Live, m.Sum)
	require.Less(t, m.Arena, m.Sum/5)
	require.LessOrEqual(t, float64(m.Arena), 1.3*float64(m.Live))
	out, err := p.Run(context.Background(), map[string]any{"x": ramp(800)})
	require.NoError(t, err)
	require.Equal(t, float32(20+5), out["y"][5])
}

func TestTinyBudgetSplitsSubmits(t *testing.T) {
	d := gputest.Open(t, Options{})
	p := chain(t, d, 300, 50)
	defer p.Close()
	tiny := gputest.Open(t, Options{SubmitBudget: time.Nanosecond})
	q := chain(t, tiny, 300, 50)
	defer q.Close()
	in := map[string]any{"x": ramp(2400)}
	want, err := p.Run(context.Background(), in)
	require.NoError(t, err)
	got, err := q.Run(context.Background(), in)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.GreaterOrEqual(t, tiny.Stats().Submits, 50)
	require.Less(t, d.Stats().Submits, 10)
}

// asked is a context that ends when it was asked a number of times.
type asked struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (a *asked) Err() error {
	if a.left--; a.left == 0 {
		a.cancel()
	}
	return a.Context.Err()
}

func TestCancelStopsBetweenSubmits(t *testing.T) {
	d := gputest.Open(t, Options{SubmitBudget: time.Nanosecond})
	p := chain(t, d, 300, 500)
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	before := d.Stats().Submits
	_, err := p.Run(ctx, map[string]any{"x": ramp(2400)})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, d.Stats().Submits)

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	_, err = p.Run(&asked{ctx, cancel, 100}, map[string]any{"x": ramp(2400)})
	require.ErrorIs(t, err, context.Canceled)
	require.InDelta(t, 100, d.Stats().Submits-before, 2, "it stopped on the way")
	out, err := p.Run(context.Background(), map[string]any{"x": ramp(2400)})
	require.NoError(t, err, "a cancelled program can run again")
	require.Equal(t, float32(500), out["y"][0])
}

func TestVerifyNamesTheWrongOperation(t *testing.T) {
	d := gputest.Open(t, Options{})
	k, err := ParseKernel("add", "", addOne)
	require.NoError(t, err)
	r := d.Record(F32)
	x := r.Input("x", F32, 3, 8)
	for i, bias := range []float64{1, 1, 1.001, 1} {
		y := r.New("y", 1, 3, 8)
		r.Do(Op{Kind: "add", Label: fmt.Sprintf("block.%d", i), In: []*Tensor{x}, Out: []*Tensor{y},
			Twin: func(in [][]float32) [][]float64 {
				out := make([]float64, len(in[0]))
				for i, v := range in[0] {
					out[i] = float64(v) + 1
				}
				return [][]float64{out}
			},
			Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": 24, "bias": bias}, Bind: []View{All(x), All(y)}}}})
		x = y
	}
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	checks, err := p.Verify(context.Background(), map[string]any{"x": ramp(24)}, true)
	require.NoError(t, err)
	require.Len(t, checks, 3)
	require.NoError(t, checks[1].Err)
	require.ErrorContains(t, checks[2].Err, "block.2")
}

// Of an operation of much arithmetic, or in a program of very much, a sample of rows is
// compared, the first and the last among them; of another all.
func TestVerifySamples(t *testing.T) {
	d := gputest.Open(t, Options{})
	k, err := ParseKernel("add", "", addOne)
	require.NoError(t, err)
	const rows = 1000
	for _, c := range []struct {
		flops    float64
		compared int
		before   float64 // the arithmetic of another operation
	}{{MostFLOPs, rows, 1}, {2 * MostFLOPs, LeastRows, 1}, {MostFLOPs * 1.1, LeastRows, 1}, {MostFLOPs / 2, 100, MostOfAll}, {1, rows, MostOfAll}} {
		for _, wrong := range []int{-1, 0, rows - 1} {
			r := d.Record(F32)
			x, y := r.Input("x", F32, rows, 8), r.New("y", 1, rows, 8)
			dispatch := Dispatch{Kernel: k, Params: Params{"n": rows * 8, "bias": 1}, Bind: []View{All(x), All(y)}, Groups: [3]int{rows * 8 / 64}, FLOPs: c.before}
			r.Do(Op{Kind: "add", Label: "before", In: []*Tensor{x}, Out: []*Tensor{y}, Dispatches: []Dispatch{dispatch},
				Rows: func(in [][]float32, at []int) []float64 { return make([]float64, 8*len(at)) }})
			seen := 0
			dispatch.FLOPs = c.flops
			r.Do(Op{Kind: "add", Label: "add", In: []*Tensor{x}, Out: []*Tensor{y},
				Rows: func(in [][]float32, rows []int) []float64 {
					seen = len(rows)
					var out []float64
					for _, row := range rows {
						for _, v := range in[0][row*8 : (row+1)*8] {
							if out = append(out, float64(v)+1); row == wrong {
								out[len(out)-1] = 1e6
							}
						}
					}
					return out
				},
				Dispatches: []Dispatch{dispatch}})
			p, err := r.Finish()
			require.NoError(t, err)
			checks, err := p.Verify(context.Background(), map[string]any{"x": ramp(rows * 8)}, false)
			require.NoError(t, err)
			p.Close()
			require.Equal(t, c.compared, seen)
			require.Equal(t, wrong < 0, checks[1].Err == nil, "%v", checks[1].Err)
			require.Equal(t, c.compared < rows, checks[1].Rows > 0)
		}
	}
}

func TestFindNonFinite(t *testing.T) {
	d := gputest.Open(t, Options{})
	p := chain(t, d, 3, 4)
	defer p.Close()
	v := ramp(24)
	label, err := p.FindNonFinite(context.Background(), map[string]any{"x": v})
	require.NoError(t, err)
	require.Empty(t, label)
	v[7] = float32(math.Inf(1))
	label, err = p.FindNonFinite(context.Background(), map[string]any{"x": v})
	require.NoError(t, err)
	require.Equal(t, "add.0", label)
}

func TestProfileTimesEveryDispatch(t *testing.T) {
	d := gputest.Open(t, Options{})
	p := chain(t, d, 1000, 300)
	defer p.Close()
	timings, err := p.Profile(context.Background(), map[string]any{"x": ramp(8000)})
	require.NoError(t, err)
	require.Len(t, timings, 300)
	for _, x := range timings[1:] {
		require.Greater(t, x.Took, time.Duration(0))
		require.Less(t, x.Took, 5*time.Second)
	}
}

func TestRecorderRefusesWhatWouldAbort(t *testing.T) {
	d := gputest.Open(t, Options{})
	k, err := ParseKernel("add", "", addOne)
	require.NoError(t, err)
	for name, x := range map[string]Dispatch{
		"buffers":   {Kernel: k, Params: Params{"n": 8, "bias": 0}},
		"parameter": {Kernel: k, Params: Params{"n": 8}, Bind: []View{All(d.Dummy()), All(d.Reserve("w", []int{8}, F32, 32))}},
		"no param":  {Kernel: k, Params: Params{"n": 8, "bias": 0, "m": 1}, Bind: []View{All(d.Dummy()), All(d.Reserve("w", []int{8}, F32, 32))}},
		"again":     {Kernel: k, Params: Params{"n": 8, "bias": 0}, Bind: []View{All(d.Dummy()), All(d.Dummy())}},
		"workgroup": {Kernel: k, Params: Params{"n": 8, "bias": 0}, Bind: []View{All(d.Dummy()), All(d.Reserve("w", []int{8}, F32, 32))}, Groups: [3]int{1 << 20, 1, 1}},
		"binding":   {Kernel: k, Params: Params{"n": 8, "bias": 0}, Bind: []View{All(d.Dummy()), All(d.Reserve("w", []int{8}, F32, 1<<40))}},
		"window":    {Kernel: k, Params: Params{"n": 8, "bias": 0}, Bind: []View{All(d.Dummy()), {Tensor: d.Reserve("w", []int{8}, F32, 32), Offset: 256}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := d.Record(F32)
			shared := d.Dummy()
			if name == "again" {
				x.Bind = []View{All(shared), All(shared)}
			}
			r.Do(Op{Kind: "add", Label: "here", Dispatches: []Dispatch{x}})
			require.ErrorContains(t, r.Err(), "here")
			_, err := r.Finish()
			require.Error(t, err)
		})
	}
	r := d.Record(F32)
	w := d.Reserve("w", []int{8}, F32, 32)
	r.Do(Op{Kind: "add", Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": 8, "bias": 0}, Bind: []View{All(w), All(r.New("y", 1, 8))}}}})
	_, err = r.Finish()
	require.ErrorContains(t, err, "not uploaded")
}

func TestShaderErrorsAreGoErrors(t *testing.T) {
	d := gputest.Open(t, Options{})
	k, err := ParseKernel("bad", "", `struct Params { n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@compute @workgroup_size(1) fn main() { let x: u32 = nonsense; }`)
	require.NoError(t, err)
	require.ErrorContains(t, d.Check(k), "nonsense")
	_, err = ParseKernel("bad", "", "fn main() {}")
	require.Error(t, err)
}

func TestConcurrentRuns(t *testing.T) {
	d := gputest.Open(t, Options{})
	a, b := chain(t, d, 50, 30), chain(t, d, 60, 20)
	defer a.Close()
	defer b.Close()
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 10 {
				p, rows, add := a, 50, 30
				if g%2 == 0 {
					p, rows, add = b, 60, 20
				}
				out, err := p.Run(context.Background(), map[string]any{"x": ramp(rows * 8)})
				if err != nil || out["y"][3] != float32(3+add) {
					t.Errorf("run of goroutine %d: %v", g, err)
				}
				runtime.GC()
			}
		}()
	}
	wg.Wait()
}

// The inputs of the next run are on the device before the one under way is done, and neither run
// takes the other's.
func TestUploadsBesideARun(t *testing.T) {
	d := gputest.Open(t, Options{})
	p := chain(t, d, 300, 50)
	defer p.Close()
	ones := make([]float32, 2400)
	for i := range ones {
		ones[i] = 1
	}
	before := d.Stats().Uploads
	runs, device := p.Hold(), d.Busy()
	done := make(chan error, 1)
	var out map[string][]float32
	go func() {
		var err error
		out, err = p.Run(t.Context(), map[string]any{"x": ones})
		done <- err
	}()
	require.Eventually(t, func() bool { return d.Uploads() == before+1 }, 10*time.Second, time.Millisecond)
	require.Empty(t, done)
	device()
	runs()
	require.NoError(t, <-done)
	require.Equal(t, float32(51), out["y"][5])
	again, err := p.Run(t.Context(), map[string]any{"x": ramp(2400)})
	require.NoError(t, err)
	require.Equal(t, float32(55), again["y"][5])
}

func TestEverythingIsReleased(t *testing.T) {
	d := gputest.Open(t, Options{})
	base := d.Stats()
	for range 50 {
		p := chain(t, d, 20, 5)
		_, err := p.Run(context.Background(), map[string]any{"x": ramp(160)})
		require.NoError(t, err)
		p.Close()
	}
	require.Equal(t, base.BufferBytes, d.Stats().BufferBytes)
}

func TestNoAdapter(t *testing.T) {
	_, err := Open(Options{Adapter: "no such adapter", Backend: os.Getenv("WGPU_BACKEND")})
	require.ErrorIs(t, err, ErrNoAdapter)
	require.ErrorContains(t, err, "no such adapter")
	_, err = Open(Options{Backend: "glide"})
	require.ErrorContains(t, err, "glide")
}

func TestParseDebug(t *testing.T) {
	d, err := ParseDebug("poison,wgsl=matmul dump=blocks.3")
	require.NoError(t, err)
	require.Equal(t, Debug{Poison: true, WGSL: "matmul", Dump: "blocks.3"}, d)
	_, err = ParseDebug("pioson")
	require.ErrorContains(t, err, "pioson")
	require.ErrorContains(t, err, "poison")
}

// Every half, and what lies beside it and between it and the next, rounds as
// the general conversion rounds it.
func TestHalf(t *testing.T) {
	for bits := range 1 << 16 {
		v := float16.Frombits(uint16(bits)).Float32()
		if v != v {
			assert.Equal(t, uint16(bits)&0x8000|0x7e00, Half(v))
			continue
		}
		next := float16.Frombits(uint16(bits + 1)).Float32()
		middle := v + (next-v)/2
		for _, x := range []float32{v, middle, math.Nextafter32(middle, v), math.Nextafter32(middle, next), math.Nextafter32(v, 1e9)} {
			if x == x {
				require.Equal(t, float16.Fromfloat32(x).Bits(), Half(x), "%g", x)
			}
		}
	}
}

// Four halves in a word are what each is on its own, zeros, subnormals and
// infinities beside normal ones too.
func TestHalves(t *testing.T) {
	values := []float32{0, -1, 6e-8, 65504, 65520, 1e9, 0.1, -6.1e-5, float32(math.Inf(-1)), float32(math.NaN())}
	for i := range values {
		at := func(k int) float32 { return values[(i*k+k)%len(values)] }
		a, b, c, d := at(0), at(1), at(2), at(3)
		want := uint64(Half(a)) | uint64(Half(b))<<16 | uint64(Half(c))<<32 | uint64(Half(d))<<48
		assert.Equal(t, want, Halves(a, b, c, d), "%g %g %g %g", a, b, c, d)
	}
	for bits := range 1 << 16 {
		v := float16.Frombits(uint16(bits)).Float32()
		x := math.Nextafter32(v, 0)
		require.Equal(t, uint64(Half(v))|uint64(Half(x))<<16|uint64(Half(-v))<<32|0x3c00<<48, Halves(v, x, -v, 1), "%g", v)
	}
}
