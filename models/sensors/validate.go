package sensors

import (
	"fmt"
	"math"
	"slices"

	"saccade/models/probe"
)

// Data are features of examples with their classes. Values that are missing are NaN.
type Data struct {
	Rows    [][]float64
	Class   []int
	Classes int
}

// Beside has the features of both, of the same examples.
func (d Data) Beside(other Data) Data {
	rows := make([][]float64, len(d.Rows))
	for i := range rows {
		rows[i] = append(append([]float64(nil), d.Rows[i]...), other.Rows[i]...)
	}
	return Data{rows, d.Class, d.Classes}
}

// Validation is what cross-validation found.
type Validation struct {
	Accuracy  float64 // part of the examples whose class was told by the others
	Low, High float64 // within which it lies with 95 % (Wilson's interval)
	// Probabilities are those of the classes for each example, by the fold without it.
	Probabilities [][]float64
}

// Folds is the fold of each example: those of a class go to the folds in turn.
func Folds(class []int, folds int) []int {
	seen, of := map[int]int{}, make([]int, len(class))
	for i, c := range class {
		of[i] = seen[c] % folds
		seen[c]++
	}
	return of
}

// CrossValidate tells the class of each example by a logistic regression of those in other
// folds, with scikit-learn's C: missing values are the mean of the fold's others, and
// every feature is brought to their mean of 0 and deviation of 1. Each class has to have as
// many examples as there are folds.
func CrossValidate(d Data, folds int, c float64) (*Validation, error) {
	counts := make([]int, d.Classes)
	for _, class := range d.Class {
		counts[class]++
	}
	for class, n := range counts {
		if n < folds {
			return nil, fmt.Errorf("class %d has %d examples; expected at least one for each of %d folds", class, n, folds)
		}
	}
	fold := Folds(d.Class, folds)
	v := &Validation{Probabilities: make([][]float64, len(d.Rows))}
	right := 0
	for f := range folds {
		if err := v.holdOut(d, fold, f, c, &right); err != nil {
			return nil, err
		}
	}
	v.Accuracy = float64(right) / float64(len(d.Rows))
	v.Low, v.High = wilson(float64(right), float64(len(d.Rows)))
	return v, nil
}

// holdOut tells the classes of a fold by the others.
func (v *Validation) holdOut(d Data, fold []int, held int, c float64, right *int) error {
	var rows [][]float64
	train := probe.Features{Width: len(d.Rows[0]), Classes: d.Classes}
	for i, row := range d.Rows {
		if fold[i] != held {
			rows, train.Class = append(rows, row), append(train.Class, d.Class[i])
		}
	}
	s := scaling(rows)
	for _, row := range rows {
		train.Data = append(train.Data, s.apply(row)...)
	}
	head, err := probe.Logistic(train, c)
	if err != nil {
		return err
	}
	for i, row := range d.Rows {
		if fold[i] != held {
			continue
		}
		p := Softmax(logits(head, s.apply(row)))
		best := 0
		for k, x := range p {
			if x > p[best] {
				best = k
			}
		}
		if v.Probabilities[i] = p; best == d.Class[i] {
			*right++
		}
	}
	return nil
}

// scaler is the mean and the deviation of each feature.
type scaler struct{ mean, deviation []float64 }

// scaling is that of rows, in which missing values count as the mean.
func scaling(rows [][]float64) scaler {
	width := len(rows[0])
	s := scaler{make([]float64, width), make([]float64, width)}
	for k := range width {
		sum, n := 0.0, 0.0
		for _, row := range rows {
			if !math.IsNaN(row[k]) {
				sum, n = sum+row[k], n+1
			}
		}
		if n > 0 {
			s.mean[k] = sum / n
		}
		for _, row := range rows {
			if !math.IsNaN(row[k]) {
				s.deviation[k] += (row[k] - s.mean[k]) * (row[k] - s.mean[k]) / float64(len(rows))
			}
		}
		if s.deviation[k] = math.Sqrt(s.deviation[k]); s.deviation[k] <= 1e-12*math.Abs(s.mean[k]) || s.deviation[k] == 0 {
			s.deviation[k] = 1 // a constant
		}
	}
	return s
}

func (s scaler) apply(row []float64) []float32 {
	out := make([]float32, len(row))
	for k, v := range row {
		if !math.IsNaN(v) {
			out[k] = float32((v - s.mean[k]) / s.deviation[k])
		}
	}
	return out
}

// logits are a head's.
func logits(l *probe.Linear, x []float32) []float64 {
	z := make([]float64, len(l.Bias))
	for k := range z {
		z[k] = float64(l.Bias[k])
		for i, v := range x {
			z[k] += float64(l.Weight[k*len(x)+i]) * float64(v)
		}
	}
	return z
}

// Softmax makes probabilities of logits, in place.
func Softmax(p []float64) []float64 {
	most, sum := slices.Max(p), 0.0
	for k := range p {
		p[k] = math.Exp(p[k] - most)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// wilson is the interval of a part k of n with 95 %.
func wilson(k, n float64) (low, high float64) {
	const z = 1.959963984540054
	p := k / n
	middle, half := p+z*z/(2*n), z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return (middle - half) / (1 + z*z/n), (middle + half) / (1 + z*z/n)
}
