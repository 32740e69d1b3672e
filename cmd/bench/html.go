package main

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// page is one self-contained HTML page: lines, plots, a table, notes.
type page struct {
	Title  string
	Lines  []string
	Charts []chart
	Header []string
	Rows   [][]string
	Notes  []string
}

// chart is a plot with what it shows.
type chart struct {
	Title string
	SVG   template.HTML // drawn by [svg], which escapes its texts
}

func (r *Report) writeHTML(w io.Writer) error {
	charts, err := r.charts()
	if err != nil {
		return err
	}
	g := r.grid("html")
	return writePage(w, page{Title: "saccade bench", Lines: g.title, Charts: charts, Header: g.header, Rows: g.rows, Notes: g.notes})
}

func writePage(w io.Writer, p page) error { return reportTemplate.Execute(w, p) }
