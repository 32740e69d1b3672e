package gpu_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "saccade/gpu"
	"saccade/gpu/gputest"
)

// A plan takes nothing and is what the program takes.
func TestPlan(t *testing.T) {
	d := gputest.Open(t, Options{})
	r := recordChain(t, d, 100, 20)
	before := d.Stats()
	m, err := r.Plan()
	require.NoError(t, err)
	require.Equal(t, before, d.Stats(), "a plan takes something")
	rows := int64(112) // of 100, padded
	require.Equal(t, Memory{Arena: 2 * rows * 32, Live: 2 * rows * 32, Sum: 20 * rows * 32, IO: 2*100*32 + UniformWindow + 20*ParamStride + rows*32,
		Largest: rows * 32, Binding: rows * 32}, m)

	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	require.Equal(t, m, p.Memory())
	require.Equal(t, m.Arena+m.IO+2*UniformWindow, d.Stats().BufferBytes-before.BufferBytes, "two slabs, each with a window to spare")
}

// What no buffer holds is refused before anything is taken.
func TestPlanRefuses(t *testing.T) {
	d := gputest.Open(t, Options{})
	k, err := ParseKernel("add", "", addOne)
	require.NoError(t, err)
	r := d.Record(F32)
	small := r.New("small", 1, 16, 8)
	x := r.New("x", 1, int(d.Info().Limits.MaxBuffer/32), 8)
	r.Do(Op{Kind: "add", Out: []*Tensor{x}, Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": 1, "bias": 1.0}, Bind: []View{All(small), x.RowWindow(0, 16)}}}})
	before := d.Stats()
	_, err = r.Plan()
	require.ErrorContains(t, err, "exceed the adapter's largest buffer")
	require.Equal(t, before, d.Stats())
}

// Loops that a driver would leave before their end are refused.
func TestTurns(t *testing.T) {
	assert.Equal(t, 65535, Info{Name: "llvmpipe (LLVM 15.0.6, 256 bits)"}.Traits().Turns)
	assert.Equal(t, math.MaxInt, Info{Name: "NVIDIA H100"}.Traits().Turns)
	d := gputest.Open(t, Options{})
	d.Rename("llvmpipe")
	k, err := ParseKernel("add", "", addOne)
	require.NoError(t, err)
	r := d.Record(F32)
	x, y := r.New("x", 1, 16, 8), r.New("y", 1, 16, 8)
	r.Do(Op{Kind: "add", Out: []*Tensor{y}, Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": 1, "bias": 1.0}, Bind: []View{All(x), All(y)}, Turns: 1 << 16}}})
	require.ErrorContains(t, r.Err(), "65536 turns, of which the driver does 65535")
}
