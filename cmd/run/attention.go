package main

import (
	"context"
	"fmt"

	"saccade/figure"
	"saccade/models"
)

// attentionJSON is the document of -attention with -o.
type attentionJSON struct {
	head
	Images []headsJSON `json:"images"`
	drawnJSON
}

// headsJSON is what the heads of the last layer attend to in a picture.
type headsJSON struct {
	Path    string     `json:"path"`
	Query   string     `json:"query"` // whose attention it is
	Rows    int        `json:"rows"`
	Columns int        `json:"columns"`
	Heads   []headJSON `json:"heads"`
}

type headJSON struct {
	Patches float64 `json:"patches"` // the part of the attention that goes to patches, not to other tokens
	Least   float64 `json:"least"`   // of a patch
	Largest float64 `json:"largest"`
}

// drawHeads draws the attention of the last layer, one panel a head.
func (d *drawing) drawHeads(ctx context.Context) error {
	doc := attentionJSON{head: d.app.head(d.m), Images: []headsJSON{}}
	var rows []figure.Row
	most := 0
	err := d.each(ctx, func(s *seen) error {
		maps, err := d.m.Heads(s.Outputs, s.H, s.W)
		if err != nil {
			return err
		}
		panels := d.headPanels(s, maps)
		if len(d.pictures) == 1 {
			rows = figure.Wrap(panels, even(len(panels), columns))
			rows[0].Title = base(s.path)
		} else {
			rows = append(rows, figure.Row{Title: base(s.path), Panels: panels})
		}
		most = max(most, len(rows[len(rows)-1].Panels), len(rows[0].Panels))
		doc.Images = append(doc.Images, d.headsOf(s, maps))
		return nil
	})
	if err != nil {
		return err
	}
	var f *figure.Figure
	if len(rows) > 0 {
		f = &figure.Figure{Rows: rows, Side: side(most)}
	}
	return d.finish(&doc, &doc.drawnJSON, d.out, f, func() {})
}

func (d *drawing) headPanels(s *seen, maps []models.Map) []figure.Panel {
	panels := make([]figure.Panel, len(maps))
	for i, at := range maps {
		panels[i] = figure.Panel{Title: fmt.Sprintf("head %d", i), Note: "last layer", Picture: s.View, Heat: heat(at, "attention of the "+d.m.Query())}
	}
	return panels
}

func (d *drawing) headsOf(s *seen, maps []models.Map) headsJSON {
	j := headsJSON{Path: s.path, Query: d.m.Query(), Rows: maps[0].Rows, Columns: maps[0].Columns}
	for _, at := range maps {
		h := heat(at, "")
		all := 0.0
		for _, v := range at.Values {
			all += float64(v)
		}
		j.Heads = append(j.Heads, headJSON{all, h.Low, h.High})
	}
	return j
}
