package anomaly

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/weights"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// The pictures of the goldens: the first are normal, the heat maps of a size.
const (
	normal = 5
	tested = 3
	h, w   = 36, 28
)

// golden reads a file of golden/anomaly: see golden/generate_anomaly.py.
func golden(t *testing.T, name string) func(tensor string) nn.Array {
	t.Helper()
	c, err := weights.Open("../../golden/anomaly/" + name + ".safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return func(name string) nn.Array {
		x, ok := c.Tensor(name)
		require.True(t, ok, name)
		v := make([]float32, x.Len())
		require.NoError(t, x.Float32s(v))
		return nn.Array{Shape: x.Shape, Data: v}
	}
}

// item is one of a batch.
func item(a nn.Array, i int) nn.Array {
	n := len(a.Data) / a.Shape[0]
	return nn.Array{Shape: append([]int{1}, a.Shape[1:]...), Data: a.Data[i*n : (i+1)*n]}
}

// near fails where two differ by more than part of the largest.
func near(t *testing.T, want, got []float32, part float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	most, worst := 0.0, 0.0
	for i, v := range want {
		most, worst = max(most, math.Abs(float64(v))), max(worst, math.Abs(float64(v)-float64(got[i])))
	}
	t.Logf("%s: off by %.2g of %.2g", what, worst, part*most)
	assert.LessOrEqual(t, worst, part*most, what)
}

// score compares what a detector finds in the pictures that are no normal ones.
func score(t *testing.T, b *Bank, all []Patches, want func(string) nn.Array, part float64) {
	t.Helper()
	d, err := b.Detector(gputest.Open(t, gpu.Options{}))
	require.NoError(t, err)
	defer d.Close()
	for i, p := range all[normal:] {
		found, err := d.Score(t.Context(), p)
		require.NoError(t, err)
		near(t, item(want("distances"), i).Data, found.Patches, part, "patches")
		near(t, item(want("heat"), i).Data, found.Heat, part, "heat")
		near(t, item(want("scores"), i).Data, []float32{float32(found.Score)}, part, "score")
	}
	if b.Method != PaDiM {
		checks, err := d.Verify(t.Context(), all[normal])
		require.NoError(t, err)
		for _, c := range checks {
			assert.NoError(t, c.Err)
		}
	}
}

// PatchCore step by step: the patches, the coreset, the scores.
func TestPatchCoreGolden(t *testing.T) {
	want := golden(t, "patchcore")
	var all []Patches
	var rows []float32
	for i := range normal + tested {
		p, err := OfMaps([]nn.Array{item(want("first"), i), item(want("second"), i)}, true, h, w)
		require.NoError(t, err)
		near(t, item(want("embedding"), i).Data, p.Data, 1e-6, "patches")
		all = append(all, p)
		if i < normal {
			rows = append(rows, p.Data...)
		}
	}
	var chosen []int
	for _, v := range want("chosen").Data {
		chosen = append(chosen, int(v))
	}
	require.Equal(t, chosen, Coreset(rows, 12, len(chosen)))
	score(t, &Bank{Method: PatchCore, width: 12, memory: want("bank").Data}, all, want, 1e-6)
}

func TestDINOGolden(t *testing.T) {
	want := golden(t, "anomalydino")
	var all []Patches
	for i := range normal + tested {
		p, err := OfTokens(item(want("tokens"), i), 3, 11, 19, h, w)
		require.NoError(t, err)
		all = append(all, p)
	}
	b, err := fit(DINO, all[:normal], Options{})
	require.NoError(t, err)
	score(t, b, all, want, 1e-6)
}

// PaDiM's factors are kept in f32, which the inverse of a covariance of 0.01 shows.
func TestPaDiMGolden(t *testing.T) {
	want := golden(t, "padim")
	var all []Patches
	for i := range normal + tested {
		p, err := OfMaps([]nn.Array{item(want("first"), i), item(want("second"), i)}, false, h, w)
		require.NoError(t, err)
		all = append(all, p)
	}
	b, err := fit(PaDiM, all[:normal], Options{})
	require.NoError(t, err)
	score(t, b, all, want, 1e-5)
}

// The areas are scikit-learn's, the quantiles NumPy's.
func TestFiguresGolden(t *testing.T) {
	want := golden(t, "auroc")
	for _, name := range []string{"few", "ties", "many"} {
		scores, values := want(name+".scores").Data, []float64{}
		bad := make([]bool, len(scores))
		for i, v := range want(name + ".bad").Data {
			bad[i] = v == 1
			values = append(values, float64(scores[i]))
		}
		area, err := AUROC(scores, bad)
		require.NoError(t, err)
		assert.InDelta(t, want(name + ".auroc").Data[0], area, 1e-7, name)
		assert.InEpsilon(t, want(name + ".quantile").Data[0], Quantile(values, 0.93), 1e-7, name) // which is stored as a float
	}
	_, err := AUROC([]float32{1, 2}, []bool{true, true})
	require.EqualError(t, err, "the area under the curve needs both: found 2 that are bad and 0 that are not")
}

// A bank with a threshold goes through a file, and scores as before.
func TestFitSaveOpen(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	maps, tokens := golden(t, "patchcore"), golden(t, "anomalydino")
	for _, method := range Methods {
		var all []Patches
		for i := range normal + tested {
			p, err := OfTokens(item(tokens("tokens"), i), 3, 11, 19, h, w)
			if method != DINO {
				p, err = OfMaps([]nn.Array{item(maps("first"), i), item(maps("second"), i)}, method == PatchCore, h, w)
			}
			require.NoError(t, err)
			all = append(all, p)
		}
		b, err := Fit(t.Context(), dev, method, all[:normal], Options{})
		require.NoError(t, err)
		require.Len(t, b.HeldOut, normal)
		assert.Equal(t, Quantile(b.HeldOut, 0.99), b.Threshold)
		path := filepath.Join(t.TempDir(), "bank.index")
		require.NoError(t, b.Save(path))
		again, err := Open(path)
		require.NoError(t, err)
		require.Equal(t, b, again)

		d, err := again.Detector(dev)
		require.NoError(t, err)
		for i, p := range all {
			found, err := d.Score(t.Context(), p)
			require.NoError(t, err)
			assert.False(t, math.IsNaN(found.Score))
			if i < normal { // they are in the bank, or all but
				assert.LessOrEqual(t, found.Score, b.Threshold, "%s %d", method, i)
			}
		}
		_, err = d.Score(t.Context(), Patches{Rows: 2, Columns: 2, Width: 3, Data: make([]float32, 12), H: h, W: w})
		require.ErrorContains(t, err, "anomaly: found", method)
		d.Close()
	}
}

func TestBanksThatAreNone(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	one := Patches{Rows: 1, Columns: 1, Width: 2, Data: []float32{1, 2}}
	_, err := Fit(t.Context(), dev, PatchCore, []Patches{one}, Options{})
	require.ErrorIs(t, err, ErrFew)
	nan := one
	nan.Data = []float32{1, float32(math.NaN())}
	_, err = Fit(t.Context(), dev, DINO, []Patches{one, nan}, Options{})
	require.EqualError(t, err, "the features of a picture hold NaN or Inf")
	wide := Patches{Rows: 1, Columns: 2, Width: 2, Data: []float32{1, 2, 3, 4}}
	_, err = Fit(t.Context(), dev, PaDiM, []Patches{one, wide}, Options{})
	require.EqualError(t, err, "padim compares places: found pictures of 1×1 and of 1×2 patches; give -size HxW")

	dir := t.TempDir()
	write := func(name string, head string, shape ...int) string {
		path := filepath.Join(dir, name)
		n := 1
		for _, d := range shape {
			n *= d
		}
		x, err := weights.FromFloat32s("memory", make([]float32, n), shape...)
		require.NoError(t, err)
		require.NoError(t, weights.Write(path, []*weights.Tensor{x}, map[string]string{"saccade": format, "bank": head}))
		return path
	}
	for path, want := range map[string]string{
		"../../golden/anomaly/auroc.safetensors":                "it is none",
		write("words", "not JSON", 2, 2):                        "its description",
		write("method", `{"method":"guess"}`, 2, 2):             `the method "guess" is unknown`,
		write("shape", `{"method":"patchcore"}`, 4):             "memory has shape [4]",
		write("padim", `{"method":"padim","rows":1}`, 2, 2):     "its tensors do not fit",
		write("lies", `{"method":"patchcore","rows":-1}`, 2, 2): "its tensors do not fit",
	} {
		_, err := Open(path)
		require.ErrorContains(t, err, want, path)
		require.ErrorContains(t, err, "bank "+path)
	}
	_, err = OfMaps([]nn.Array{{Shape: []int{1, 2, 3}, Data: make([]float32, 6)}}, true, h, w)
	require.ErrorContains(t, err, "expected a map [1 C H W]")
	_, err = OfTokens(nn.Array{Shape: []int{1, 4, 3}, Data: make([]float32, 12)}, 1, 2, 2, h, w)
	require.ErrorContains(t, err, "expected [1 5 D]")
}

// A projection keeps what is far from what is near.
func TestProjection(t *testing.T) {
	x := nn.Normals(40*700, 1)
	by := Projection(40, 700, 1)
	require.Len(t, by, 91)
	short := Project(x, 700, by)
	for i := 1; i < 40; i++ {
		ratio := squared(short[:len(by)], short[i*len(by):][:len(by)]) / squared(x[:700], x[i*700:][:700])
		assert.InDelta(t, 1, ratio, 0.6)
	}
	assert.Nil(t, Projection(40, 90, 1))
}
