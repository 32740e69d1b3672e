package sensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models/probe"
	"saccade/weights"
)

// Fusion tells classes by a picture's embedding and readings beside it: a logistic regression
// of both, each feature brought to a mean of 0 and a deviation of 1, where readings that are
// missing are the mean.
type Fusion struct {
	Labels      []string // of the classes
	Columns     []string // of the readings, as [Table.Columns]
	Width       int      // of an embedding
	Fingerprint string   // of the weights that made the embeddings
	scale       scaler
	head        *probe.Linear
}

// Fuse fits a fusion to examples, with scikit-learn's C.
func Fuse(pictures, readings Data, c float64) (*Fusion, error) {
	d := pictures.Beside(readings)
	f := &Fusion{Width: len(pictures.Rows[0]), scale: scaling(d.Rows)}
	train := probe.Features{Width: len(d.Rows[0]), Classes: d.Classes, Class: d.Class}
	for _, row := range d.Rows {
		train.Data = append(train.Data, f.scale.apply(row)...)
	}
	var err error
	f.head, err = probe.Logistic(train, c)
	return f, err
}

// Check refuses a table of other readings.
func (f *Fusion) Check(t *Table) error {
	if slices.Equal(f.Columns, t.Columns) {
		return nil
	}
	return fmt.Errorf("its readings are %s, those of the fused head %s; give a table of the same columns, series where there were series", listed(t.Columns), listed(f.Columns))
}

// listed are names, shortened.
func listed(names []string) string {
	const most = 60
	s := []rune(weights.Printable(strings.Join(names, ", ")))
	if len(s) > most {
		s = append(s[:most], '…')
	}
	return string(s)
}

// Logits are those of the classes, of an embedding and readings.
func (f *Fusion) Logits(embedding []float32, readings []float64) ([]float64, error) {
	if len(embedding) != f.Width || len(readings) != len(f.Columns) {
		return nil, fmt.Errorf("found %d values and %d readings, the fused head takes %d and %d", len(embedding), len(readings), f.Width, len(f.Columns))
	}
	row := make([]float64, 0, len(f.scale.mean))
	for _, v := range embedding {
		row = append(row, float64(v))
	}
	return logits(f.head, f.scale.apply(append(row, readings...))), nil
}

// fusionKind is what the file's metadata says.
const fusionKind = "fused head"

// Write writes a safetensors file.
func (f *Fusion) Write(path string) error {
	k, n := len(f.Labels), len(f.scale.mean)
	var all []*weights.Tensor
	for _, a := range []struct {
		name  string
		data  []float32
		shape []int
	}{{"weight", f.head.Weight, []int{k, n}}, {"bias", f.head.Bias, []int{k}}, {"mean", narrowed(f.scale.mean), []int{n}}, {"deviation", narrowed(f.scale.deviation), []int{n}}} {
		t, err := weights.FromFloat32s(a.name, a.data, a.shape...)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		all = append(all, t)
	}
	of := map[string]string{"format": "pt", "kind": fusionKind, "fingerprint": f.Fingerprint}
	for key, list := range map[string][]string{"labels": f.Labels, "columns": f.Columns} {
		text, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		of[key] = string(text)
	}
	return weights.Write(path, all, of)
}

func narrowed(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// ReadFusion reads what Write wrote.
func ReadFusion(path string) (f *Fusion, err error) {
	err = weights.Guard(func() error {
		f, err = readFusion(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("examples %s: %w", path, err)
	}
	return f, nil
}

func readFusion(path string) (*Fusion, error) {
	c, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	of := c.Metadata()
	if of["kind"] != fusionKind {
		return nil, errors.New("it is no fused head; expected a file of train -sensors")
	}
	f := &Fusion{Fingerprint: of["fingerprint"], head: &probe.Linear{}}
	for key, into := range map[string]*[]string{"labels": &f.Labels, "columns": &f.Columns} {
		if err := json.Unmarshal([]byte(of[key]), into); err != nil {
			return nil, fmt.Errorf("its metadata %s are no list: %w", key, err)
		}
	}
	var mean, deviation []float32
	for name, into := range map[string]*[]float32{"weight": &f.head.Weight, "bias": &f.head.Bias, "mean": &mean, "deviation": &deviation} {
		t, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("it has no tensor %s", name)
		}
		*into = make([]float32, t.Len())
		if err := t.Float32s(*into); err != nil {
			return nil, err
		}
		if !gpu.Finite(*into) {
			return nil, fmt.Errorf("its tensor %s holds NaN or Inf", name)
		}
	}
	n, k := len(mean), len(f.Labels)
	if f.Width = n - len(f.Columns); k < 2 || f.Width < 1 || len(deviation) != n || len(f.head.Bias) != k || len(f.head.Weight) != k*n {
		return nil, fmt.Errorf("its tensors are of %d, %d, %d and %d values, which do not go with %d classes and %d readings", len(f.head.Weight), len(f.head.Bias), n, len(deviation), k, len(f.Columns))
	}
	for i, v := range deviation {
		if !(v > 0) {
			return nil, fmt.Errorf("its tensor deviation has %g; expected values above 0", v)
		}
		f.scale.mean, f.scale.deviation = append(f.scale.mean, float64(mean[i])), append(f.scale.deviation, float64(v))
	}
	return f, nil
}
