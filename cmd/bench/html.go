package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// page is one self-contained HTML page: lines, charts, a table, notes.
type page struct {
	Title  string
	Lines  []string
	Charts []chart
	Header []string
	Rows   [][]string
	Notes  []string
}

// chart is a list of horizontal bars as inline SVG.
type chart struct {
	Title  string
	Height int
	Bars   []bar
}

type bar struct {
	Label, Text string
	Y           int
	Width       float64 // of barRoom
	Wrong       bool
}

// Sizes in pixels, as the template has them.
const (
	barPitch = 24
	barRoom  = 520
)

func (r *Report) writeHTML(w io.Writer) error {
	g := r.grid("html")
	fractions, times := chart{Title: "Fraction of the adapter's peak"}, chart{Title: "Milliseconds, on a logarithmic scale"}
	fastest, slowest := math.Inf(1), 0.0
	for _, row := range r.Rows {
		fastest, slowest = min(fastest, row.MSMean), max(slowest, row.MSMean)
	}
	for _, row := range r.Rows {
		label := fmt.Sprintf("%s %s %s", row.Name, row.Shape, row.Precision)
		fractions.add(label, fmt.Sprintf("%.1f %%", 100*row.PeakFraction), min(1, row.PeakFraction), !row.Verified)
		// From a tenth of the fastest on, so that every bar can be seen.
		times.add(label, fmt.Sprintf("%.4g ms", row.MSMean), math.Log(10*row.MSMean/fastest)/math.Log(10*slowest/fastest), !row.Verified)
	}
	return writePage(w, page{Title: "saccade bench", Lines: g.title, Charts: []chart{fractions, times}, Header: g.header, Rows: g.rows, Notes: g.notes})
}

// add puts a bar of a part of the chart's width below the others.
func (c *chart) add(label, text string, part float64, wrong bool) {
	if math.IsNaN(part) || part < 0 {
		part = 0
	}
	if wrong {
		text += " WRONG"
	}
	c.Bars = append(c.Bars, bar{Label: label, Text: text, Y: len(c.Bars) * barPitch, Width: part * barRoom, Wrong: wrong})
	c.Height = len(c.Bars) * barPitch
}

func writePage(w io.Writer, p page) error { return reportTemplate.Execute(w, p) }
