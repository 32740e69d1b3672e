package probe

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

const goldens = "../../golden/probe/"

func open(t *testing.T, file string) (*weights.Checkpoint, func(name string) ([]float32, []int)) {
	t.Helper()
	c, err := weights.Open(goldens + file)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c, func(name string) ([]float32, []int) {
		tensor, ok := c.Tensor(name)
		require.True(t, ok, name)
		v := make([]float32, tensor.Len())
		require.NoError(t, tensor.Float32s(v))
		return v, tensor.Shape
	}
}

func integers(v []float32) []int {
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = int(x)
	}
	return out
}

// The optimum is scikit-learn's, whose Newton steps end at a gradient of 1e-13.
func TestLogisticIsScikitLearns(t *testing.T) {
	const tolerance = 1e-6 // of the largest coefficient
	c, values := open(t, "logistic.safetensors")
	var cs map[string]float64
	require.NoError(t, json.Unmarshal([]byte(c.Metadata()["C"]), &cs))
	require.Len(t, cs, 5)
	for name, strength := range cs {
		x, shape := values(name + ".x")
		y, _ := values(name + ".y")
		coef, rows := values(name + ".coef")
		intercept, _ := values(name + ".intercept")
		f := Features{Width: shape[1], Classes: int(slices.Max(y)) + 1, Data: x, Class: integers(y)}
		l, err := Logistic(f, strength)
		require.NoError(t, err, name)
		got, bias := l.Weight, l.Bias
		if rows[0] == 1 { // scikit-learn has the difference of two rows
			w := f.Width
			for i := range w {
				assert.Equal(t, -got[i], got[w+i])
				got[i] = 2 * got[w+i]
			}
			got, bias = got[:w], []float32{2 * bias[1]}
		}
		require.Len(t, got, len(coef), name)
		largest := 0.0
		for _, v := range coef {
			largest = math.Max(largest, math.Abs(float64(v)))
		}
		worst := 0.0
		for i, want := range append(slices.Clone(coef), intercept...) {
			worst = math.Max(worst, math.Abs(float64(slices.Concat(got, bias)[i]-want))/largest)
		}
		assert.Less(t, worst, tolerance, name)
		t.Logf("%s: %.1f %% of the tolerance, %d steps, loss %.4f", name, 100*worst/tolerance, l.Steps, l.Loss)
	}
}

func TestBadFeatures(t *testing.T) {
	good := func() Features {
		return Features{Width: 2, Classes: 2, Data: []float32{1, 2, 3, 4}, Class: []int{0, 1}}
	}
	for want, change := range map[string]func(f *Features){
		"class 1 has no example":                           func(f *Features) { f.Class[1] = 0 },
		"there is 1 class; two at least can be told apart": func(f *Features) { f.Classes, f.Class = 1, []int{0, 0} },
		"row 1 is of class 5; there are 2 classes":         func(f *Features) { f.Class[1] = 5 },
		"found 4 values in 2 rows of 3":                    func(f *Features) { f.Width = 3 },
		"the features are not finite":                      func(f *Features) { f.Data[2] = float32(math.NaN()) },
	} {
		f := good()
		change(&f)
		_, err := Logistic(f, 1)
		assert.ErrorContains(t, err, want)
	}
	_, err := Logistic(good(), 0)
	assert.ErrorContains(t, err, "C is 0; expected more than 0")
}

func TestTip(t *testing.T) {
	c, values := open(t, "tip.safetensors")
	number := func(key string) float64 {
		v, err := strconv.ParseFloat(c.Metadata()[key], 64)
		require.NoError(t, err)
		return v
	}
	keys, shape := values("keys")
	y, _ := values("y")
	texts, _ := values("texts")
	f, _ := values("f")
	want, _ := values("logits")
	tip := &Tip{Alpha: number("alpha"), Beta: number("beta"), Scale: number("scale"), Texts: texts,
		Keys: Features{Width: shape[1], Classes: 3, Data: keys, Class: integers(y)}}
	require.NoError(t, tip.Check())
	for i := range len(want) / 3 {
		for k, v := range tip.Logits(f[i*shape[1] : (i+1)*shape[1]]) {
			assert.InEpsilon(t, want[3*i+k], v, 1e-5)
		}
	}
	tip.Texts = tip.Texts[1:]
	assert.ErrorContains(t, tip.Check(), "found 32 values of texts, expected 33")
}

// Where texts are wrong and examples right, the search trusts the examples.
func TestTipSearch(t *testing.T) {
	tip := &Tip{Alpha: 0, Beta: TipBeta, Scale: 2, Texts: []float32{0, 1, 1, 0},
		Keys: Features{Width: 2, Classes: 2, Data: []float32{1, 0, 0, 1}, Class: []int{0, 1}}}
	assert.Equal(t, 1, largest(tip.Logits([]float32{1, 0})))
	assert.Equal(t, 1.0, tip.Search(tip.Keys))
	assert.Greater(t, tip.Alpha, 1.0)
	assert.Equal(t, 0, largest(tip.Logits([]float32{1, 0})))
}

func TestTipFile(t *testing.T) {
	tip := &TipFile{Tip: Tip{Alpha: 1.25, Beta: 5.5, Scale: 100, Texts: []float32{0, 1, 1, 0}, Keys: Features{Width: 2, Classes: 2, Data: []float32{1, 0, 0, 1, 1, 0}, Class: []int{0, 1, 0}}},
		Labels: []string{"a, b", "c"}, Fingerprint: "f"}
	path := filepath.Join(t.TempDir(), "tip.safetensors")
	require.NoError(t, tip.Write(path))
	got, err := ReadTip(path)
	require.NoError(t, err)
	assert.Equal(t, tip, got)
	_, err = ReadTip(goldens + "tip.safetensors")
	assert.ErrorContains(t, err, "it is no Tip-Adapter; expected a folder")
}
