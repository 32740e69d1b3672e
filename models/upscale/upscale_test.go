package upscale_test

import (
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/nn"
	"saccade/models/upscale"
	"saccade/picture"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

func open(t *testing.T, golden string) *models.Model {
	t.Helper()
	m, err := models.Load(t.Context(), gputest.Open(t, gpu.Options{}), "upscale", "../../golden/models/"+golden, models.Options{Precision: gpu.F32})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// A wide image in tiles is the whole one's but near the seams, where it is blended.
func TestTiles(t *testing.T) {
	m := open(t, "upscale_compact")
	const h, w, scale = 9, 300, 4
	in := nn.Images(models.Array{Shape: []int{1, 3, h, w}, Data: nn.Normals(3*h*w, 1)})
	tiled, err := m.Forward(t.Context(), in)
	require.NoError(t, err)
	whole, err := m.Forward(t.Context(), in, upscale.Image)
	require.NoError(t, err)
	got, want := tiled[upscale.Image], whole[upscale.Image]
	require.Equal(t, []int{1, 3, scale * h, scale * w}, got.Shape)
	require.Equal(t, want.Shape, got.Shape)
	differ, furthest := 0, 0.0
	for i := range got.Data {
		x := i % (scale * w)
		if d := math.Abs(float64(got.Data[i] - want.Data[i])); d > 1e-5 {
			differ++
			furthest = max(furthest, d)
			require.True(t, x >= scale*224 && x < scale*256, "column %d, where tiles do not overlap", x)
		}
	}
	assert.Positive(t, differ, "it was in one tile")
	assert.Less(t, furthest, 0.5)
}

// Images of any size are filled up to whole blocks, and cropped.
func TestOddSize(t *testing.T) {
	m := open(t, "upscale_rrdb_x2")
	img := picture.New(7, 5)
	for i := range img.Pix {
		img.Pix[i] = uint8(37 * i)
	}
	out, err := m.Enlarge(t.Context(), img)
	require.NoError(t, err)
	assert.Equal(t, [2]int{14, 10}, [2]int{out.W, out.H})
	_, err = m.Forward(t.Context(), nn.Images(models.Array{Shape: []int{1, 3, 5, 7}, Data: make([]float32, 105)}), upscale.Image)
	assert.ErrorContains(t, err, "multiples of 2")
}
