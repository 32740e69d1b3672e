package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"

	"saccade/gpu"
	"saccade/shaders"
)

// Report is what a run measured; its JSON is read by scripts.
type Report struct {
	Adapter  gpu.Info          `json:"adapter"`
	Versions map[string]string `json:"versions"`
	Peak     Peak              `json:"peak"`
	Rows     []Row             `json:"rows"`
}

func newReport(adapter gpu.Info) *Report {
	return &Report{Adapter: adapter, Versions: versions(), Rows: []Row{}}
}

// versions tells what ran: the program, Go, the binding, and a hash of the shaders.
func versions() map[string]string {
	v := map[string]string{"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "shaders": shaderHash()}
	if info, ok := debug.ReadBuildInfo(); ok {
		v["saccade"] = info.Main.Version
		for _, d := range info.Deps {
			if strings.HasSuffix(d.Path, "/wgpu") {
				v["wgpu"] = d.Version
			}
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["saccade"] = s.Value
			}
		}
	}
	return v
}

// shaderHash changes whenever a kernel does.
func shaderHash() string {
	h := sha256.New()
	for _, name := range shaders.Names() {
		text, err := fs.ReadFile(shaders.Files(), name+".wgsl")
		if err != nil { // embedded, so it is there
			return "unknown"
		}
		fmt.Fprintf(h, "%s\n%s\n", name, text)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
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
	return r.grid(format).write(w, format)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// notes say what the numbers are, below every table.
func (r *Report) notes() []string {
	notes := []string{
		"verified: every dispatch recomputed on the CPU in f64 from the GPU's own inputs: all elements, or a sample of rows of operations of more than 6 GFLOP; nmse is the largest of any dispatch",
		"GFLOP/s: the operations as they are defined; of peak: the arithmetic really done (Winograd's convolutions do less), the median over the repetitions, of the peak measured right before and after each",
		"cold: a new process without the driver's shader cache, to the first read-back, less drawing random weights",
	}
	if r.Adapter.Software() {
		notes = append(notes, "a software adapter: these are times of the CPU, not of a GPU")
	}
	return notes
}

// grid lays the report out for the table, md and csv.
func (r *Report) grid(format string) *grid {
	g := &grid{
		title: []string{
			"adapter: " + r.Adapter.String(),
			fmt.Sprintf("peak in this run: %.1f GFLOP/s (fma), %.1f GB/s (copy)", r.Peak.GFLOPS, r.Peak.GBPS),
		},
		header: []string{"name", "kind", "precision", "batch", "shape", "ms", "± sd", "min", "cold ms", "GFLOP/s", "of peak", "MiB", "verified", "nmse"},
		left:   map[int]bool{0: true, 1: true, 2: true, 4: true, 12: true},
		notes:  r.notes(),
	}
	if format == "csv" { // plain names and numbers, and no line that is not a row
		g.title, g.notes = nil, nil
		g.header = []string{"name", "kind", "precision", "batch", "shape", "ms_mean", "ms_sd", "ms_min", "cold_ms", "gflops", "peak_fraction", "mem_mib", "verified", "nmse", "peak_gflops", "adapter"}
	}
	for _, row := range r.Rows {
		cells := row.cells(format == "csv")
		if format == "csv" {
			cells = append(cells, fmt.Sprintf("%.4g", r.Peak.GFLOPS), r.Adapter.String())
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

func (row Row) cells(plain bool) []string {
	verified, fraction := "yes", fmt.Sprintf("%.1f %%", 100*row.PeakFraction)
	if !row.Verified {
		verified = "NO: WRONG"
	}
	if plain {
		verified, fraction = fmt.Sprint(row.Verified), fmt.Sprintf("%.4g", row.PeakFraction)
	}
	number := func(v *float64, format string) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf(format, *v)
	}
	ms := func(v float64) string { return fmt.Sprintf("%.4g", v) }
	return []string{row.Name, row.Kind, row.Precision, fmt.Sprint(row.Batch), row.Shape, ms(row.MSMean), fmt.Sprintf("%.2g", row.MSSD), ms(row.MSMin),
		number(row.ColdMS, "%.4g"), fmt.Sprintf("%.4g", row.GFLOPS), fraction, fmt.Sprintf("%.1f", row.MemMiB), verified, number(row.NMSE, "%.1e")}
}
