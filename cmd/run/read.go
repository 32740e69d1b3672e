package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/models"
	"saccade/models/ppocr"
	"saccade/picture"
)

// lineJSON is a line of text in a picture.
type lineJSON struct {
	Text  string        `json:"text"`
	Score float64       `json:"score"`
	Quad  [4][2]float64 `json:"quad"` // from the top left corner on clockwise, pixels
}

// pageJSON is a picture with its lines.
type pageJSON struct {
	Path  string     `json:"path"`
	Lines []lineJSON `json:"lines"`
}

// pagesJSON is the document of pages.
type pagesJSON struct {
	head
	Images []pageJSON `json:"images"`
	drawnJSON
}

// maxPage is the longer side of a page that is drawn, pixels; of several it is less.
const maxPage = 2000

// reading is one call that reads pages.
type reading struct {
	pass
	reader *models.Reader
	doc    pagesJSON
	drawn  []*picture.Image
}

// readPages reads the text in pictures.
func (a *app) readPages(ctx context.Context) error {
	o, err := a.prepare()
	if err != nil {
		return err
	}
	reader, err := a.openReader(ctx, a.weights, o)
	if err != nil {
		return err
	}
	defer reader.Close()
	r := &reading{pass: pass{app: a, bar: a.progress()}, reader: reader}
	r.doc.head = head{Model: ocrFamily, Weights: reader.Source, Precision: a.precision.String(), Adapter: a.adapterJSON()}
	r.doc.Images = []pageJSON{}
	for i, path := range a.pictures {
		r.bar.pictures(i, len(a.pictures))
		if err := r.read(ctx, path); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.bad(path, err, len(a.pictures) == 1); err != nil {
				return err
			}
		}
	}
	r.bar.clear()
	return r.finish()
}

// openReader opens a reader, with a bar of what is downloaded.
func (a *app) openReader(ctx context.Context, src string, o models.Options) (*models.Reader, error) {
	bar := a.progress()
	o.Hub.Progress = bar.download(o.Hub)
	o.Hub.Waiting = func(file string) { fmt.Fprintf(a.stderr, "waiting for another process that fetches %s\n", file) }
	r, err := models.OpenReader(ctx, a.dev, src, o)
	bar.clear()
	return r, err
}

// read reads a picture.
func (r *reading) read(ctx context.Context, path string) error {
	img, err := r.decode(path)
	if err != nil {
		return err
	}
	began := time.Now()
	lines, err := r.reader.Read(ctx, img)
	if err != nil {
		return err
	}
	r.forward += time.Since(began)
	page := pageJSON{Path: path, Lines: []lineJSON{}}
	var marked []figure.Marked
	for _, l := range lines {
		q := corners(l.Quad)
		page.Lines = append(page.Lines, lineJSON{l.Text, l.Score, q})
		marked = append(marked, figure.Marked{Text: l.Text, Corners: q})
	}
	r.doc.Images = append(r.doc.Images, page)
	if r.out != "" {
		drawn, err := figure.Page(img, marked, maxPage/int(math.Ceil(math.Sqrt(float64(len(r.pictures))))))
		if err != nil {
			return err
		}
		r.drawn = append(r.drawn, drawn)
	}
	if !r.json {
		r.bar.clear()
		r.print(page)
	}
	return r.stdout.flush()
}

// corners are those of a quadrilateral as JSON has them.
func corners(q ppocr.Quad) (all [4][2]float64) {
	for i, p := range q {
		all[i] = [2]float64{p.X, p.Y}
	}
	return all
}

// print writes the lines of a page; of several pages below its name.
func (r *reading) print(page pageJSON) {
	before := ""
	if len(r.pictures) > 1 {
		r.stdout.printf("%s\n", page.Path)
		before = "  "
	}
	for _, l := range page.Lines {
		r.stdout.printf("%s%s\n", before, l.Text)
	}
	if len(page.Lines) == 0 {
		r.note("%s: no text was found", page.Path)
	}
}

// finish writes the drawing and ends the document.
func (r *reading) finish() error {
	if len(r.drawn) > 0 {
		all := figure.Below(r.drawn)
		if err := picture.WritePNG(r.out, all); err != nil {
			return err
		}
		r.doc.Written = &writtenJSON{r.out, all.W, all.H}
	}
	r.doc.Errors = r.errors
	r.doc.MS = timesJSON{Load: milliseconds(r.reader.LoadTime), Forward: milliseconds(r.forward)}
	return r.app.conclude(&r.doc, func() {
		if r.doc.Written != nil {
			r.doc.Written.print(r.stdout)
		}
	}, r.errors, func() {
		fmt.Fprintf(r.stderr, "%s (%s), %s, on %s\nload %s, forward %s (%s)\n", ocrFamily, r.reader.Source, r.precision, r.dev.Info(), cli.Short(r.reader.LoadTime), cli.Short(r.forward), cli.Count(len(r.doc.Images), "picture"))
	})
}

// ocrFamily is the model that reads pages.
var ocrFamily = ppocr.Family.Name

// checkReading finds flags that do not go with a model that reads pages.
func (o *options) checkReading() error {
	for _, name := range []string{"text", "texts", "template", "text-weights", "similar", "index", "examples", "audio", "eval", "save", "attention", "explain", "pca", "compare", "view", "labels", "size", "mean", "std", "crop", "batch", "top"} {
		if o.given[name] {
			return cli.Usagef("%s reads text in pictures: -%s does not go with it", o.model, name)
		}
	}
	switch {
	case o.input != "" || o.verify || o.profile:
		return cli.Usagef("%s is two networks: -input, -verify and -profile go with each alone, -model ocr_det and -model ocr_rec", o.model)
	case len(o.images) == 0:
		return cli.Usagef("no picture: give -image FILE")
	}
	return nil
}
