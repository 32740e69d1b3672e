package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/shaders"
)

// Report is what a run measured; its JSON is read by scripts.
type Report struct {
	Adapter  gpu.Info          `json:"adapter"`
	Software bool              `json:"software"` // the adapter computes on the CPU
	Versions map[string]string `json:"versions"`
	Peak     Peak              `json:"peak"`
	Tuned    int               `json:"tuned_operations"` // that took their way from the tuner's table
	Rows     []Row             `json:"rows"`
	Sweeps   []Sweep           `json:"sweeps,omitempty"`
	Peers    []PeerRow         `json:"peers,omitempty"`
}

func newReport(adapter gpu.Info) *Report {
	return &Report{Adapter: adapter, Software: adapter.Software(), Versions: versions(), Rows: []Row{}}
}

// finish takes over the peaks of the whole run.
func (r *Report) finish(peak Peak) {
	r.Peak = peak
	for i := range r.Rows {
		r.Rows[i].CopyFraction = r.Rows[i].GBPS / peak.GBPS
	}
}

// versions tells what ran: the program, Go, the binding, and a hash of the shaders.
func versions() map[string]string {
	v := map[string]string{"saccade": cli.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "shaders": shaders.Hash(), "wgpu": gpu.Binding()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["commit"] = s.Value
			}
		}
	}
	return v
}

// plausible fails a run that was faster than the adapter can be.
func (r *Report) plausible() error {
	for _, row := range r.Rows {
		if row.PeakFraction > 1 {
			return fmt.Errorf("%s %s %s ran at %.2f of the adapter's measured peak: more than 1 cannot be, so the peak or the count of operations is wrong",
				row.Name, row.Shape, row.Precision, row.PeakFraction)
		}
	}
	return nil
}

// write prints the report in a format.
func (r *Report) write(w io.Writer, format string) error {
	switch format {
	case "json":
		return writeJSON(w, r)
	case "html":
		return r.writeHTML(w)
	}
	if err := r.grid(format).write(w, format); err != nil || format == "csv" {
		return err
	}
	for _, t := range r.further() {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := t.write(w, format); err != nil {
			return err
		}
	}
	return nil
}

// further are the tables besides the rows.
func (r *Report) further() []*grid {
	var all []*grid
	if len(r.Sweeps) > 0 {
		all = append(all, r.growth())
	}
	if len(r.Peers) > 0 {
		all = append(all, r.peerGrid())
	}
	if g := r.paces(); len(g.rows) > 0 {
		all = append(all, g)
	}
	if g := r.gains(); len(g.rows) > 0 {
		all = append(all, g)
	}
	return all
}

// paces are how fast texts were written.
func (r *Report) paces() *grid {
	g := &grid{
		title:  []string{"texts: what they are about is read and their first token chosen; then the tokens a second"},
		header: []string{"name", "shape", "precision", "first ms", "tokens/s"}, left: map[int]bool{0: true, 1: true, 2: true},
	}
	for _, row := range r.Rows {
		if row.ItemsPerS != nil {
			g.rows = append(g.rows, []string{row.Name, row.Shape, row.Precision, milliseconds(row.PrefillMS), fmt.Sprintf("%.4g", *row.ItemsPerS)})
		}
	}
	return g
}

// gains are what tuning gives each row.
func (r *Report) gains() *grid {
	g := &grid{
		title:  []string{"tuned: how many times as fast as by the default ways of this class of adapter, in turn"},
		header: []string{"name", "shape", "precision", "times as fast"}, left: map[int]bool{0: true, 1: true, 2: true},
	}
	for _, row := range r.Rows {
		if row.TunedGain != nil {
			g.rows = append(g.rows, []string{row.Name, row.Shape, row.Precision, fmt.Sprintf("%.2f", *row.TunedGain)})
		}
	}
	return g
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// notes say what the numbers are, below every table.
func (r *Report) notes() []string {
	notes := []string{
		"verified: every dispatch recomputed on the CPU in f64 from the GPU's own inputs; nmse is the largest of any dispatch. Of operations so large that it would take minutes, a sample of the rows is compared: sampled counts those. Whole pipelines are compared with their goldens",
		"ms: warm, from the upload to the read-back; of operations, their dispatches alone. cold: a new process without the driver's shader cache, to the first read-back, less drawing random weights",
		"GFLOP/s: the operations as they are defined; of peak: the arithmetic really done (Winograd's convolutions do less), the median over the repetitions, of the peak measured right before and after each. Halves and floats have one peak: both are summed in f32",
		"GB/s: what the dispatches read and write, each tensor once, by the mean time; of copy: of a copy of 64 MiB in this run, which what stays in caches can exceed",
	}
	if r.Tuned > 0 {
		notes = append(notes, fmt.Sprintf("%d operations take the way that the tuner found on this adapter; -tuning off leaves that out", r.Tuned))
	}
	if r.Software {
		notes = append(notes, "a software adapter: these are times of the CPU, not of a GPU")
	}
	return notes
}

// title is the adapter and its peaks.
func (r *Report) title() []string {
	return []string{
		"adapter: " + r.Adapter.String(),
		fmt.Sprintf("peak in this run: %.1f GFLOP/s (fma), %.1f GB/s (copy)", r.Peak.GFLOPS, r.Peak.GBPS),
	}
}

// grid lays the report out for the table, md and csv.
func (r *Report) grid(format string) *grid {
	g := &grid{
		title:  r.title(),
		header: []string{"name", "kind", "precision", "batch", "shape", "ms", "± sd", "min", "cold ms", "GFLOP/s", "of peak", "GB/s", "of copy", "MiB", "verified", "nmse"},
		left:   map[int]bool{0: true, 1: true, 2: true, 4: true, 14: true},
		notes:  r.notes(),
	}
	if format == "csv" { // plain names and numbers, and no line that is not a row
		g.title, g.notes = nil, nil
		g.header = []string{"name", "kind", "precision", "batch", "shape", "ms_mean", "ms_sd", "ms_min", "cold_ms", "gflops", "peak_fraction", "gbps", "copy_fraction", "mem_mib",
			"verified", "nmse", "sampled", "peak_gflops", "peak_gbps", "adapter"}
	}
	for _, row := range r.Rows {
		cells := row.cells(format == "csv")
		if format == "csv" {
			cells = append(cells, fmt.Sprint(row.Sampled), fmt.Sprintf("%.4g", r.Peak.GFLOPS), fmt.Sprintf("%.4g", r.Peak.GBPS), r.Adapter.String())
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

func (row Row) cells(plain bool) []string {
	percent := func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
	verified := row.verdict()
	if plain {
		percent = func(v float64) string { return fmt.Sprintf("%.4g", v) }
		verified = fmt.Sprint(row.Verified)
	}
	return []string{row.Name, row.Kind, row.Precision, fmt.Sprint(row.Batch), row.Shape, milliseconds(&row.MSMean), fmt.Sprintf("%.2g", row.MSSD), milliseconds(&row.MSMin),
		milliseconds(row.ColdMS), fmt.Sprintf("%.4g", row.GFLOPS), percent(row.PeakFraction), fmt.Sprintf("%.4g", row.GBPS), percent(row.CopyFraction),
		fmt.Sprintf("%.1f", row.MemMiB), verified, optional("%.1e", row.NMSE)}
}

// verdict is whether the row computed what it should, in words.
func (row Row) verdict() string {
	switch {
	case !row.Verified:
		return "NO: WRONG"
	case row.Sampled > 0:
		return fmt.Sprintf("yes, %d sampled", row.Sampled)
	}
	return "yes"
}

// milliseconds formats a time with four digits, or all before the point; "" for none.
func milliseconds(v *float64) string {
	if v != nil && *v >= 1000 {
		return optional("%.0f", v)
	}
	return optional("%.4g", v)
}

// optional formats a number that may be absent.
func optional(format string, v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf(format, *v)
}
