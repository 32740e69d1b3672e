package sensors

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

// The probabilities are those of scikit-learn's SimpleImputer, StandardScaler and
// LogisticRegression in the same folds.
func TestCrossValidationIsScikitLearns(t *testing.T) {
	pictures, readings, fold, want := golden(t)
	for i, f := range Folds(pictures.Class, 5) {
		require.Equal(t, int(fold[i]), f)
	}
	accuracy := map[string]float64{}
	for name, d := range map[string]Data{"pictures": pictures, "readings": readings, "both": pictures.Beside(readings)} {
		v, err := CrossValidate(d, 5, 0.7)
		require.NoError(t, err)
		for i, p := range v.Probabilities {
			for k := range p {
				assert.InDelta(t, want(name)[3*i+k], p[k], 2e-6, name)
			}
		}
		assert.Less(t, v.Low, v.Accuracy)
		assert.Less(t, v.Accuracy, v.High)
		accuracy[name] = v.Accuracy
	}
	assert.GreaterOrEqual(t, accuracy["both"], max(accuracy["pictures"], accuracy["readings"]))
	_, err := CrossValidate(Data{Rows: [][]float64{{1}, {2}, {3}}, Class: []int{0, 1, 1}, Classes: 2}, 2, 1)
	require.EqualError(t, err, "class 0 has 1 examples; expected at least one for each of 2 folds")
}

// A fused head of all folds but one tells that one as scikit-learn's pipeline does, after it was
// written and read too.
func TestFusionIsScikitLearns(t *testing.T) {
	pictures, readings, fold, want := golden(t)
	without := func(d Data) Data {
		out := Data{Classes: d.Classes}
		for i, row := range d.Rows {
			if fold[i] != 2 {
				out.Rows, out.Class = append(out.Rows, row), append(out.Class, d.Class[i])
			}
		}
		return out
	}
	f, err := Fuse(without(pictures), without(readings), 0.7)
	require.NoError(t, err)
	f.Labels, f.Columns, f.Fingerprint = []string{"a", "b", "c"}, []string{"w", "x", "y", "z"}, "f"
	path := filepath.Join(t.TempDir(), "fused.safetensors")
	require.NoError(t, f.Write(path))
	again, err := ReadFusion(path)
	require.NoError(t, err)
	assert.Equal(t, []any{f.Labels, f.Columns, f.Fingerprint, f.Width}, []any{again.Labels, again.Columns, again.Fingerprint, again.Width})
	for i, row := range pictures.Rows {
		if fold[i] != 2 {
			continue
		}
		embedding := make([]float32, len(row))
		for k, v := range row {
			embedding[k] = float32(v)
		}
		z, err := again.Logits(embedding, readings.Rows[i])
		require.NoError(t, err)
		for k, p := range Softmax(z) {
			assert.InDelta(t, want("both")[3*i+k], p, 1e-5)
		}
	}
	_, err = again.Logits(make([]float32, 3), readings.Rows[0])
	require.EqualError(t, err, "found 3 values and 4 readings, the fused head takes 9 and 4")
	require.ErrorContains(t, again.Check(&Table{Columns: []string{"w", "x"}}), "its readings are w, x, those of the fused head w, x, y, z")
	require.NoError(t, again.Check(&Table{Columns: f.Columns}))

	_, err = ReadFusion("../../golden/probe/sensors.safetensors")
	require.ErrorContains(t, err, "it is no fused head")
	f.scale.deviation[3] = 0
	require.NoError(t, f.Write(path))
	_, err = ReadFusion(path)
	require.ErrorContains(t, err, "its tensor deviation has 0; expected values above 0")
	f.scale.deviation[3], f.Columns = 1, make([]string, 13)
	require.NoError(t, f.Write(path))
	_, err = ReadFusion(path)
	require.ErrorContains(t, err, "do not go with 3 classes and 13 readings")
}

// golden is pictures and readings with the fold of each, and what scikit-learn said of them.
func golden(t *testing.T) (pictures, readings Data, fold []float32, want func(name string) []float32) {
	c, err := weights.Open("../../golden/probe/sensors.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // it was read
	read := func(name string) ([]float32, int) {
		x, ok := c.Tensor(name)
		require.True(t, ok, name)
		v := make([]float32, x.Len())
		require.NoError(t, x.Float32s(v))
		return v, x.Shape[len(x.Shape)-1]
	}
	data := func(name string) Data {
		v, width := read(name)
		d := Data{Classes: 3}
		for i := 0; i < len(v); i += width {
			var row []float64
			for _, x := range v[i : i+width] {
				row = append(row, float64(x))
			}
			d.Rows = append(d.Rows, row)
		}
		classes, _ := read("class")
		for _, k := range classes {
			d.Class = append(d.Class, int(k))
		}
		return d
	}
	fold, _ = read("fold")
	return data("pictures"), data("readings"), fold, func(name string) []float32 {
		v, _ := read(name + ".probabilities")
		return v
	}
}

// Table.Match finds rows by paths and by names.
func TestMatch(t *testing.T) {
	table := &Table{Names: []string{"a/1.png", "2.png", "b/3.png"}}
	rows, err := table.Match("x", []string{"x/a/1.png", "x/b/2.png", "x/3.png", "x/b/3.png"})
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, -1, 2}, rows)
	_, err = table.Match("x", []string{"x/a/2.png", "x/b/2.png"})
	require.EqualError(t, err, `"2.png" is the name of 2 pictures; give their paths within x`)
}

// Wilson's interval, of Brown, Cai and DasGupta's formula: 8 of 10 and all of 5.
func TestWilson(t *testing.T) {
	low, high := wilson(8, 10)
	assert.InDelta(t, 0.49016, low, 1e-5)
	assert.InDelta(t, 0.94331, high, 1e-5)
	low, high = wilson(5, 5)
	assert.InDelta(t, 0.56552, low, 1e-5)
	assert.InDelta(t, 1, high, 1e-12)
}

func TestRead(t *testing.T) {
	table, err := Read(strings.NewReader("\ufeffname,temperature,\"load, kN\",vibration\na.png,21.5,NA,\"0 1 0 -1 0 1 0 -1 0 1 0 -1 0 1 0 -1\"\n\"b, c.png\",,3e2,0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"a.png", "b, c.png"}, table.Names)
	assert.Equal(t, 2, table.Missing)
	require.Len(t, table.Columns, 2+5+bands)
	assert.Equal(t, []string{"temperature", "load, kN", "vibration mean"}, table.Columns[:3])
	assert.Equal(t, 21.5, table.Values[0][0])
	assert.True(t, math.IsNaN(table.Values[0][1]))
	assert.True(t, math.IsNaN(table.Values[1][0]))
	wave := table.Values[0][2:]
	assert.InDeltaSlice(t, []float64{0, math.Sqrt(0.5), -1, 1, 2}, wave[:5], 1e-12)
	for b := range bands { // a quarter of the rate: the middle of the spectrum
		if b != 3 && b != 4 {
			assert.Less(t, wave[5+b], wave[5+4], "band %d", b)
		}
	}
	assert.Equal(t, []float64{0, 0, 0, 0, 0, -12}, table.Values[1][2:8])

	table, err = Read(strings.NewReader("name;x\na;1\nb;2\n"))
	require.NoError(t, err)
	assert.Equal(t, [][]float64{{1}, {2}}, table.Values)

	for text, want := range map[string]string{
		"":                       "it is empty",
		"name,x\n":               "a heading and no rows",
		"name\na\n":              "its heading has 1 columns",
		"name,x\na,1\na,2\n":     `row 3 is of "a", as row 2 is`,
		"name,x\na,warm\n":       `row 2, column x: "warm" is no number`,
		"name,x\na,Inf\n":        `"Inf" is no number`,
		"name,x\na,1,2\n":        "wrong number of fields",
		"name,x\na,\"1\n":        "extraneous or missing \"",
		"name,x\na,1 2 3\nb,1\n": "a series of 3 values among others",
		"name,x\n,1\n":           `row 2 is of ""`,
	} {
		_, err := Read(strings.NewReader(text))
		assert.ErrorContains(t, err, want, text)
	}
}

// No file panics.
func FuzzRead(f *testing.F) {
	f.Add("name,x\na,1 2 3\nb,1\n")
	f.Add("\ufeffname;x;y\n\"a;b\";1;NA\n")
	f.Fuzz(func(t *testing.T, text string) {
		if table, err := Read(strings.NewReader(text)); err == nil {
			for _, row := range table.Values {
				require.Len(t, row, len(table.Columns))
			}
		}
	})
}
