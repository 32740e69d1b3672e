package picture

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShrinks(t *testing.T) {
	for _, c := range [][5]int{
		{2048, 1536, 341, 256, 2}, {2048, 1536, 224, 224, 2}, {1024, 768, 224, 224, 1}, {8000, 1000, 2048, 256, 1}, {8000, 4000, 512, 256, 4},
		{4000, 4000, 224, 224, 8}, {1536, 2048, 341, 256, 2}, {448, 448, 224, 224, 1}, {896, 896, 224, 224, 2}, {10, 10, 300, 300, 1},
	} {
		assert.Equal(t, c[4], shrinks(c[0], c[1], c[2], c[3]), c)
	}
}

// A reduced block is the transform of its low frequencies, by the definition.
func TestReducedBlocks(t *testing.T) {
	data, err := os.ReadFile("../golden/picture/src/grey.jpg")
	require.NoError(t, err)
	whole, err := decodeReduced(data, 1)
	require.NoError(t, err)
	// The transform of n points at which frequency u has its wave at x, of unit length.
	wave := func(n, u, x int) float64 {
		scale := math.Sqrt(2 / float64(n))
		if u == 0 {
			scale = math.Sqrt(1 / float64(n))
		}
		return scale * math.Cos(math.Pi*float64(u)*(2*float64(x)+1)/float64(2*n))
	}
	for _, by := range []int{2, 4, 8} {
		got, err := decodeReduced(data, by)
		require.NoError(t, err)
		n, blocks := 8/by, 0
		for by0 := range whole.H / 8 {
			for bx0 := range whole.W / 8 {
				var f [8][8]float64
				if slices.ContainsFunc(square(whole, bx0, by0), func(v uint8) bool { return v == 0 || v == 255 }) {
					continue // what was cut off there is not
				}
				blocks++
				for v := range n {
					for u := range n {
						for y := range 8 {
							for x := range 8 {
								f[v][u] += float64(whole.row(8*by0 + y)[3*(8*bx0+x)]) * wave(8, u, x) * wave(8, v, y)
							}
						}
					}
				}
				for y := range n {
					for x := range n {
						var want float64
						for v := range n {
							for u := range n {
								want += f[v][u] * wave(n, u, x) * wave(n, v, y) / float64(by)
							}
						}
						assert.InDelta(t, min(max(want, 0), 255), float64(got.row(n*by0 + y)[3*(n*bx0+x)]), 1.6, "1/%d: block %d, %d", by, bx0, by0)
					}
				}
			}
		}
		assert.Greater(t, blocks, 5)
	}
}

// square is a block of a grey picture.
func square(m *Image, bx, by int) (all []uint8) {
	for y := range 8 {
		for x := range 8 {
			all = append(all, m.row(8*by + y)[3*(8*bx+x)])
		}
	}
	return all
}

// A reduced picture shows what the whole one does, of every kind of file and subsampling: at
// an eighth the means of squares, to what is lost of colours that are stored coarsely.
func TestReduced(t *testing.T) {
	paths, err := filepath.Glob("../golden/picture/src/*.jpg")
	require.NoError(t, err)
	tried := 0
	for _, path := range append(paths, "../zoo/pictures/cat.jpg") {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		whole, err := decodeReduced(data, 1)
		if err != nil {
			continue
		}
		for _, by := range []int{2, 4, 8} {
			got, err := decodeReduced(data, by)
			require.NoError(t, err, path)
			require.Equal(t, []int{ceilDiv(whole.W, by), ceilDiv(whole.H, by)}, []int{got.W, got.H}, path)
			if name := filepath.Base(path); by < 8 || whole.W < 16 || whole.H < 16 || name == "overflow.jpg" {
				continue
			}
			tried++
			rms := fromMeans(whole, got, by)
			t.Logf("%s at 1/%d: %.2f", filepath.Base(path), by, rms)
			assert.Less(t, rms, 17.0, "%s at 1/%d", path, by)
		}
	}
	assert.GreaterOrEqual(t, tried, 20)
}

// fromMeans is how far a picture is from the means of another's squares, in the root of the
// mean square.
func fromMeans(whole, small *Image, by int) float64 {
	var sum float64
	n := 0
	for y := range whole.H / by {
		for x := range whole.W / by {
			for ch := range 3 {
				mean := 0
				for dy := range by {
					for dx := range by {
						mean += int(whole.row(y*by + dy)[3*(x*by+dx)+ch])
					}
				}
				d := float64(mean)/float64(by*by) - float64(small.row(y)[3*x+ch])
				sum += d * d
				n++
			}
		}
	}
	return math.Sqrt(sum / float64(n))
}

// Only a JPEG that is much larger than what it is resized to is reduced, and it is turned as
// its orientation says.
func TestDecodeResized(t *testing.T) {
	data, err := os.ReadFile("../zoo/pictures/cat.jpg")
	require.NoError(t, err)
	whole, err := Decode(data, DecodeOptions{})
	require.NoError(t, err)
	to := func(h, w int) DecodeOptions {
		return DecodeOptions{Resized: func(_, _ int) (int, int) { return h, w }}
	}
	same, err := Decode(data, to(whole.H/2+1, whole.W/2+1))
	require.NoError(t, err)
	assert.Equal(t, whole, same)
	half, err := Decode(data, to(whole.H/4, whole.W/4))
	require.NoError(t, err)
	assert.Equal(t, []int{(whole.W + 1) / 2, (whole.H + 1) / 2}, []int{half.W, half.H})
	_, err = Decode(data[:len(data)/2], to(2, 2))
	assert.ErrorContains(t, err, "truncated JPEG")
}
