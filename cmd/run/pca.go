package main

import (
	"context"
	"fmt"

	"saccade/figure"
	"saccade/models"
	"saccade/pca"
)

// partsJSON is the document of -pca.
type partsJSON struct {
	head
	Images   []partJSON `json:"images"`
	Variance []float64  `json:"variance"` // the part of it that each component holds
	drawnJSON
}

type partJSON struct {
	Path    string `json:"path"`
	Rows    int    `json:"rows"`
	Columns int    `json:"columns"`
}

// components are drawn as red, green and blue.
const components = 3

// parts are the features of pictures.
type parts struct {
	seen    []*seen
	maps    []models.Map
	vectors []float32 // [cells of all, width]
	width   int
}

// drawParts draws the principal components of the features as colours.
func (d *drawing) drawParts(ctx context.Context) error {
	doc := partsJSON{head: d.app.head(d.m), Images: []partJSON{}}
	var p parts
	err := d.each(ctx, func(s *seen) error {
		at, vectors, width, err := d.m.PatchFeatures(s.Outputs, s.H, s.W)
		if err != nil {
			return err
		}
		s.img, s.Outputs = nil, nil
		p.seen, p.maps, p.width = append(p.seen, s), append(p.maps, at), width
		p.vectors = append(p.vectors, vectors...)
		doc.Images = append(doc.Images, partJSON{s.path, at.Rows, at.Columns})
		return nil
	})
	if err != nil {
		return err
	}
	var f *figure.Figure
	if len(p.seen) > 0 {
		if f, err = p.figure(&doc); err != nil {
			return err
		}
	}
	return d.finish(&doc, &doc.drawnJSON, d.out, f, func() {})
}

// figure finds the components and draws each picture beside its own.
func (p *parts) figure(doc *partsJSON) (*figure.Figure, error) {
	n := len(p.vectors) / p.width
	if n <= components || p.width < components {
		return nil, fmt.Errorf("-pca: there are %d patches of %d values; expected %d of %d or more: give larger pictures (-size), or several", n, p.width, components+1, components)
	}
	found, err := pca.Find(p.vectors, n, p.width, components)
	if err != nil {
		return nil, err
	}
	doc.Variance = found.Shares(p.vectors)
	colors := found.Colors(p.vectors)
	var groups [][]figure.Panel
	for i, s := range p.seen {
		at := p.maps[i]
		mosaic, err := figure.Mosaic(s.View.W, s.View.H, grid(at), colors[:at.Rows*at.Columns])
		if err != nil {
			return nil, err
		}
		colors = colors[at.Rows*at.Columns:]
		groups = append(groups, []figure.Panel{{Title: base(s.path), Note: sees(s), Picture: s.View}, {Picture: mosaic}})
	}
	f := arrange(groups)
	f.Title = "Principal components as red, green, blue:"
	for i, v := range doc.Variance {
		f.Title += fmt.Sprintf("%s %.0f", []string{"", ",", ","}[i], 100*v)
	}
	f.Title += " % of variance"
	return f, nil
}
