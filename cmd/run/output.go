package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/weights"
)

// output is stdout, buffered; its first error shows in flush.
type output struct {
	to io.Writer
	w  *bufio.Writer
}

func newOutput(w io.Writer) *output { return &output{w, bufio.NewWriter(w)} }

// printf prints texts of files, such as labels and names, with control characters
// escaped: a terminal would obey them.
func (o *output) printf(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = weights.Escape(s)
		}
	}
	fmt.Fprintf(o.w, format, args...)
}

func (o *output) flush() error {
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("writing the results: %w", reason(err))
	}
	return nil
}

// document prints v as JSON.
func (o *output) document(v any) error {
	e := json.NewEncoder(o.w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the results as JSON: %w", err)
	}
	return nil
}

// adapterJSON is what documents tell of the adapter.
type adapterJSON struct {
	Name    string `json:"name"`
	Backend string `json:"backend"`
	Type    string `json:"type"`
	Driver  string `json:"driver"`
	Binding string `json:"binding"`
}

func (a *app) adapterJSON() adapterJSON {
	i := a.dev.Info()
	return adapterJSON{i.Name, i.Backend, i.Type, i.Driver, i.Binding}
}

// head is what all documents about a model begin with.
type head struct {
	Model     string      `json:"model"`
	Backbone  string      `json:"backbone,omitempty"` // whose features an anomaly is told by
	Weights   string      `json:"weights"`
	Precision string      `json:"precision"`
	Adapter   adapterJSON `json:"adapter"`
}

func (a *app) head(m *models.Model) head {
	return head{Model: m.Name, Weights: m.Source, Precision: m.Precision.String(), Adapter: a.adapterJSON()}
}

// pathError is a picture that could not be read.
type pathError struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// milliseconds of a duration, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// summary tells on stderr what computed the results, and how fast.
func (a *app) summary(m *models.Model, pictures int, forward time.Duration) {
	a.summaryOf(m, pictures, a.subject(), forward)
}

// summaryOf is the summary of so many things of a kind.
func (a *app) summaryOf(m *models.Model, n int, what string, forward time.Duration) {
	fmt.Fprintf(a.stderr, "%s (%s), %s, on %s\n", m.Name, m.Source, m.Precision, a.dev.Info())
	fmt.Fprintf(a.stderr, "load %s, compile %s, forward %s (%s)\n", cli.Short(m.LoadTime-m.CompileTime), cli.Short(m.CompileTime+m.WriteCompile()), cli.Short(forward), cli.Count(n, what))
}

// subject is what the flags give: pictures or sounds.
func (a *app) subject() string {
	if len(a.sounds) > 0 || takesSounds(a.model) {
		return "sound"
	}
	return "picture"
}

// table prints rows in columns, two spaces apart. Columns whose heading begins
// with > are set to the right.
func (o *output) table(heading []string, rows [][]string) {
	width := make([]int, len(heading))
	right := make([]bool, len(heading))
	first := make([]string, len(heading))
	for i, h := range heading {
		first[i], right[i] = strings.CutPrefix(h, ">")
	}
	rows = append([][]string{first}, rows...)
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				line.WriteString(gap + cell + "  ")
			} else {
				line.WriteString(cell + gap + "  ")
			}
		}
		o.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// rates are an amount of work by time, "" where there is none: GFLOP/s or GB/s.
func rate(work float64, took time.Duration) string {
	if work == 0 || took <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", work/took.Seconds()/1e9)
}

// limits prints the limits of an adapter in one line.
func limits(l gpu.Limits) string {
	return fmt.Sprintf("binding %s, buffer %s, %d storage buffers a stage, workgroup storage %d KiB, %d invocations a workgroup, %d workgroups a dimension, offsets in %d bytes",
		gpu.MiB(l.MaxBinding), gpu.MiB(l.MaxBuffer), l.MaxStorageBindings, l.MaxWorkgroupStorage>>10, l.MaxInvocations, l.MaxWorkgroups, l.OffsetAlignment)
}
