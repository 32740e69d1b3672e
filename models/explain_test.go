package models

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/zoo"
)

// explained loads a golden's model with all that explaining takes, and runs it on
// one picture of the golden's.
func explained(t *testing.T, d *gpu.Device, c golden.Case) (m *Model, pixels Array, outputs map[string]Array) {
	t.Helper()
	g, err := golden.Load(c)
	require.NoError(t, err)
	m, err = openGolden(d, g, c.Architecture, "", Options{Precision: gpu.F32, Outputs: ExplainOutputs(c.Model)})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	all := g.Tensors["pixel_values"]
	one := len(all.Data) / all.Shape[0]
	pixels = Array{Shape: append([]int{1}, all.Shape[1:]...), Data: all.Data[:one]}
	outputs, err = m.Forward(context.Background(), nn.Images(pixels))
	require.NoError(t, err)
	return m, pixels, outputs
}

// The mean of a class activation map and the bias are the class's logit, exactly
// but for the rounding of sums in f32.
func TestCAMIsTheLogit(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	tested := 0
	for _, c := range golden.Cases() {
		if !strings.HasPrefix(c.Name, "resn") && !strings.HasPrefix(c.Name, "efficientnet") {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			m, _, outputs := explained(t, d, c)
			if _, _, _, ok := m.HeadWeights(); !ok {
				assert.NotContains(t, m.Methods(), CAM)
				_, err := m.CAM(outputs, 0)
				assert.ErrorIs(t, err, ErrNoMap)
				return
			}
			assert.Equal(t, []Method{CAM, Occlusion}, m.Methods())
			tested++
			logits, bias := outputs["logits"].Data, m.HeadBias()
			most := 0.0
			for class, logit := range logits {
				at, err := m.CAM(outputs, class)
				require.NoError(t, err)
				mean, size := 0.0, 0.0
				for _, v := range at.Values {
					mean += float64(v) / float64(len(at.Values))
					size += math.Abs(float64(v)) / float64(len(at.Values))
				}
				// f32 holds 24 bits; sums of up to some thousand terms lose a few of them,
				// measured at the size of the terms.
				want, tolerance := float64(logit)-float64(bias[class]), 1e-5*(1+size)
				assert.InDelta(t, want, mean, tolerance)
				most = max(most, math.Abs(want-mean)/tolerance)
			}
			t.Logf("used %.2g of the tolerance", most)
			_, err := m.CAM(outputs, len(logits))
			assert.Error(t, err)
		})
	}
	assert.GreaterOrEqual(t, tested, 8)
}

// Rollout equals the product of the whole matrices, and the heads are rows of the
// goldens' own probabilities.
func TestAttentionMaps(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, name := range []string{"vit_classify", "vit_interpolate", "deit_distilled", "vit_timm_average", "dino", "dinov2_registers", "clip_one", "siglip_small"} {
		t.Run(name, func(t *testing.T) {
			c, err := golden.Find(name)
			require.NoError(t, err)
			m, pixels, outputs := explained(t, d, c)
			h, w := pixels.Shape[2], pixels.Shape[3]
			rows, columns, prefix, _ := m.PatchGrid(h, w)
			tokens := prefix + rows*columns

			product := identity(tokens)
			for i := 0; ; i++ {
				a, ok := outputs[fmt.Sprintf("attentions.%d", i)]
				if !ok {
					break
				}
				product = multiply(mixed(a), product, tokens)
			}
			query := m.queries(tokens, prefix)
			assert.Equal(t, name != "siglip_small" && name != "vit_timm_average", m.ClassQuery())
			want := multiplyRow(query, product, tokens)
			assert.InDelta(t, 1, sum(want), 1e-5)
			got, err := m.Rollout(outputs, h, w)
			require.NoError(t, err)
			require.Equal(t, []int{rows, columns}, []int{got.Rows, got.Columns})
			for i, v := range got.Values {
				assert.InDelta(t, want[prefix+i], v, 1e-6)
			}

			heads, err := m.Heads(outputs, h, w)
			require.NoError(t, err)
			last := outputs[fmt.Sprintf("attentions.%d", count(outputs)-1)]
			require.Len(t, heads, last.Shape[1])
			if !m.ClassQuery() {
				return
			}
			for k, head := range heads {
				row := last.Data[k*tokens*tokens : k*tokens*tokens+tokens]
				assert.Equal(t, row[prefix:], head.Values)
				all := 0.0
				for _, v := range row {
					all += float64(v)
				}
				assert.InDelta(t, 1, all, 1e-5)
			}
		})
	}
}

// The last layer's probabilities alone are those of all layers' last.
func TestLastLayer(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	ctx := context.Background()
	var heads [2][]Map
	for i, last := range []bool{false, true} {
		asked := Attentions
		if last {
			asked = LastAttention
		}
		m, err := Load(ctx, d, "vit", "", Options{Precision: gpu.F32, Outputs: []string{asked}, Embedded: zoo.ViT()})
		require.NoError(t, err)
		pixels := noisePixels(t, m, 5)
		h, w := pixels.Shape[2], pixels.Shape[3]
		outputs, err := m.Forward(ctx, nn.Images(pixels))
		require.NoError(t, err)
		assert.Equal(t, last, count(outputs) == 0)
		heads[i], err = m.Heads(outputs, h, w)
		require.NoError(t, err)
		_, err = m.Rollout(outputs, h, w)
		assert.Equal(t, last, err != nil)
		m.Close()
	}
	assert.Equal(t, heads[0], heads[1])
}

func count(outputs map[string]Array) int {
	n := 0
	for name := range outputs {
		if strings.HasPrefix(name, "attentions.") {
			n++
		}
	}
	return n
}

func identity(n int) []float64 {
	a := make([]float64, n*n)
	for i := range n {
		a[i*n+i] = 1
	}
	return a
}

// mixed is A/2 + I/2 with the mean over the heads, rows normalised.
func mixed(a Array) []float64 {
	heads, n := a.Shape[1], a.Shape[2]
	out := identity(n)
	for i := range n {
		row := out[i*n : (i+1)*n]
		for h := range heads {
			for j := range n {
				row[j] += float64(a.Data[(h*n+i)*n+j]) / float64(heads)
			}
		}
		all := sum(row)
		for j := range row {
			row[j] /= all
		}
	}
	return out
}

func sum(v []float64) (all float64) {
	for _, x := range v {
		all += x
	}
	return all
}

func multiply(a, b []float64, n int) []float64 {
	out := make([]float64, 0, n*n)
	for i := range n {
		out = append(out, multiplyRow(a[i*n:(i+1)*n], b, n)...)
	}
	return out
}

func multiplyRow(row, b []float64, n int) []float64 {
	out := make([]float64, n)
	for k, v := range row {
		for j := range n {
			out[j] += v * b[k*n+j]
		}
	}
	return out
}

// A cell of the occlusion map by forward passes made by hand, for any batch.
func TestOcclusion(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	ctx := context.Background()
	m, err := Load(ctx, d, "resnet", "", Options{Precision: gpu.F32, Outputs: ExplainOutputs("resnet"), Embedded: zoo.ResNet()})
	require.NoError(t, err)
	defer m.Close()
	pixels := noisePixels(t, m, 3)
	h, w := pixels.Shape[2], pixels.Shape[3]
	calls, last := 0, 0
	at, err := m.Occlude(ctx, pixels, 4, 0, func(done, total int) { calls, last = calls+1, total })
	require.NoError(t, err)
	assert.Equal(t, []int{occlusionCells, occlusionCells, 122, 122}, []int{at.Rows, at.Columns, calls, last})

	score := func(y0, y1, x0, x1 int) float64 {
		in := Array{Shape: pixels.Shape, Data: append([]float32(nil), pixels.Data...)}
		for c := range 3 {
			plane := in.Data[c*h*w : (c+1)*h*w]
			mean := 0.0
			for _, v := range plane {
				mean += float64(v) / float64(len(plane))
			}
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					plane[y*w+x] = float32(mean)
				}
			}
		}
		out, err := m.Forward(ctx, nn.Images(in))
		require.NoError(t, err)
		return m.score(out["logits"].Data, 4)
	}
	edge := func(i int) int { return i * h / occlusionCells }
	want := 0.0 // of cell (2, 7)
	for _, y := range []int{1, 2} {
		for _, x := range []int{6, 7} {
			want += (score(0, 0, 0, 0) - score(edge(y), edge(y+2), edge(x), edge(x+2))) / 4
		}
	}
	assert.InDelta(t, want, at.Values[2*at.Columns+7], 1e-5)

	again, err := m.Occlude(ctx, pixels, 4, 7, nil)
	require.NoError(t, err)
	for i, v := range at.Values { // batches may take other kernels
		assert.InDelta(t, v, again.Values[i], 1e-5)
	}
	_, err = m.Occlude(ctx, pixels, 10, 0, nil)
	assert.Error(t, err)
}

func TestOccluderSizes(t *testing.T) {
	for _, c := range [][4]int{{32, 32, 10, 10}, {224, 448, 10, 20}, {300, 10, 40, 10}, {3, 5, 3, 5}, {1, 1, 1, 1}, {1000, 1, 40, 1}} {
		o := newOccluder(Array{Shape: []int{1, 1, c[0], c[1]}, Data: make([]float32, c[0]*c[1])}, occlusionCells)
		assert.Equal(t, c[2:], []int{o.rows, o.columns}, "%v", c)
		for i := range o.windows() {
			assert.Len(t, o.hidden(i), c[0]*c[1])
		}
	}
}

func TestFindClass(t *testing.T) {
	m := &Model{classes: 3, Labels: []string{"tench, Tinca tinca", "cat", "7"}}
	for class, want := range map[string]int{"cat": 1, "CAT": 1, "tinca tinca": 0, "tench": 0, "1": 1, "7": 2, "0": 0} {
		got, err := m.FindClass(class)
		require.NoError(t, err)
		assert.Equal(t, want, got, class)
	}
	for class, nearest := range map[string]string{"cot": "cat", "9": "2", "-1": "0", "tenc, Tinca tinca": "tench, Tinca tinca"} {
		_, err := m.FindClass(class)
		var unknown *UnknownClassError
		require.ErrorAs(t, err, &unknown)
		assert.Equal(t, nearest, unknown.Nearest)
	}
	_, err := (&Model{}).FindClass("cat")
	assert.ErrorIs(t, err, ErrNoClasses)
}

func TestCost(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	m, err := Load(context.Background(), d, "vit", "", Options{Outputs: ExplainOutputs("vit"), Embedded: zoo.ViT()})
	require.NoError(t, err)
	defer m.Close()
	pixels := noisePixels(t, m, 1)
	cost, err := m.Cost(pixels.Shape[2], pixels.Shape[3])
	require.NoError(t, err)
	var all int64
	for _, name := range m.checkpoint.Names() {
		x, _ := m.checkpoint.Tensor(name)
		all += int64(x.Len())
	}
	assert.Equal(t, all, cost.Parameters)
	assert.Greater(t, cost.FLOPs, float64(all)) // each weight works for many patches
	took, err := m.TimeForward(context.Background(), pixels, 3)
	require.NoError(t, err)
	assert.Positive(t, took)
}
