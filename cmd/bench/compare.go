package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"saccade/gpu"
)

// match is one subject in several reports.
type match struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Precision string     `json:"precision"`
	Batch     int        `json:"batch"`
	Shape     string     `json:"shape"`
	Rows      []*Row     `json:"rows"`           // by report; null where it has none
	Time      []*float64 `json:"time_ratio"`     // of ms_mean, to the first report's
	Fraction  []*float64 `json:"fraction_ratio"` // of peak_fraction, to the first report's
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
	r.Software = r.Adapter.Software()
	return &r, nil
}

// matches finds the rows that time the same, in the order of the first report that
// has them.
func matches(reports []*Report) []match {
	type key struct {
		kind, name, precision, shape string
		batch                        int
	}
	at := map[key]int{}
	var all []match
	for k, r := range reports {
		for i := range r.Rows {
			row := &r.Rows[i]
			id := key{row.Kind, row.Name, row.Precision, row.Shape, row.Batch}
			j, ok := at[id]
			if !ok {
				j, at[id] = len(all), len(all)
				all = append(all, match{Name: row.Name, Kind: row.Kind, Precision: row.Precision, Batch: row.Batch, Shape: row.Shape,
					Rows: make([]*Row, len(reports)), Time: make([]*float64, len(reports)), Fraction: make([]*float64, len(reports))})
			}
			m := &all[j]
			m.Rows[k] = row
			if first := m.Rows[0]; first != nil {
				m.Time[k], m.Fraction[k] = ratio(row.MSMean, first.MSMean), ratio(row.PeakFraction, first.PeakFraction)
			}
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
	reports, err := readReports(b.compare)
	if err != nil {
		return err
	}
	all := matches(reports)
	if b.format == "json" {
		type head struct {
			Adapter  gpu.Info `json:"adapter"`
			Software bool     `json:"software"`
			Peak     Peak     `json:"peak"`
		}
		heads := make([]head, len(reports))
		for i, r := range reports {
			heads[i] = head{r.Adapter, r.Software, r.Peak}
		}
		return writeJSON(b.stdout, map[string]any{"reports": heads, "rows": all})
	}
	g := comparison(reports, all)
	if b.format == "html" {
		return writePage(b.stdout, page{Title: "bench -compare", Lines: g.title, Tables: []table{g.table("rows")}})
	}
	return g.write(b.stdout, b.format)
}

// readReports reads several.
func readReports(paths []string) ([]*Report, error) {
	reports := make([]*Report, len(paths))
	for i, path := range paths {
		var err error
		if reports[i], err = readReport(path); err != nil {
			return nil, err
		}
	}
	return reports, nil
}

// comparison is the table of several reports, which letters name; ratios are to the
// first, a.
func comparison(reports []*Report, all []match) *grid {
	g := &grid{
		header: []string{"name", "precision", "batch", "shape"},
		left:   map[int]bool{0: true, 1: true, 3: true},
		notes:  []string{"several runs: where the machine's speed changed between them, compare the fractions of the peak, not the times"},
	}
	for i, r := range reports {
		name := letter(i)
		g.title = append(g.title, fmt.Sprintf("%s: %s; peak %.1f GFLOP/s, %.1f GB/s", name, r.Adapter, r.Peak.GFLOPS, r.Peak.GBPS))
		if r.Software {
			name += " (software)"
		}
		g.header = append(g.header, name+" ms", name+" of peak")
		if i > 0 {
			g.header = append(g.header, "time "+letter(i)+"/a", "fraction "+letter(i)+"/a")
		}
	}
	g.left[len(g.header)] = true
	g.header = append(g.header, "note")
	for _, m := range all {
		g.rows = append(g.rows, m.cells())
	}
	return g
}

// letter names report i: a to z, then by number.
func letter(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return fmt.Sprint("report ", i+1)
}

func (m match) cells() []string {
	cells := []string{m.Name, m.Precision, fmt.Sprint(m.Batch), m.Shape}
	var absent, notes []string
	for i, row := range m.Rows {
		var ms, fraction *float64
		if row == nil {
			absent = append(absent, letter(i))
		} else {
			percent := 100 * row.PeakFraction
			ms, fraction = &row.MSMean, &percent
			if !row.Verified {
				notes = append(notes, letter(i)+" is WRONG")
			}
		}
		cells = append(cells, milliseconds(ms), optional("%.1f %%", fraction))
		if i > 0 {
			cells = append(cells, optional("%.2f", m.Time[i]), optional("%.2f", m.Fraction[i]))
		}
	}
	if len(absent) > 0 {
		notes = append(notes, "not in "+strings.Join(absent, ", "))
	}
	return append(cells, strings.Join(notes, "; "))
}
