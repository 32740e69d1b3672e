package picture

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawPicture draws a small picture of random pixels.
func drawPicture(t *rapid.T) *Image {
	m := New(rapid.IntRange(1, 24).Draw(t, "w"), rapid.IntRange(1, 24).Draw(t, "h"))
	copy(m.Pix, rapid.SliceOfN(rapid.Byte(), len(m.Pix), len(m.Pix)).Draw(t, "pix"))
	return m
}

func drawFilter(t *rapid.T) Filter {
	return Filter(rapid.IntRange(int(Nearest), int(Hamming)).Draw(t, "filter"))
}

func TestResizeConstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(rapid.IntRange(1, 60).Draw(t, "w"), rapid.IntRange(1, 60).Draw(t, "h"))
		c := [3]uint8{rapid.Byte().Draw(t, "r"), rapid.Byte().Draw(t, "g"), rapid.Byte().Draw(t, "b")}
		m.fill(c)
		w, h := rapid.IntRange(1, 60).Draw(t, "new w"), rapid.IntRange(1, 60).Draw(t, "new h")
		got, err := m.Resize(w, h, drawFilter(t))
		require.NoError(t, err)
		want := New(w, h)
		want.fill(c)
		assert.Equal(t, want, got)
	})
}

func TestResizeIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawPicture(t)
		got, err := m.Resize(m.W, m.H, drawFilter(t))
		require.NoError(t, err)
		assert.Equal(t, m, got)
		got.Pix[0]++
		assert.NotEqual(t, m.Pix[0], got.Pix[0], "the result shares the input's pixels")
	})
}

// TestResizeWindow shows that a part computed alone equals that part of the
// whole.
func TestResizeWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, f := drawPicture(t), drawFilter(t)
		w, h := rapid.IntRange(1, 40).Draw(t, "new w"), rapid.IntRange(1, 40).Draw(t, "new h")
		x0, y0 := rapid.IntRange(0, w-1).Draw(t, "x0"), rapid.IntRange(0, h-1).Draw(t, "y0")
		win := window{x0, y0, rapid.IntRange(x0+1, w).Draw(t, "x1"), rapid.IntRange(y0+1, h).Draw(t, "y1")}
		vertical := rapid.Bool().Draw(t, "columns first")
		whole := m.resizeWindow(w, h, window{0, 0, w, h}, f, vertical)
		assert.Equal(t, whole.cut(win), m.resizeWindow(w, h, win, f, vertical))
	})
}

// TestResizeMirrored shows that filters are symmetric: resizing the mirrored
// picture is mirroring the resized one, but for the order of summing.
func TestResizeMirrored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, f := drawPicture(t), Filter(rapid.SampledFrom([]Filter{Bilinear, Bicubic, Lanczos, Hamming}).Draw(t, "filter"))
		w, h := rapid.IntRange(1, 40).Draw(t, "new w"), rapid.IntRange(1, 40).Draw(t, "new h")
		a, err := m.orient(2).Resize(w, h, f)
		require.NoError(t, err)
		b, err := m.Resize(w, h, f)
		require.NoError(t, err)
		b = b.orient(2)
		for i := range a.Pix {
			assert.InDelta(t, a.Pix[i], b.Pix[i], 1)
		}
	})
}

// TestWeights compares the fixed-point weights with their sum of one.
func TestWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, out := rapid.IntRange(1, 300).Draw(t, "in"), rapid.IntRange(1, 300).Draw(t, "out")
		f := Filter(rapid.IntRange(int(Lanczos), int(Hamming)).Draw(t, "filter"))
		taps := newTaps(in, out, 0, out, f)
		for i, weights := range taps.weight {
			sum := int32(0)
			for _, w := range weights {
				sum += w
			}
			assert.LessOrEqual(t, math.Abs(float64(sum-1<<precision)), float64(len(weights)), "output %d", i)
			assert.GreaterOrEqual(t, taps.first[i], 0)
			assert.LessOrEqual(t, taps.first[i]+len(weights), in)
		}
	})
}

func TestOrientInverses(t *testing.T) {
	inverse := [9]int{0, 1, 2, 3, 4, 5, 8, 7, 6}
	rapid.Check(t, func(t *rapid.T) {
		m, o := drawPicture(t), rapid.IntRange(1, 8).Draw(t, "orientation")
		assert.Equal(t, m, m.orient(o).orient(inverse[o]))
	})
}

func TestResizeRefuses(t *testing.T) {
	m := New(4, 3)
	for _, c := range []struct {
		m    *Image
		w, h int
		f    Filter
		want string
	}{
		{m, 0, 5, Bilinear, "resize 4×3 pixels to 0×5: expected a positive size"},
		{m, 5, -1, Bilinear, "expected a positive size"},
		{m, 1 << 20, 1 << 20, Bilinear, "at most 100 megapixels"},
		{m, 5, 5, 6, "unknown filter 6; expected 0 to 5"},
		{m, 5, 5, -1, "unknown filter -1"},
		{nil, 5, 5, Bilinear, "no picture given"},
		{&Image{W: 4, H: 3, Pix: make([]uint8, 35)}, 5, 5, Bilinear, "4×3 pixels with 35 bytes"},
	} {
		_, err := c.m.Resize(c.w, c.h, c.f)
		require.ErrorContains(t, err, c.want)
	}
}

func TestFilterNames(t *testing.T) {
	for f := Nearest; f <= Hamming; f++ {
		got, err := ParseFilter(f.String())
		require.NoError(t, err)
		assert.Equal(t, f, got)
	}
	_, err := ParseFilter("cubic")
	require.ErrorContains(t, err, `unknown interpolation "cubic"; expected one of [nearest lanczos`)
	assert.Equal(t, "Filter(9)", Filter(9).String())
}

// BenchmarkProcess is a photograph of 12 megapixels down to 224×224.
func BenchmarkProcess(b *testing.B) {
	m := New(4000, 3000)
	for i := range m.Pix {
		m.Pix[i] = uint8(i * i >> 7)
	}
	p := ImageNet(256, 224, Bilinear)
	for b.Loop() {
		if _, _, _, err := p.Apply(m); err != nil {
			b.Fatal(err)
		}
	}
}
