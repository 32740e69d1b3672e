package main

import (
	"context"
	"fmt"
	"image/color"
	"slices"

	"saccade/figure"
	"saccade/models"
)

// partsJSON is the document of -pca.
type partsJSON struct {
	head
	Images   []partJSON   `json:"images"`
	Variance []float64    `json:"variance"` // the part of it that each component holds
	Written  *writtenJSON `json:"written,omitempty"`
	Errors   []pathError  `json:"errors,omitempty"`
	MS       timesJSON    `json:"ms"`
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
		at, vectors, width, err := d.m.PatchFeatures(s.outputs, s.h, s.w)
		if err != nil {
			return err
		}
		s.img, s.outputs = nil, nil
		p.seen, p.maps, p.width = append(p.seen, s), append(p.maps, at), width
		p.vectors = append(p.vectors, vectors...)
		doc.Images = append(doc.Images, partJSON{s.path, at.Rows, at.Columns})
		return nil
	})
	if err != nil {
		return err
	}
	if len(p.seen) > 0 {
		f, err := p.figure(&doc)
		if err != nil {
			return err
		}
		if doc.Written, err = d.write(d.out, f); err != nil {
			return err
		}
	}
	doc.Errors, doc.MS = d.errors, times(d.m, d.forward)
	if !d.json && doc.Written != nil {
		doc.Written.print(d.stdout)
	}
	return d.finish(doc)
}

// figure finds the components and draws each picture beside its own.
func (p *parts) figure(doc *partsJSON) (figure.Figure, error) {
	n := len(p.vectors) / p.width
	if n <= components || p.width < components {
		return figure.Figure{}, fmt.Errorf("-pca: there are %d patches of %d values; expected %d of %d or more: give larger pictures (-size), or several", n, p.width, components+1, components)
	}
	pca, err := models.PrincipalComponents(p.vectors, n, p.width, components)
	if err != nil {
		return figure.Figure{}, err
	}
	doc.Variance = shares(pca, p.vectors)
	colors := colored(pca, p.vectors)
	var groups [][]figure.Panel
	for i, s := range p.seen {
		at := p.maps[i]
		mosaic, err := figure.Mosaic(s.view.W, s.view.H, grid(at), colors[:at.Rows*at.Columns])
		if err != nil {
			return figure.Figure{}, err
		}
		colors = colors[at.Rows*at.Columns:]
		groups = append(groups, []figure.Panel{{Title: base(s.path), Note: sees(s), Picture: s.view}, {Picture: mosaic}})
	}
	f := arrange(groups)
	f.Title = "Principal components as red, green, blue:"
	for i, v := range doc.Variance {
		f.Title += fmt.Sprintf("%s %.0f", []string{"", ",", ","}[i], 100*v)
	}
	f.Title += " % of variance"
	return f, nil
}

// shares are the parts of the whole variance along the components.
func shares(pca *models.PCA, vectors []float32) []float64 {
	width := len(pca.Mean)
	all := 0.0
	for i, v := range vectors {
		x := float64(v) - pca.Mean[i%width]
		all += x * x
	}
	all /= float64(len(vectors)/width - 1)
	out := make([]float64, components)
	for k, v := range pca.Variances {
		if all > 0 {
			out[k] = v / all
		}
	}
	return out
}

// spread is the part of the coordinates, at either end, that is drawn in the
// colour of the ends, so that a few outliers do not leave all others grey.
const spread = 0.01

// colored are the colours of vectors by their coordinates.
func colored(pca *models.PCA, vectors []float32) []color.RGBA {
	width := len(pca.Mean)
	n := len(vectors) / width
	out := make([]color.RGBA, n)
	var along [components][]float64
	for i := range n {
		for k, v := range pca.Project(vectors[i*width : (i+1)*width]) {
			along[k] = append(along[k], v)
		}
		out[i].A = 255
	}
	for k, values := range along {
		sorted := slices.Sorted(slices.Values(values))
		low, high := sorted[int(spread*float64(n))], sorted[n-1-int(spread*float64(n))]
		for i, v := range values {
			share := 0.5
			if high > low {
				share = min(1, max(0, (v-low)/(high-low)))
			}
			*[]*uint8{&out[i].R, &out[i].G, &out[i].B}[k] = uint8(255*share + 0.5)
		}
	}
	return out
}
