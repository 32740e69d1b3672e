package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/models"
)

// explainJSON is the document of -explain.
type explainJSON struct {
	head
	Images []explainedJSON `json:"images"`
	drawnJSON
}

// explainedJSON is a picture with the class that is explained.
type explainedJSON struct {
	Path  string            `json:"path"`
	Class models.Prediction `json:"class"`
	Maps  []mapJSON         `json:"maps"`
}

// mapJSON is a heat map in short.
type mapJSON struct {
	Method  models.Method `json:"method"`
	Head    *int          `json:"head,omitempty"`
	Rows    int           `json:"rows"`
	Columns int           `json:"columns"`
	Least   float64       `json:"least"`
	Largest float64       `json:"largest"`
}

// explained is a heat map with its panel.
type explained struct {
	mapJSON
	panel figure.Panel
}

// drawExplanation draws the methods side by side.
func (d *drawing) drawExplanation(ctx context.Context) error {
	if d.m.Classes() == 0 {
		hint := "; -attention -o FILE.png draws what a transformer attends to"
		if d.m.TakesSounds() {
			hint = ""
		}
		return fmt.Errorf("-explain with %s from %s: %w%s", d.m.Name, d.m.Source, models.ErrNoClasses, hint)
	}
	methods, err := d.chosen()
	if err != nil {
		return err
	}
	if err := d.checkClass(); err != nil {
		return err
	}
	doc := explainJSON{head: d.app.head(d.m), Images: []explainedJSON{}}
	var groups [][]figure.Panel
	err = d.each(ctx, func(s *seen) error {
		class, err := d.classOf(s)
		if err != nil {
			return err
		}
		image := explainedJSON{Path: s.path, Class: class}
		panels := []figure.Panel{{Title: base(s.path), Note: sees(s), Picture: s.View}}
		for _, method := range methods {
			maps, err := d.maps(ctx, s, method, class)
			if err != nil {
				return err
			}
			for _, x := range maps {
				image.Maps, panels = append(image.Maps, x.mapJSON), append(panels, x.panel)
			}
		}
		groups = append(groups, panels)
		doc.Images = append(doc.Images, image)
		return nil
	})
	if err != nil {
		return err
	}
	var f *figure.Figure
	if len(groups) > 0 {
		f = arrange(groups)
		if d.m.TakesSounds() {
			f = wide(groups)
		}
	}
	return d.finish(&doc, &doc.drawnJSON, d.explain, f, func() {
		for _, image := range doc.Images {
			d.stdout.printf("%s\n  %6.2f %%  %s\n", image.Path, 100*image.Class.Score, image.Class.Label)
		}
	})
}

// chosen are the methods that -explain-method names, or all that the network has;
// many heads come last.
func (d *drawing) chosen() ([]models.Method, error) {
	has := d.m.Methods()
	if len(d.methods) == 0 {
		if i := slices.Index(has, models.Heads); i >= 0 {
			has = append(slices.Delete(has, i, i+1), models.Heads)
		}
		return has, nil
	}
	for _, method := range d.methods {
		if !slices.Contains(has, method) {
			return nil, cli.Usagef("-explain-method %s: %s from %s does not have it; it has %s", method, d.m.Name, d.m.Source, strings.Join(texts(has), ", "))
		}
	}
	return d.methods, nil
}

// checkClass finds a wrong -explain-class before any picture is read.
func (d *drawing) checkClass() error {
	if d.class == "" || d.m.Classes() == 0 {
		return nil
	}
	_, err := d.m.FindClass(d.class)
	var unknown *models.UnknownClassError
	if errors.As(err, &unknown) {
		return cli.Usagef("-explain-class: %v (%s has %d classes)", err, d.m.Name, d.m.Classes())
	}
	return err
}

// classOf is the class to explain for a picture: that of -explain-class or the best.
func (d *drawing) classOf(s *seen) (models.Prediction, error) {
	all, err := d.m.Top(s.Outputs, 0)
	if err != nil || d.class == "" {
		return all[0], err
	}
	i, err := d.m.FindClass(d.class)
	if err != nil {
		return models.Prediction{}, err
	}
	return all[slices.IndexFunc(all, func(p models.Prediction) bool { return p.Index == i })], nil
}

// maps are the heat maps of a method.
func (d *drawing) maps(ctx context.Context, s *seen, method models.Method, class models.Prediction) ([]explained, error) {
	one := func(at models.Map, err error, note, legend string) ([]explained, error) {
		if err != nil {
			return nil, err
		}
		x := explained{mapJSON: brief(method, at)}
		x.panel = figure.Panel{Title: titled(class), Note: note, Picture: s.View, Heat: heat(at, legend)}
		return []explained{x}, nil
	}
	switch method {
	case models.Rollout:
		at, err := d.m.Rollout(s.Outputs, s.H, s.W)
		return one(at, err, "attention rollout", "part of the "+d.m.Query())
	case models.CAM:
		at, err := d.m.CAM(s.Outputs, class.Index)
		return one(at, err, "class activation map", fmt.Sprintf("logit; mean + bias is %.2f", class.Logit))
	case models.Occlusion:
		at, err := d.m.Occlude(ctx, s.Pixels, class.Index, d.batch, d.bar.occlusion)
		d.bar.clear()
		return one(at, err, "occlusion", "score lost where hidden")
	}
	heads, err := d.m.Heads(s.Outputs, s.H, s.W)
	if err != nil {
		return nil, err
	}
	var all []explained
	panels := d.headPanels(s, heads)
	for i, at := range heads {
		x := explained{mapJSON: brief(method, at), panel: panels[i]}
		x.Head = &i
		all = append(all, x)
	}
	return all, nil
}

// brief is a map's method, size and range.
func brief(method models.Method, at models.Map) mapJSON {
	h := heat(at, "")
	return mapJSON{Method: method, Rows: at.Rows, Columns: at.Columns, Least: h.Low, Largest: h.High}
}

// titled is a class with its score.
func titled(p models.Prediction) string { return p.Shown() + " " + p.Label }
