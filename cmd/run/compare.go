package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/models"
)

// compareJSON is the document of -compare.
type compareJSON struct {
	Adapter adapterJSON    `json:"adapter"`
	Models  []comparedJSON `json:"models"`
	Written *writtenJSON   `json:"written,omitempty"`
	Errors  []pathError    `json:"errors,omitempty"`
}

// comparedJSON is one of the models.
type comparedJSON struct {
	Model      string        `json:"model"`
	Weights    string        `json:"weights"`
	Precision  string        `json:"precision"`
	Parameters int64         `json:"parameters"`
	Images     []besidesJSON `json:"images"`
	MS         timesJSON     `json:"ms"` // forward is of all pictures' first pass
}

// besidesJSON is what one model makes of one picture.
type besidesJSON struct {
	Path    string              `json:"path"`
	Top     []models.Prediction `json:"top"`
	Map     *mapJSON            `json:"map,omitempty"`
	Forward float64             `json:"forward_ms"` // warm, the median of a few
	FLOPs   float64             `json:"flops"`
}

// warmRuns is how many warm forward passes a time is the median of.
const warmRuns = 5

// comparison is the models' results so far.
type comparison struct {
	*app
	doc    compareJSON
	panels map[string][]figure.Panel // by picture: itself, then a model each
}

// compareModels puts models side by side on the pictures. One model is held at
// a time.
func (a *app) compareModels(ctx context.Context) error {
	o, err := a.prepare()
	if err != nil {
		return err
	}
	c := &comparison{app: a, doc: compareJSON{Adapter: a.adapterJSON()}, panels: map[string][]figure.Panel{}}
	for _, x := range a.options.compare {
		if len(c.pictures) == 0 { // none could be read
			break
		}
		if err := c.add(ctx, x, o); err != nil {
			return err
		}
	}
	return c.finish()
}

// add runs one model.
func (c *comparison) add(ctx context.Context, x compared, o models.Options) error {
	o.Outputs = models.ExplainOutputs(x.model)
	m, err := c.loadModel(ctx, x.model, x.weights, o)
	if err != nil {
		return err
	}
	defer m.Close()
	if !m.SeesImages() {
		return fmt.Errorf("%s: %w", m.Name, models.ErrNoImages)
	}
	d := &drawing{pass{app: c.app, m: m, bar: c.progress()}}
	method, err := d.firstMethod()
	if err != nil {
		return err
	}
	if err := d.checkClass(); err != nil {
		return err
	}
	j := comparedJSON{Model: m.Name, Weights: m.Source, Precision: m.Precision.String(), Images: []besidesJSON{}}
	err = d.each(ctx, func(s *seen) error {
		b, err := c.besides(ctx, d, s, method, &j)
		j.Images = append(j.Images, b)
		return err
	})
	if err != nil {
		return err
	}
	j.MS = times(m, d.forward)
	c.doc.Models = append(c.doc.Models, j)
	c.doc.Errors = append(c.doc.Errors, d.errors...)
	c.pictures = slices.DeleteFunc(slices.Clone(c.pictures), func(path string) bool { // the others need not try
		return slices.ContainsFunc(d.errors, func(e pathError) bool { return e.Path == path })
	})
	return nil
}

// firstMethod is the first of -explain-method that the network has; without it the
// one that says most for the least work. "" is none.
func (d *drawing) firstMethod() (models.Method, error) {
	wanted := d.methods
	if len(wanted) == 0 {
		wanted = []models.Method{models.CAM, models.Rollout, models.Occlusion}
	}
	for _, method := range wanted {
		if slices.Contains(d.m.Methods(), method) {
			return method, nil
		}
	}
	if len(d.methods) > 0 {
		return "", cli.Usagef("-explain-method %s: %s from %s has none of them; it has %s", strings.Join(texts(d.methods), ", "), d.m.Name, d.m.Source, strings.Join(texts(d.m.Methods()), ", "))
	}
	return "", nil
}

// besides is what a model makes of a picture, with its panel.
func (c *comparison) besides(ctx context.Context, d *drawing, s *seen, method models.Method, j *comparedJSON) (besidesJSON, error) {
	b := besidesJSON{Path: s.path, Top: []models.Prediction{}}
	cost, err := d.m.Cost(s.H, s.W)
	if err != nil {
		return b, err
	}
	j.Parameters, b.FLOPs = cost.Parameters, cost.FLOPs
	took, err := d.m.TimeForward(ctx, s.Pixels, warmRuns)
	if err != nil {
		return b, err
	}
	b.Forward = milliseconds(took)
	panel := figure.Panel{Title: d.m.Name, Note: "no map", Picture: s.View}
	var class models.Prediction
	if d.m.Classes() > 0 {
		if b.Top, err = d.m.Top(s.Outputs, c.top); err != nil {
			return b, err
		}
		if class, err = d.classOf(s); err != nil {
			return b, err
		}
	}
	if method != "" {
		maps, err := d.maps(ctx, s, method, class)
		if err != nil {
			return b, err
		}
		b.Map, panel.Heat, panel.Note = &maps[0].mapJSON, maps[0].panel.Heat, maps[0].panel.Note
		if method != models.Rollout { // which is of no class
			panel.Note += ": " + class.Label
		}
	}
	panel.Lines = lines(b, cost, s)
	if len(c.panels[s.path]) == 0 {
		c.panels[s.path] = []figure.Panel{{Title: base(s.path), Note: fmt.Sprintf("%d×%d pixels", s.img.W, s.img.H), Picture: s.img}}
	}
	c.panels[s.path] = append(c.panels[s.path], panel)
	return b, nil
}

// drawnClasses is how many classes a panel lists at most.
const drawnClasses = 10

// lines are the table below a panel.
func lines(b besidesJSON, cost models.Cost, s *seen) []figure.Line {
	var all []figure.Line
	for _, p := range b.Top[:min(len(b.Top), drawnClasses)] {
		all = append(all, figure.Line{Left: p.Label, Right: p.Shown(), Bar: p.Score})
	}
	if len(all) > 0 {
		all = append(all, figure.Line{})
	}
	return append(all,
		figure.Line{Left: "input", Right: fmt.Sprintf("%d×%d pixels", s.W, s.H)},
		figure.Line{Left: "forward", Right: fmt.Sprintf("%.3g ms", b.Forward)},
		figure.Line{Left: "parameters", Right: millions(float64(cost.Parameters))},
		figure.Line{Left: "FLOPs", Right: millions(cost.FLOPs)})
}

// millions writes a large number.
func millions(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3g G", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3g M", v/1e6)
	}
	return fmt.Sprintf("%.3g k", v/1e3)
}

// finish draws and prints.
func (c *comparison) finish() error {
	if c.out != "" && len(c.pictures) > 0 {
		var groups [][]figure.Panel
		for _, path := range c.pictures {
			groups = append(groups, c.panels[path])
		}
		var err error
		if c.doc.Written, err = c.write(c.out, *arrange(groups)); err != nil {
			return err
		}
	}
	return c.conclude(&c.doc, c.print, c.doc.Errors, func() { fmt.Fprintf(c.stderr, "on %s\n", c.dev.Info()) })
}

// print writes a table for each picture.
func (c *comparison) print() {
	for i, path := range c.pictures {
		c.stdout.printf("%s\n", path)
		var rows [][]string
		for _, m := range c.doc.Models {
			b := m.Images[i]
			best, score := "–", ""
			if len(b.Top) > 0 {
				best, score = b.Top[0].Label, b.Top[0].Shown()
			}
			rows = append(rows, []string{m.Model, best, score, fmt.Sprintf("%.3g", b.Forward), millions(float64(m.Parameters)), millions(b.FLOPs)})
		}
		c.stdout.table([]string{"model", "best", ">score", ">ms", ">parameters", ">FLOPs"}, rows)
	}
	if c.doc.Written != nil {
		c.doc.Written.print(c.stdout)
	}
}
