package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"image/color"
	"io"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Parse(reportHTML))

// page is one self-contained HTML page: lines, plots, tables with their notes.
type page struct {
	Title  string
	Lines  []string
	Charts []chart
	Tables []table
}

// table is a grid on a page.
type table struct {
	Title  string
	Header []string
	Rows   [][]string
	Notes  []string
}

// table is the grid without its title's lines.
func (g *grid) table(title string) table { return table{title, g.header, g.rows, g.notes} }

// chart is a plot with what it shows.
type chart struct {
	Title, About string
	Keys         []key
	SVG          template.HTML // drawn by [svg], which escapes its texts
}

// key names a colour of a chart, which CSS writes.
type key struct{ Name, Color string }

func newKey(name string, c color.RGBA) key {
	return key{name, fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)}
}

func (r *Report) writeHTML(w io.Writer) error {
	charts, err := r.charts()
	if err != nil {
		return err
	}
	g := r.grid("html")
	p := page{Title: "saccade bench", Lines: g.title, Charts: charts, Tables: []table{g.table("rows")}}
	for _, t := range r.further() {
		p.Tables = append(p.Tables, t.table(t.title[0]))
	}
	return writePage(w, p)
}

func writePage(w io.Writer, p page) error { return reportTemplate.Execute(w, p) }
