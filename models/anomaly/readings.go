package anomaly

import (
	"fmt"
	"math"
	"slices"
)

// Readings are what sensors said beside the normal pictures. A score is the distance from the
// nearest of them, each reading brought to a mean of 0 and a deviation of 1; values that are
// missing count as the mean.
type Readings struct {
	Columns   []string  `json:"columns"`
	Mean      []float64 `json:"mean"`
	Deviation []float64 `json:"deviation"`
	// HeldOut are the scores of the normal ones, each by others, and Threshold their quantile.
	HeldOut   []float64 `json:"held_out"`
	Threshold float64   `json:"threshold"`
	// FusedHeldOut are those of pictures and readings together, as FusedThreshold is.
	FusedHeldOut   []float64 `json:"fused_held_out"`
	FusedThreshold float64   `json:"fused_threshold"`

	rows []float32 // [N, columns], scaled
}

// AddReadings has a bank know the readings beside its normal pictures, a row for each in their
// order.
func (b *Bank) AddReadings(columns []string, rows [][]float64) error {
	if len(rows) != b.Images {
		return fmt.Errorf("found readings of %d of %d normal pictures", len(rows), b.Images)
	}
	r := fitReadings(columns, rows)
	r.HeldOut, r.FusedHeldOut = make([]float64, len(rows)), make([]float64, len(rows))
	parts := min(folds, len(rows))
	for part := range parts {
		var others [][]float64
		for i, row := range rows {
			if i%parts != part {
				others = append(others, row)
			}
		}
		without := fitReadings(columns, others)
		for i := part; i < len(rows); i += parts {
			r.HeldOut[i] = without.Score(rows[i])
		}
	}
	r.Threshold = max(leastThreshold, Quantile(r.HeldOut, b.Quantile))
	b.Readings = r
	for i := range rows {
		r.FusedHeldOut[i] = b.Fused(b.HeldOut[i], r.HeldOut[i])
	}
	r.FusedThreshold = max(leastThreshold, Quantile(r.FusedHeldOut, b.Quantile))
	return nil
}

// Fused is the score of a picture and of readings together: the larger of both, each as a part
// of its own threshold.
func (b *Bank) Fused(picture, readings float64) float64 {
	return max(picture/max(b.Threshold, 1e-12), readings/b.Readings.Threshold)
}

// leastThreshold is that of readings, in deviations: of readings that are all alike it would be
// 0, and what is rounded anomalous.
const leastThreshold = 1e-3

// fitReadings is readings without a threshold.
func fitReadings(columns []string, rows [][]float64) *Readings {
	n := len(columns)
	r := &Readings{Columns: columns, Mean: make([]float64, n), Deviation: make([]float64, n)}
	for k := range n {
		var values []float64
		for _, row := range rows {
			if !math.IsNaN(row[k]) {
				values = append(values, row[k])
			}
		}
		r.Mean[k], r.Deviation[k] = moments(values)
	}
	for _, row := range rows {
		r.rows = append(r.rows, r.scaled(row)...)
	}
	return r
}

// moments are the mean and the deviation of values, 1 of a constant.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / float64(len(values))
	}
	if deviation = math.Sqrt(deviation); deviation <= 1e-12*math.Abs(mean) {
		deviation = 1
	}
	return mean, deviation
}

func (r *Readings) scaled(row []float64) []float32 {
	out := make([]float32, len(row))
	for k, v := range row {
		if !math.IsNaN(v) {
			out[k] = float32((v - r.Mean[k]) / r.Deviation[k])
		}
	}
	return out
}

// Score is how far readings are from those that are normal.
func (r *Readings) Score(row []float64) float64 {
	x, best, n := r.scaled(row), math.Inf(1), len(r.Columns)
	for i := 0; i+n <= len(r.rows); i += n {
		best = min(best, squared(x, r.rows[i:i+n]))
	}
	return math.Sqrt(best)
}

// Check refuses readings of other columns.
func (r *Readings) Check(columns []string) error {
	if slices.Equal(r.Columns, columns) {
		return nil
	}
	return fmt.Errorf("it has %d readings of a picture and the bank's has %d, or they have other names; give a table of the same columns, series where there were series", len(columns), len(r.Columns))
}

// check refuses what Save does not write.
func (r *Readings) check() error {
	n := len(r.Columns)
	bad := func(v float64) bool { return !(v > 0) || math.IsInf(v, 0) }
	if n < 1 || bad(r.Threshold) || bad(r.FusedThreshold) || len(r.Mean) != n || len(r.Deviation) != n || len(r.rows) < n || slices.ContainsFunc(r.Deviation, bad) {
		return fmt.Errorf("its tensors do not fit what it says of itself: readings of %d columns", n)
	}
	return nil
}
