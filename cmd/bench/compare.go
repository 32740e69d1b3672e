package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// pair is a row of one report beside the same row of another.
type pair struct {
	Name      string   `json:"name"`
	Precision string   `json:"precision"`
	Batch     int      `json:"batch"`
	Shape     string   `json:"shape"`
	A         *Row     `json:"a"` // null: only in B
	B         *Row     `json:"b"`
	Time      *float64 `json:"time_ratio"`     // b / a of ms_mean
	Fraction  *float64 `json:"fraction_ratio"` // b / a of peak_fraction
}

// readReport reads a report that -o json wrote.
func readReport(path string) (*Report, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fmt.Errorf("reading report %s: %w", path, err)
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("reading report %s: %w; expected what bench -o json writes", path, err)
	}
	if r.Rows == nil || r.Adapter.Name == "" {
		return nil, fmt.Errorf("reading report %s: found no adapter or rows; expected what bench -o json writes", path)
	}
	return &r, nil
}

// pairs matches rows by what they time, in a's order, then what only b has.
func pairs(a, b *Report) []pair {
	type key struct {
		kind, name, precision, shape string
		batch                        int
	}
	keyOf := func(r Row) key { return key{r.Kind, r.Name, r.Precision, r.Shape, r.Batch} }
	other := map[key]*Row{}
	for i := range b.Rows {
		other[keyOf(b.Rows[i])] = &b.Rows[i]
	}
	var all []pair
	for i := range a.Rows {
		row := &a.Rows[i]
		p := pair{Name: row.Name, Precision: row.Precision, Batch: row.Batch, Shape: row.Shape, A: row, B: other[keyOf(*row)]}
		if p.B != nil {
			p.Time, p.Fraction = ratio(p.B.MSMean, row.MSMean), ratio(p.B.PeakFraction, row.PeakFraction)
			delete(other, keyOf(*row))
		}
		all = append(all, p)
	}
	for i := range b.Rows {
		if row := &b.Rows[i]; other[keyOf(*row)] == row {
			all = append(all, pair{Name: row.Name, Precision: row.Precision, Batch: row.Batch, Shape: row.Shape, B: row})
		}
	}
	return all
}

func ratio(b, a float64) *float64 {
	if a == 0 {
		return nil
	}
	r := b / a
	return &r
}

// printComparison compares the reports of -compare.
func (b *bench) printComparison() error {
	first, err := readReport(b.compare)
	if err != nil {
		return err
	}
	second, err := readReport(b.files[0])
	if err != nil {
		return err
	}
	all := pairs(first, second)
	if b.format == "json" {
		return writeJSON(b.stdout, map[string]any{"a": first.Adapter, "b": second.Adapter, "rows": all})
	}
	g := comparison(first, second, all)
	if b.format == "html" {
		return writePage(b.stdout, page{Title: "bench -compare", Lines: g.title, Header: g.header, Rows: g.rows, Notes: g.notes})
	}
	return g.write(b.stdout, b.format)
}

func comparison(a, b *Report, all []pair) *grid {
	g := &grid{
		title: []string{
			fmt.Sprintf("a: %s; peak %.1f GFLOP/s", a.Adapter, a.Peak.GFLOPS),
			fmt.Sprintf("b: %s; peak %.1f GFLOP/s", b.Adapter, b.Peak.GFLOPS),
		},
		header: []string{"name", "precision", "batch", "shape", "a ms", "b ms", "time b/a", "a of peak", "b of peak", "fraction b/a", "note"},
		left:   map[int]bool{0: true, 1: true, 3: true, 10: true},
		notes:  []string{"two runs: where the machine's speed changed between them, compare the fractions of the peak, not the times"},
	}
	for _, p := range all {
		g.rows = append(g.rows, p.cells())
	}
	return g
}

func (p pair) cells() []string {
	cells := []string{p.Name, p.Precision, fmt.Sprint(p.Batch), p.Shape}
	number := func(format string, v *float64) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf(format, *v)
	}
	var aMS, bMS, aFraction, bFraction *float64
	note := ""
	for _, side := range []struct {
		row          *Row
		ms, fraction **float64
		absent, bad  string
	}{{p.A, &aMS, &aFraction, "only in b", "a is WRONG"}, {p.B, &bMS, &bFraction, "only in a", "b is WRONG"}} {
		if side.row == nil {
			note = side.absent
			continue
		}
		percent := 100 * side.row.PeakFraction
		*side.ms, *side.fraction = &side.row.MSMean, &percent
		if !side.row.Verified {
			note = side.bad
		}
	}
	return append(cells, number("%.4g", aMS), number("%.4g", bMS), number("%.2f", p.Time),
		number("%.1f %%", aFraction), number("%.1f %%", bFraction), number("%.2f", p.Fraction), note)
}
