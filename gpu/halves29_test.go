//go:build binding29 || (linux && arm64)

package gpu_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	. "saccade/gpu"
	"saccade/gpu/gputest"
)

// throughHalves gives the halves nearest to floats, as numbers, or the floats of halves so given.
const throughHalves = `
struct Params { n: u32, pack: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= p.n) { return; }
  let v = a[id.x];
  if (p.pack == 1u) {
    let word = pack2x16float(vec2<f32>(v, 0.25 * v));
    let other = pack2x16float(vec2<f32>(0.25 * v, v));
    c[id.x] = select(-1.0, f32(word & 0xffffu), ((word << 16u) | (word >> 16u)) == other);
  } else {
    let both = vec2<f32>(unpack2x16float(u32(v)).x, unpack2x16float(u32(v) << 16u).y);
    c[id.x] = select(-1.0, both.x, all(bitcast<vec2<u32>>(both) == bitcast<vec2<u32>>(both.yx)));
  }
}`

// through runs that kernel.
func through(t *testing.T, d *Device, x []float32, pack int) []float32 {
	t.Helper()
	k, err := ParseKernel("halves", "", throughHalves)
	require.NoError(t, err)
	r := d.Record(F32)
	in, out := r.Input("x", F32, len(x)/8, 8), r.New("y", 1, len(x)/8, 8)
	r.Do(Op{Kind: "halves", Label: "halves", In: []*Tensor{in}, Out: []*Tensor{out},
		Dispatches: []Dispatch{{Kernel: k, Params: Params{"n": len(x), "pack": pack}, Bind: []View{All(in), All(out)}, Groups: [3]int{len(x) / 64}}}})
	r.Output("y", out)
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	got, err := p.Run(context.Background(), map[string]any{"x": x})
	require.NoError(t, err)
	return got["y"]
}

// Where the binding refuses WGSL's functions of halves, integers do the same, to the bit.
func TestIntegerHalves(t *testing.T) {
	d := gputest.Open(t, Options{})
	d.IntegerHalves()
	all := make([]float32, 1<<16)
	for i := range all {
		all[i] = float32(i)
	}
	floats := []float32{}
	for i, got := range through(t, d, all, 0) {
		want := float16.Frombits(uint16(i)).Float32()
		if math.IsNaN(float64(want)) {
			require.True(t, math.IsNaN(float64(got)), "half %#04x came to %v", i, got)
			continue
		}
		require.Equal(t, math.Float32bits(want), math.Float32bits(got), "half %#04x came to %v, not %v", i, got, want)
		// itself, what lies beside it, and the middles between it and the next ones
		middle := math.Nextafter32(want, want+1)
		if next := float16.Frombits(uint16(i + 1)).Float32(); next-next == 0 {
			middle = want + (next-want)/2
		}
		floats = append(floats, want, math.Nextafter32(want, -1e9), math.Nextafter32(want, 1e9), middle,
			math.Nextafter32(middle, -1e9), math.Nextafter32(middle, 1e9), want*3, want/3)
	}
	for len(floats)%64 != 0 {
		floats = append(floats, float32(math.NaN()))
	}
	for i, got := range through(t, d, floats, 1) {
		require.Equal(t, float32(Half(floats[i])), got, "%v (%#x) came to half %#04x", floats[i], math.Float32bits(floats[i]), int(got))
	}
}
