package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
)

// classification is the document of pictures and their classes.
type classification struct {
	head
	Images []imageJSON `json:"images"`
	Errors []pathError `json:"errors,omitempty"`
	MS     timesJSON   `json:"ms"`
}

// timesJSON is what the parts of a call took, in milliseconds.
type timesJSON struct {
	Load    float64 `json:"load"`
	Compile float64 `json:"compile"`
	Forward float64 `json:"forward"`
}

func times(m *models.Model, forward time.Duration) timesJSON {
	return timesJSON{milliseconds(m.LoadTime - m.CompileTime), milliseconds(m.CompileTime), milliseconds(forward)}
}

type imageJSON struct {
	Path string              `json:"path"`
	Top  []models.Prediction `json:"top"`
}

// computation is one pass over all pictures or raw inputs.
type computation struct {
	pass
	doc     classification
	outputs *saver   // nil without -save
	rank    rank     // nil without classes
	names   []string // of the inputs
	done    int
}

// compute runs the model over pictures or raw inputs, prints the classes and
// saves the raw outputs.
func (a *app) compute(ctx context.Context, m *models.Model) error {
	c := &computation{pass: pass{app: a, m: m, bar: &progress{}}, names: a.pictures}
	c.doc.head, c.doc.Images = a.head(m), []imageJSON{}
	var err error
	if c.rank, err = a.ranking(ctx, m); err != nil {
		return err
	}
	if a.save != "" {
		c.outputs = newSaver()
	} else if c.rank == nil {
		return fmt.Errorf("%s from %s: %w; save them with -save FILE.safetensors", m.Name, m.Source, models.ErrNoClasses)
	}
	if a.json || !cli.IsTerminal(a.stdout.to) {
		c.bar = a.progress()
	}
	switch {
	case a.raw != nil:
		x, images := a.rawImages(m)
		if !images || len(x.Shape) != 4 {
			return c.forwardRaw(ctx)
		}
		c.names = a.rawNames(x.Shape[0])
		err = a.ofInput(m.EachPixels(ctx, x, a.batch, c.add))
	default:
		err = m.Each(ctx, len(a.pictures), a.batch, a.openPicture, c.add)
	}
	c.bar.clear()
	if err != nil {
		return err
	}
	return c.finish()
}

// openPicture reads picture i.
func (a *app) openPicture(i int) (*picture.Image, error) { return a.decode(a.pictures[i]) }

// decode reads a picture as the flags say.
func (a *app) decode(path string) (*picture.Image, error) {
	return picture.Open(path, picture.DecodeOptions{Background: a.background})
}

// saveRaw runs raw inputs of a model that is no classifier, for -save.
func (t *pass) saveRaw(ctx context.Context) error {
	c := &computation{pass: *t, names: []string{t.input}}
	if c.doc.head, c.doc.Images = t.head(t.m), []imageJSON{}; t.save != "" {
		c.outputs = newSaver()
	}
	return c.forwardRaw(ctx)
}

// forwardRaw runs raw inputs other than images, which go to -save all at once.
func (c *computation) forwardRaw(ctx context.Context) error {
	if c.outputs == nil {
		if _, err := c.m.Outputs(c.raw); err != nil {
			return c.ofInput(err)
		}
		return cli.Usagef("what comes of raw inputs other than images goes to a file: give -save FILE.safetensors")
	}
	began := time.Now()
	out, err := c.m.Forward(ctx, c.raw)
	if errors.Is(err, gpu.ErrOutOfMemory) && isAutoencoder(c.model) {
		err = fmt.Errorf("%w, or -tiled", err)
	}
	if err != nil {
		return c.ofInput(err)
	}
	c.forward, c.names = time.Since(began), []string{c.input}
	c.outputs.set(c.input, out)
	if logits := out["logits"]; c.rank != nil && len(logits.Shape) == 2 {
		return c.rankRaw(logits)
	}
	c.doc.Images = append(c.doc.Images, imageJSON{Path: c.input, Top: []models.Prediction{}})
	return c.finish()
}

// rankRaw tells the classes of logits [N, classes], and ends the document.
func (c *computation) rankRaw(logits models.Array) error {
	classes := logits.Shape[1]
	c.names = c.rawNames(logits.Shape[0])
	for i, name := range c.names {
		top, err := c.rank(map[string]models.Array{"logits": {Shape: []int{1, classes}, Data: logits.Data[i*classes:][:classes]}}, c.top)
		if err != nil {
			return err
		}
		if err := c.tell(imageJSON{Path: name, Top: top}); err != nil {
			return err
		}
	}
	return c.finish()
}

// rawNames name the n rows of -input.
func (a *app) rawNames(n int) []string {
	if n == 1 {
		return []string{a.input}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s[%d]", a.input, i)
	}
	return names
}

// add takes the result of one picture.
func (c *computation) add(r models.Result) error {
	path := c.names[r.Index]
	c.forward += r.Took
	c.done++
	c.bar.pictures(c.done, len(c.names))
	if r.Err != nil {
		return c.bad(path, r.Err, len(c.names) == 1)
	}
	image := imageJSON{Path: path, Top: []models.Prediction{}}
	if c.rank != nil {
		var err error
		if image.Top, err = c.rank(r.Outputs, c.top); err != nil {
			return err
		}
	}
	if c.outputs != nil {
		if err := c.outputs.add(path, r.Outputs); err != nil {
			return err
		}
	}
	return c.tell(image)
}

// tell puts an input's classes into the document, or prints them.
func (c *computation) tell(image imageJSON) error {
	if c.json {
		c.doc.Images = append(c.doc.Images, image)
		return nil
	}
	c.bar.clear()
	return c.print(image)
}

// print writes the classes of one picture as a table.
func (c *computation) print(image imageJSON) error {
	if len(image.Top) == 0 {
		return nil
	}
	c.stdout.printf("%s\n", image.Path)
	for _, p := range image.Top {
		c.stdout.printf("  %8s  %s\n", p.Shown(), p.Label)
	}
	return c.stdout.flush()
}

// finish saves the outputs and ends the document.
func (c *computation) finish() error {
	if c.outputs != nil && len(c.errors) < len(c.names) {
		if err := c.outputs.write(c.save); err != nil {
			return err
		}
	}
	c.doc.Errors, c.doc.MS = c.errors, times(c.m, c.forward)
	return c.conclude(&c.doc, func() {}, len(c.names))
}
