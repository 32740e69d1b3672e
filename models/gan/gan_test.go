package gan_test

import (
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/gan"
	"saccade/models/nn"
	"saccade/weights"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// load opens a golden's checkpoint with tensors replaced; of nil one is left out.
func load(t *testing.T, golden string, replaced map[string][]int) (*models.Model, error) {
	t.Helper()
	c, err := weights.Open("../../golden/models/" + golden + "/model.pt")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	var all []*weights.Tensor
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		if shape, ok := replaced[name]; ok && shape == nil {
			continue
		} else if ok {
			tensor = ones(t, name, shape...)
		}
		all = append(all, tensor)
	}
	for name, shape := range replaced {
		if _, ok := c.Tensor(name); !ok {
			all = append(all, ones(t, name, shape...))
		}
	}
	m, err := models.New(gputest.Open(t, gpu.Options{}), "gan", nn.Checkpoint{Name: "gan", Tensors: weights.With(nothing{}, all...)}, golden, models.Options{Precision: gpu.F32})
	if err == nil {
		t.Cleanup(m.Close)
	}
	return m, err
}

type nothing struct{}

func (nothing) Names() []string                       { return nil }
func (nothing) Tensor(string) (*weights.Tensor, bool) { return nil, false }

func ones(t *testing.T, name string, shape ...int) *weights.Tensor {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = 1
	}
	tensor, err := weights.FromFloat32s(name, values, shape...)
	require.NoError(t, err)
	return tensor
}

func TestStrangeCheckpoints(t *testing.T) {
	for name, c := range map[string]struct {
		golden   string
		replaced map[string][]int
		want     string
	}{
		"no noise":         {"gan_stylegan2", map[string][]int{"noises.noise_2": nil}, "the checkpoint has no tensor noises.noise_2"},
		"no blur":          {"gan_stylegan2", map[string][]int{"convs.0.conv.blur.kernel": nil}, "no tensor convs.0.conv.blur.kernel"},
		"another blur":     {"gan_stylegan2", map[string][]int{"to_rgbs.0.upsample.kernel": {2, 2}}, "tensor to_rgbs.0.upsample.kernel has shape [2 2]; expected [4 4]"},
		"another kernel":   {"gan_stylegan2", map[string][]int{"convs.1.conv.weight": {1, 9, 9, 5, 5}}, "tensor convs.1.conv.weight has shape [1 9 9 5 5]; expected [1 9 9 3 3]"},
		"no channels":      {"gan_stylegan2", map[string][]int{"conv1.conv.weight": {1, 0, 13, 3, 3}}, "tensor conv1.conv.weight has shape [1 0 13 3 3]; expected 5 sizes"},
		"of another":       {"gan_stylegan2", map[string][]int{"convs.0.attention.weight": {3, 3}}, "the checkpoint has a tensor convs.0.attention.weight, which the network does not know"},
		"widths":           {"gan_stylegan2", map[string][]int{"convs.1.conv.weight": {1, 4, 9, 3, 3}, "convs.1.activate.bias": {4}}, "tensor convs.1.conv.weight gives 4 channels; expected 9"},
		"grey":             {"gan_dcgan", map[string][]int{"main.9.weight": {5, 1, 4, 4}}, "the last gives 1 channels; expected at most 10, and 3"},
		"DCGAN's kernel":   {"gan_dcgan", map[string][]int{"main.3.weight": {11, 9, 3, 3}}, "main.3.weight"},
		"DCGAN of another": {"gan_dcgan", map[string][]int{"main.2.weight": {4}}, "main.2.weight"},
	} {
		_, err := load(t, c.golden, c.replaced)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// Styles at their mean are one style, and layers take the style of their own: an image of mixed
// styles is the coarse one's or the fine one's at the ends.
func TestStyles(t *testing.T) {
	m, err := load(t, "gan_stylegan2", nil)
	require.NoError(t, err)
	g, err := m.Generator()
	require.NoError(t, err)
	require.Equal(t, []int{11, 6}, []int{g.Size, g.Layers})
	z := [][]float32{g.Noise(1), g.Noise(2), g.Noise(3), g.Noise(4), g.Noise(5)}
	plain, err := g.Draw(t.Context(), z, 1)
	require.NoError(t, err)
	require.Equal(t, []int{5, 3, 16, 16}, plain.Shape)
	mean, err := g.Draw(t.Context(), z, 0)
	require.NoError(t, err)
	size := len(mean.Data) / 5
	assert.InDeltaSlice(t, mean.Data[:size], mean.Data[4*size:], 1e-4)
	assert.Greater(t, distance(plain.Data[:size], plain.Data[size:2*size]), 0.1)
	half, err := g.Draw(t.Context(), z, 0.5)
	require.NoError(t, err)
	assert.Less(t, distance(half.Data[:size], mean.Data[:size]), distance(plain.Data[:size], mean.Data[:size]))

	w, err := g.Styles(t.Context(), z, 1)
	require.NoError(t, err)
	for k, want := range [][]float32{plain.Data[:size], plain.Data[size : 2*size]} {
		mixed, err := g.Mix(t.Context(), w, []int{k, k, k, k, k, k})
		require.NoError(t, err)
		assert.Less(t, distance(mixed.Data, want), 1e-4)
	}
	mixed, err := g.Mix(t.Context(), w, []int{0, 0, 0, 1, 1, 1}, []int{1, 1, 1, 0, 0, 0})
	require.NoError(t, err)
	require.Equal(t, []int{2, 3, 16, 16}, mixed.Shape)
	for _, one := range [][]float32{mixed.Data[:size], mixed.Data[size:]} {
		assert.Greater(t, min(distance(one, plain.Data[:size]), distance(one, plain.Data[size:2*size])), 0.01)
	}
	_, err = g.Mix(t.Context(), w, []int{0, 1})
	assert.ErrorContains(t, err, "styles of 2 layers")
}

// distance is the root of the mean square of differences.
func distance(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]-b[i]) * float64(a[i]-b[i])
	}
	return math.Sqrt(sum / float64(len(a)))
}

func TestNoStyles(t *testing.T) {
	m, err := load(t, "gan_dcgan", nil)
	require.NoError(t, err)
	g, err := m.Generator()
	require.NoError(t, err)
	_, err = g.Draw(t.Context(), [][]float32{g.Noise(1)}, 0.7)
	require.ErrorIs(t, err, models.ErrNoStyles)
	images, err := g.Draw(t.Context(), models.Walk([][]float32{g.Noise(1), g.Noise(2)}, 3), 1)
	require.NoError(t, err)
	ends, err := g.Draw(t.Context(), [][]float32{g.Noise(1), g.Noise(2)}, 1)
	require.NoError(t, err)
	size := len(ends.Data) / 2
	assert.InDeltaSlice(t, ends.Data[:size], images.Data[:size], 1e-5)
	assert.InDeltaSlice(t, ends.Data[size:], images.Data[2*size:], 1e-5)
	_, err = m.Forward(t.Context(), map[string]models.Array{gan.W: {Shape: []int{1, 6, 13}, Data: make([]float32, 78)}})
	assert.ErrorContains(t, err, "w")
}
