package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/weights"
	"saccade/zoo"
)

// draws says that a model makes pictures: a diffusion pipeline, or a generator of noise.
func draws(name string) bool {
	f, err := models.FindFamily(name)
	return isPipeline(name) || err == nil && f.Task == nn.Generate
}

// comparesDrawn says that -compare names models that make pictures.
func (o *options) comparesDrawn() bool {
	return slices.ContainsFunc(o.compare, func(c compared) bool { return draws(c.model) })
}

// drawnFlags go with -compare of models that make pictures.
var drawnFlags = []string{"compare", "o", "json", "precision", "seed", "batch", "truncation", "prompt", "negative-prompt", "prompt-syntax", "steps", "width", "height", "guidance", "scheduler",
	"adapter", "backend", "tune", "tune-budget", "tuning", "why"}

// mostDrawn is how many seeds stand below each other at most.
const mostDrawn = 8

// checkDrawn finds what does not go with -compare of models that make pictures.
func (o *options) checkDrawn() error {
	var prompted, noise bool
	for _, c := range o.compare {
		switch {
		case !slices.Contains(models.Names(), c.model):
			return &models.UnknownModelError{Name: c.model, Nearest: models.Nearest(c.model, models.Names())}
		case !draws(c.model):
			return cli.Usagef("-compare of %s, which makes no pictures, beside models that do; compare those alone", c.model)
		case c.model == diffusion.Video.Name:
			return cli.Usagef("-compare of %s: it draws videos, and pictures are compared", c.model)
		}
		pipeline := isPipeline(c.model)
		noise = noise || !pipeline
		prompted = prompted || pipeline && c.model != diffusion.Unconditional.Name
	}
	for _, name := range sorted(o.given) {
		if !slices.Contains(drawnFlags, name) {
			return cli.Usagef("-%s does not go with -compare of models that make pictures, which takes -prompt, -seed and -batch", name)
		}
	}
	switch {
	case len(o.compare) == 1:
		return cli.Usagef("-compare takes two models or more, such as gan=FILE,sd")
	case !strings.EqualFold(filepath.Ext(o.out), ".png"):
		return cli.Usagef("-compare of models that make pictures needs -o FILE.png, the sheet")
	case prompted && len(o.prompts) != 1:
		return cli.Usagef("%d prompts; -compare takes one -prompt, what is drawn", len(o.prompts))
	case !prompted && len(o.prompts) > 0:
		return cli.Usagef("-prompt: none of the models takes one")
	case !noise && o.given["truncation"]:
		return cli.Usagef("-truncation goes with -compare gan, the generator whose styles it draws to their mean")
	case o.batch > mostDrawn:
		return cli.Usagef("-batch %d: a sheet has at most %d seeds", o.batch, mostDrawn)
	case o.scheduler != "":
		if _, known := diffusion.KnownScheduler(o.scheduler); !known {
			return cli.Usagef("scheduler %q is unknown; the nearest is %q (-h lists them)", o.scheduler, models.Nearest(o.scheduler, diffusion.Schedulers()))
		}
	}
	return nil
}

// sheetJSON is the document of -compare of models that make pictures.
type sheetJSON struct {
	Adapter adapterJSON   `json:"adapter"`
	Prompt  string        `json:"prompt,omitempty"`
	Seeds   []uint64      `json:"seeds"`
	Models  []drawnByJSON `json:"models"`
	Written *writtenJSON  `json:"written,omitempty"`
}

// drawnByJSON is one of the models.
type drawnByJSON struct {
	Model     string  `json:"model"`
	Weights   string  `json:"weights"`
	Precision string  `json:"precision"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	Steps     int     `json:"steps"`    // evaluations of the scheduler; of a generator 1
	Image     float64 `json:"image_ms"` // what an image takes, without loading

	images []*picture.Image
}

// compareDrawn draws the same seeds by models that make pictures, side by side. One model is held
// at a time.
func (a *app) compareDrawn(ctx context.Context) error {
	if err := errors.Join(checkPictures(a.out), a.open()); err != nil {
		return err
	}
	doc := sheetJSON{Adapter: a.adapterJSON(), Prompt: strings.Join(a.prompts, ""), Seeds: diffusion.Seeds(a.painting.seed, max(1, a.batch))}
	if a.painting.seed < 0 {
		fmt.Fprintf(a.stderr, "seed %d\n", doc.Seeds[0])
		a.painting.seed = int64(doc.Seeds[0]) // which all models take
	}
	for _, x := range a.options.compare {
		by, err := a.drawBy(ctx, x)
		if err != nil {
			return err
		}
		doc.Models = append(doc.Models, *by)
	}
	var err error
	if doc.Written, err = a.write(a.out, columnsOf(&doc)); err != nil {
		return err
	}
	if a.json {
		return a.stdout.document(&doc)
	}
	var rows [][]string
	for _, m := range doc.Models {
		rows = append(rows, []string{m.Model, m.Weights, fmt.Sprintf("%d×%d", m.Width, m.Height), fmt.Sprint(m.Steps), fmt.Sprintf("%.3g", m.Image)})
	}
	a.stdout.table([]string{"model", "weights", "pixels", ">steps", ">ms an image"}, rows)
	doc.Written.print(a.stdout)
	fmt.Fprintf(a.stderr, "on %s\n", a.dev.Info())
	return nil
}

// columnsOf is a sheet with a column for each model and a row for each seed.
func columnsOf(doc *sheetJSON) figure.Figure {
	f := figure.Figure{Title: doc.Prompt, Side: side(len(doc.Models))}
	for i, seed := range doc.Seeds {
		var row figure.Row
		for _, m := range doc.Models {
			p := figure.Panel{Title: m.Model, Note: fmt.Sprintf("seed %d", seed), Picture: m.images[i]}
			if i == len(doc.Seeds)-1 {
				p.Lines = []figure.Line{{Left: "weights", Right: base(m.Weights)}, {Left: "size", Right: fmt.Sprintf("%d×%d pixels", m.Width, m.Height)},
					{Left: "evaluations", Right: fmt.Sprint(m.Steps)}, {Left: "an image takes", Right: fmt.Sprintf("%.3g ms", m.Image)}}
			}
			row.Panels = append(row.Panels, p)
		}
		f.Rows = append(f.Rows, row)
	}
	return f
}

// drawBy has one model draw.
func (a *app) drawBy(ctx context.Context, x compared) (*drawnByJSON, error) {
	m, err := a.loadModel(ctx, x.model, x.weights, models.Options{Precision: a.precision, Hub: weights.HubFromEnv(), Embedded: zoo.All()})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	by := &drawnByJSON{Model: x.model, Weights: m.Source, Precision: a.precision.String()}
	var took time.Duration
	if p, ok := m.Pipeline.(*diffusion.Pipeline); ok {
		by.Weights = p.Name
		took, err = a.drawByPipeline(ctx, x, p, by)
	} else {
		by.Steps = 1
		took, err = a.drawByGenerator(ctx, m, by)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.model, err)
	}
	by.Image = milliseconds(took) / float64(len(by.images))
	by.Width, by.Height = by.images[0].W, by.images[0].H
	return by, nil
}

// drawByPipeline draws by a diffusion pipeline, and gives the time that steps and decoding took.
func (a *app) drawByPipeline(ctx context.Context, x compared, p *diffusion.Pipeline, by *drawnByJSON) (time.Duration, error) {
	one := *a
	one.model, one.weights = x.model, x.weights
	if !p.Prompted() {
		one.prompts, one.given = nil, map[string]bool{}
	}
	w := &painter{app: &one, p: p, began: time.Now()}
	q, err := w.request(&paintingInput{})
	if err != nil {
		return 0, usageOf(err)
	}
	run, result, err := w.finish(ctx, q)
	if err != nil {
		return 0, usageOf(err)
	}
	defer run.Close()
	by.Steps, by.images = run.Steps(), result.Pictures()
	return w.steps + w.after, nil
}

// drawByGenerator draws by a generator of noise, and gives the time of a second pass, which
// compiles nothing.
func (a *app) drawByGenerator(ctx context.Context, m *models.Model, by *drawnByJSON) (time.Duration, error) {
	g, err := m.Generator()
	if err != nil {
		return 0, err
	}
	z, _, err := a.noises(g)
	if err != nil {
		return 0, err
	}
	var drawn models.Array
	var began time.Time
	for range 2 {
		began = time.Now()
		if drawn, err = g.Draw(ctx, z, a.truncation); errors.Is(err, models.ErrNoStyles) {
			return 0, cli.Usagef("-truncation %g: %w", a.truncation, err)
		} else if err != nil {
			return 0, err
		}
	}
	took := time.Since(began)
	by.images, err = models.Drawn(drawn)
	return took, err
}
