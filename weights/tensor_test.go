package weights

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

func TestDTypeNames(t *testing.T) {
	for d := F32; d <= F8E5M2; d++ {
		found, err := ParseDType(d.String())
		require.NoError(t, err)
		assert.Equal(t, d, found)
		assert.Positive(t, d.Size())
	}
	_, err := ParseDType("F8_E8M0")
	assert.ErrorContains(t, err, `"F8_E8M0" is not supported`)
	assert.Zero(t, DType(0).Size())
	assert.Zero(t, DType(99).Size())
	assert.Equal(t, "DType(99)", DType(99).String())
}

// All numbers of 8 bits are what PyTorch says, from either kind of file.
func TestFloat8(t *testing.T) {
	want, err := Open("testdata/float8.safetensors")
	require.NoError(t, err)
	defer want.Close()
	torch, err := Open("testdata/float8.pth")
	require.NoError(t, err)
	defer torch.Close()
	for name, dtype := range map[string]DType{"torch.float8_e4m3fn": F8E4M3, "torch.float8_e5m2": F8E5M2} {
		floats, _ := want.Tensor(name + ".float32")
		for _, c := range []*Checkpoint{want, torch} {
			x, ok := c.Tensor(name)
			require.True(t, ok)
			assert.Equal(t, dtype, x.DType)
			assert.Equal(t, []int{16, 16}, x.Shape)
			got := float32sOf(t, x)
			for i, w := range float32sOf(t, floats) {
				if w != w {
					assert.True(t, got[i] != got[i], "%s %#x", name, i)
				} else {
					assert.Equal(t, math.Float32bits(w), math.Float32bits(got[i]), "%s %#x", name, i)
				}
				one := &Tensor{Name: name, Shape: []int{1}, DType: dtype, Data: x.Data[i : i+1]}
				assert.Equal(t, w-w == 0, CheckFinite(one) == nil, "%s %#x", name, i)
			}
		}
	}
}

func TestFloat32sOfEveryType(t *testing.T) {
	le := binary.LittleEndian
	cases := []struct {
		dtype DType
		data  []byte
		want  []float32
	}{
		{F32, le.AppendUint32(le.AppendUint32(nil, math.Float32bits(-1.5)), 0x7f800000), []float32{-1.5, float32(math.Inf(1))}},
		{F16, []byte{0x00, 0x3c, 0x01, 0x00, 0xff, 0xfb}, []float32{1, 0x1p-24, -65504}},
		{BF16, []byte{0x80, 0x3f, 0x49, 0xc0}, []float32{1, -3.140625}},
		{F64, le.AppendUint64(nil, math.Float64bits(0.1)), []float32{0.1}},
		{I64, le.AppendUint64(nil, ^uint64(4)), []float32{-5}},
		{I32, le.AppendUint32(nil, ^uint32(6)), []float32{-7}},
		{I16, []byte{0xfe, 0xff}, []float32{-2}},
		{I8, []byte{0x80}, []float32{-128}},
		{U64, le.AppendUint64(nil, 1<<40), []float32{1 << 40}},
		{U32, le.AppendUint32(nil, 1<<31), []float32{1 << 31}},
		{U16, []byte{0xff, 0xff}, []float32{65535}},
		{U8, []byte{200, 0}, []float32{200, 0}},
		{Bool, []byte{0, 1, 255}, []float32{0, 1, 1}},
	}
	require.Len(t, cases, int(Bool), "one case for each type")
	for _, c := range cases {
		x := &Tensor{Name: "x", DType: c.dtype, Shape: []int{len(c.want)}, Data: c.data}
		assert.Equal(t, c.want, float32sOf(t, x), c.dtype.String())
	}
}

func TestHalvesAreAllRight(t *testing.T) {
	table := halves()
	for i := range table {
		want := float16.Frombits(uint16(i)).Float32()
		if math.IsNaN(float64(want)) {
			assert.True(t, math.IsNaN(float64(table[i])))
		} else if table[i] != want {
			t.Fatalf("half %#04x: %v, want %v", i, table[i], want)
		}
	}
}

func TestFloat32sRefusesOtherLengths(t *testing.T) {
	x := filled(t, "x", 1, 2, 3)
	assert.ErrorContains(t, x.Float32s(make([]float32, 5)), "tensor x F32 [2 3]: 24 bytes cannot fill 5 values")
	x.Data = x.Data[:20]
	assert.Error(t, x.Float32s(make([]float32, 6)))
	assert.ErrorContains(t, (&Tensor{Name: "x", Shape: []int{0}}).Float32s(nil), "no conversion")
}

func TestFromFloat32sRefusesShapes(t *testing.T) {
	_, err := FromFloat32s("x", make([]float32, 6), 2, 2)
	assert.ErrorContains(t, err, "shape [2 2] does not hold 6 values")
	_, err = FromFloat32s("x", make([]float32, 6), -2, -3)
	assert.Error(t, err)
	x, err := FromFloat32s("x", []float32{4})
	require.NoError(t, err)
	assert.Equal(t, []int{}, x.Shape)
	assert.Equal(t, 1, x.Len())
}

func TestRows(t *testing.T) {
	x, err := FromFloat32s("x", []float32{0, 1, 2, 3, 4, 5}, 3, 2)
	require.NoError(t, err)
	r, err := x.Rows(1, 3)
	require.NoError(t, err)
	assert.Equal(t, []int{2, 2}, r.Shape)
	assert.Equal(t, []float32{2, 3, 4, 5}, float32sOf(t, r))
	assert.Equal(t, []int{3, 2}, x.Shape, "the whole is unchanged")
	for _, bad := range [][2]int{{-1, 2}, {2, 1}, {0, 4}} {
		_, err := x.Rows(bad[0], bad[1])
		assert.ErrorContains(t, err, "are outside it")
	}
	_, err = filled(t, "scalar", 1).Rows(0, 1)
	assert.Error(t, err)
}

func TestCheckFinite(t *testing.T) {
	data := func(size, n, at int, bits uint64) []byte {
		b := make([]byte, size*n)
		for i := range b { // values in whose exponent one bit is zero
			b[i] = 0x3f
		}
		word := binary.LittleEndian.AppendUint64(nil, bits)
		copy(b[at*size:], word[:size])
		return b
	}
	cases := []struct {
		dtype    DType
		nan, inf uint64
	}{
		{F32, 0x7fc00000, 0xff800000},
		{F16, 0xfe00, 0x7c00},
		{BF16, 0x7fc0, 0xff80},
		{F64, 0x7ff8000000000000, 0xfff0000000000000},
	}
	for _, c := range cases {
		size := c.dtype.Size()
		for n := 1; n <= 21; n += 5 {
			for at := range n {
				x := &Tensor{Name: "ours", Origin: "x", DType: c.dtype, Shape: []int{1, n}, Data: data(size, n, at, c.nan)}
				require.ErrorContains(t, CheckFinite(x), "tensor x: NaN at [0 ")
				x.Data = data(size, n, at, c.inf)
				require.ErrorContains(t, CheckFinite(x), "tensor x: Inf at ")
				x.Data = data(size, n, at, 0)
				require.NoError(t, CheckFinite(x))
			}
		}
	}
	x := &Tensor{Name: "x", DType: F16, Shape: []int{2, 3}, Data: data(2, 6, 4, 0x7e00)}
	assert.EqualError(t, CheckFinite(x), "tensor x: NaN at [1 1] of [2 3]; the checkpoint is damaged")
	assert.NoError(t, CheckFinite(&Tensor{DType: U8, Shape: []int{1}, Data: []byte{255}}))
}

func BenchmarkFloat32s(b *testing.B) {
	const n = 768 * 768
	for _, d := range []DType{F32, F16, BF16} {
		b.Run(d.String(), func(b *testing.B) {
			x := &Tensor{DType: d, Shape: []int{n}, Data: make([]byte, n*d.Size())}
			dst := make([]float32, n)
			b.SetBytes(int64(len(x.Data)))
			for b.Loop() {
				if err := x.Float32s(dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheckFinite(b *testing.B) {
	const n = 768 * 768
	for _, d := range []DType{F32, F16, BF16} {
		b.Run(d.String(), func(b *testing.B) {
			x := &Tensor{DType: d, Shape: []int{n}, Data: make([]byte, n*d.Size())}
			b.SetBytes(int64(len(x.Data)))
			for b.Loop() {
				if err := CheckFinite(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A range is the tensor's own memory where that holds float32s, else converted.
func TestFloats(t *testing.T) {
	x, err := FromFloat32s("x", []float32{1, 2, 3, 4}, 2, 2)
	require.NoError(t, err)
	scratch := make([]float32, 2)
	v, err := x.Floats(1, 3, scratch)
	require.NoError(t, err)
	assert.Equal(t, []float32{2, 3}, v)
	assert.Zero(t, scratch[0], "nothing was converted")

	shifted := &Tensor{Name: "x", DType: F32, Shape: []int{2}, Data: append([]byte{0}, x.Data[:8]...)[1:]}
	v, err = shifted.Floats(0, 2, scratch)
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2}, v, "unaligned, as a mapped file may be")

	halves := &Tensor{Name: "x", DType: F16, Shape: []int{3}, Data: []byte{0x00, 0x3c, 0x00, 0x40, 0x00, 0xc0}}
	v, err = halves.Floats(1, 3, scratch)
	require.NoError(t, err)
	assert.Equal(t, []float32{2, -2}, v)
	_, err = halves.Floats(2, 4, scratch)
	assert.ErrorContains(t, err, "elements 2 to 4 are outside its 6 bytes")
}
