package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// grid is a table for people, with lines above and below it.
type grid struct {
	title  []string
	header []string
	left   map[int]bool // columns of words; numbers stand on the right
	rows   [][]string
	notes  []string
}

// write prints the grid as table, md or csv.
func (g *grid) write(w io.Writer, format string) error {
	switch format {
	case "csv":
		c := csv.NewWriter(w)
		if err := c.WriteAll(append([][]string{g.header}, g.rows...)); err != nil {
			return err
		}
		return c.Error()
	case "md":
		return g.print(w, "| ", " | ", " |", "- ", true)
	}
	return g.print(w, "", "  ", "", "", false)
}

// print aligns the columns between the given borders. mark goes before lines of text.
func (g *grid) print(out io.Writer, before, between, after, mark string, rule bool) error {
	w := bufio.NewWriter(out)
	width := make([]int, len(g.header))
	for _, row := range append([][]string{g.header}, g.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) {
		cells := make([]string, len(row))
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if g.left[i] {
				cells[i] = cell + space
			} else {
				cells[i] = space + cell
			}
		}
		fmt.Fprintln(w, strings.TrimRight(before+strings.Join(cells, between)+after, " "))
	}
	for _, text := range g.title {
		fmt.Fprintln(w, mark+text)
	}
	fmt.Fprintln(w)
	line(g.header)
	if rule {
		dashes := make([]string, len(width))
		for i, n := range width {
			if dashes[i] = strings.Repeat("-", max(3, n)-1) + ":"; g.left[i] {
				dashes[i] = strings.Repeat("-", max(3, n))
			}
		}
		fmt.Fprintln(w, before+strings.Join(dashes, between)+after)
	}
	for _, row := range g.rows {
		line(row)
	}
	if len(g.notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, text := range g.notes {
		fmt.Fprintln(w, mark+text)
	}
	return w.Flush()
}
