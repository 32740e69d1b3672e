package gpu_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "saccade/gpu"
	"saccade/gpu/gputest"
)

// slowAddOne is addOne after so much else that no measurement takes it for fast.
const slowAddOne = `
struct Params { n: u32, bias: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < p.n) {
    var sum = 0.0;
    for (var i = 0u; i < 2000u; i = i + 1u) { sum = sum + sin(a[(id.x + i) % p.n]); }
    c[id.x] = a[id.x] + p.bias + sum * 1e-30;
  }
}`

// tuned runs an addition of one to rows of eight values that has the ways given,
// the first by default, and gives what the tuner reported and the result.
func tuned(t *testing.T, tuner *Tuner, ways func(x, y *Tensor) []Way) ([]Tuned, []float32) {
	t.Helper()
	var reports []Tuned
	tuner.Report = func(_ Info, r Tuned) { reports = append(reports, r) }
	d := gputest.Open(t, Options{Tuner: tuner})
	const rows = 512
	r := d.Record(F32)
	x := r.Input("x", F32, rows, 8)
	y := r.New("y", 1, rows, 8)
	all := ways(x, y)
	require.True(t, r.Tries("add 512"))
	require.False(t, r.Tries("add 512"), "one operation of a key is enough")
	r.Do(Op{Kind: "add", Label: "add", In: []*Tensor{x}, Out: []*Tensor{y}, Key: "add 512", Way: all[0].Name,
		Dispatches: all[0].Dispatches, Others: all[1:],
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, len(in[0]))
			for i, v := range in[0] {
				out[i] = float64(v) + 1
			}
			return [][]float64{out}
		}})
	r.Output("y", y)
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, 1, p.Dispatches(), "other ways are no part of a run")
	out, err := p.Run(context.Background(), map[string]any{"x": ramp(rows * 8)})
	require.NoError(t, err)
	return reports, out["y"]
}

// adding is a way to add bias to the first n values.
func adding(t *testing.T, name, wgsl string, n int, bias float64) func(x, y *Tensor) Way {
	k, err := ParseKernel("add", name, wgsl)
	require.NoError(t, err)
	return func(x, y *Tensor) Way {
		return Way{Name: name, Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": n, "bias": bias}, Bind: []View{All(x), All(y)}, Groups: [3]int{64}}}}
	}
}

// A way that is wrong loses, however fast: by its values, by leaving some out,
// by not compiling, by asking for too much.
func TestTunerRefusesFastAndWrong(t *testing.T) {
	slow, right := adding(t, "slow", slowAddOne, 4096, 1), adding(t, "right", addOne, 4096, 1)
	wrong, half := adding(t, "wrong", addOne, 4096, 2), adding(t, "half", addOne, 2048, 1)
	broken := adding(t, "broken", addOne[:len(addOne)-1]+" undeclared(); }", 4096, 1)
	tooMany := func(x, y *Tensor) Way {
		w := right(x, y)
		w.Name, w.Dispatches[0].Groups[1] = "too many", 1<<20
		return w
	}
	reports, y := tuned(t, &Tuner{}, func(x, y *Tensor) []Way {
		return []Way{slow(x, y), wrong(x, y), half(x, y), broken(x, y), tooMany(x, y), right(x, y)}
	})
	require.Len(t, reports, 1)
	trials := reports[0].Trials
	require.Len(t, trials, 6)
	assert.Equal(t, "right", trials[reports[0].Best].Way)
	assert.ErrorContains(t, trials[1].Err, "differs from the CPU")
	assert.ErrorContains(t, trials[2].Err, "differs from the CPU")
	assert.ErrorContains(t, trials[3].Err, "compiling")
	assert.ErrorContains(t, trials[4].Err, "workgroups")
	for _, x := range trials[1:5] {
		assert.Zero(t, x.Took, "%s was timed", x.Way)
	}
	assert.Less(t, trials[5].Ratio, 0.5)
	assert.Equal(t, float32(7), y[6], "the run goes on with what the best computed")
}

// Where the default itself is wrong, the run goes on with what is right.
func TestTunerMendsAWrongDefault(t *testing.T) {
	wrong, right := adding(t, "wrong", addOne, 4096, 2), adding(t, "right", slowAddOne, 4096, 1)
	reports, y := tuned(t, &Tuner{}, func(x, y *Tensor) []Way { return []Way{wrong(x, y), right(x, y)} })
	assert.Equal(t, 1, reports[0].Best)
	assert.Equal(t, float32(7), y[6])
}

// The default stays unless another takes clearly less, and a hopeless way is not timed to the end.
func TestTunerKeepsTheDefault(t *testing.T) {
	right, slow := adding(t, "right", addOne, 4096, 1), adding(t, "slow", slowAddOne, 4096, 1)
	reports, _ := tuned(t, &Tuner{}, func(x, y *Tensor) []Way { return []Way{right(x, y), slow(x, y)} })
	assert.Equal(t, 0, reports[0].Best)
	assert.True(t, reports[0].Trials[1].Stopped)
}

func TestTunerBudgetAndWhatIsKnown(t *testing.T) {
	spent := &Tuner{Budget: time.Nanosecond}
	spent.Spend(time.Second)
	right, slow := adding(t, "right", addOne, 4096, 1), adding(t, "slow", slowAddOne, 4096, 1)
	reports, y := tuned(t, spent, func(x, y *Tensor) []Way { return []Way{slow(x, y), right(x, y)} })
	assert.Empty(t, reports)
	assert.Equal(t, 1, spent.Left())
	assert.Equal(t, float32(7), y[6])

	known := gputest.Open(t, Options{Tuner: &Tuner{Known: func(_ Info, key string) bool { return key == "add 512" }}})
	r := known.Record(F32)
	assert.False(t, r.Tries("add 512"))
	assert.True(t, r.Tries("add 513"))
}
