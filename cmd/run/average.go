package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/coco"
	"saccade/picture"
)

// annotated is the file of a folder that says what is in its pictures.
const annotated = "annotations.json"

// averageJSON is the document of -eval for boxes.
type averageJSON struct {
	AP     float64     `json:"ap"`
	AP50   float64     `json:"ap50"`
	AP75   float64     `json:"ap75"`
	Images int         `json:"images"`
	Errors []pathError `json:"errors,omitempty"`
}

// readAnnotations reads those of -eval.
func (a *app) readAnnotations() (*coco.Annotations, error) {
	t, err := coco.Read(filepath.Join(a.eval, annotated))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("folder %s: expected pictures and %s, which is not there", a.eval, annotated)
	}
	return t, err
}

// averager is one pass over the pictures of annotations.
type averager struct {
	pass
	truth *coco.Annotations
	names map[int]int // the category of a class
	sizes [][2]int    // of the pictures, as they were read
	found []coco.Found
	read  []coco.Image
	done  int
}

// averagePrecision compares what is found in pictures with their annotations.
func (a *app) averagePrecision(ctx context.Context, m *models.Model) error {
	e := &averager{pass: pass{app: a, m: m, bar: a.progress()}, truth: a.truth, sizes: make([][2]int, len(a.truth.Images))}
	labels := m.Labels
	if a.readsTexts() {
		for _, c := range a.truth.Categories {
			a.texts = append(a.texts, c.Name)
		}
		labels = a.texts
	}
	var err error
	if e.names, err = categoriesOf(a.truth, labels); err != nil {
		return fmt.Errorf("folder %s: %s: %w", a.eval, annotated, err)
	}
	for _, i := range a.truth.Images {
		a.pictures = append(a.pictures, filepath.Join(a.eval, i.File))
	}
	err = m.EachNamed(ctx, len(a.pictures), a.batch, a.texts, e.open, e.add)
	e.bar.clear()
	if err != nil {
		return err
	}
	if len(e.read) == 0 {
		return fmt.Errorf("folder %s: none of its %d pictures could be read", a.eval, len(a.pictures))
	}
	p := e.seen().Score(e.found)
	doc := averageJSON{AP: p.AP, AP50: p.AP50, AP75: p.AP75, Images: len(e.read), Errors: e.errors}
	return e.conclude(&doc, func() {
		a.stdout.printf("average precision %.2f %%, of an overlap of half %.2f %%, of three quarters %.2f %%\n", 100*doc.AP, 100*doc.AP50, 100*doc.AP75)
	}, len(a.pictures))
}

// categoriesOf finds the category of each class of a model by its name; at least one is to
// have one.
func categoriesOf(truth *coco.Annotations, labels []string) (map[int]int, error) {
	names := map[int]int{}
	for i, label := range labels {
		for _, c := range truth.Categories {
			if strings.EqualFold(strings.TrimSpace(label), strings.TrimSpace(c.Name)) {
				names[i] = c.ID
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("none of its %s is a label of the model's", cli.Count(len(truth.Categories), "category name"))
	}
	return names, nil
}

// open reads a picture, which is to have the size that its annotations say.
func (e *averager) open(i int) (img *picture.Image, err error) {
	img, err = e.decode(e.pictures[i])
	if err != nil {
		return nil, err
	}
	if t := e.truth.Images[i]; t.Width > 0 && t.Height > 0 && (t.Width != img.W || t.Height != img.H) {
		return nil, fmt.Errorf("it has %d×%d pixels and %s says %d×%d", img.W, img.H, annotated, t.Width, t.Height)
	}
	e.sizes[i] = [2]int{img.W, img.H}
	return img, nil
}

// add takes the result of one picture.
func (e *averager) add(r models.Result) error {
	e.forward += r.Took
	e.done++
	e.bar.pictures(e.done, len(e.pictures))
	if r.Err != nil {
		return e.bad(e.pictures[r.Index], r.Err, false)
	}
	least := 0.0
	if e.given["threshold"] {
		least = e.threshold
	}
	objects, err := e.m.Objects(r.Outputs, e.sizes[r.Index][0], e.sizes[r.Index][1], least, e.texts...)
	if err != nil {
		return err
	}
	image := e.truth.Images[r.Index]
	e.read = append(e.read, image)
	for _, o := range objects {
		if category, ok := e.names[o.Class]; ok {
			e.found = append(e.found, coco.Found{Image: image.ID, Category: category, Score: o.Score, Box: [4]float64{o.Box[0], o.Box[1], o.Box[2] - o.Box[0], o.Box[3] - o.Box[1]}})
		}
	}
	return nil
}

// seen are the annotations of the pictures that could be read.
func (e *averager) seen() *coco.Annotations {
	out := &coco.Annotations{Images: e.read, Categories: e.truth.Categories}
	there := map[int]bool{}
	for _, i := range e.read {
		there[i.ID] = true
	}
	for _, b := range e.truth.Annotations {
		if there[b.Image] {
			out.Annotations = append(out.Annotations, b)
		}
	}
	return out
}
