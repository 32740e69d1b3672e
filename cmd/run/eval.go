package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
)

// class is a folder of pictures of one class.
type class = cli.Class

// evaluation is the document of -eval. Top1 and Top5 are fractions;
// Confusion[true][predicted] is in the order of the folders, and pictures
// predicted as a class that has no folder stand in none of its columns.
type evaluation struct {
	Top1      float64     `json:"top1"`
	Top5      float64     `json:"top5"`
	Images    int         `json:"images"`
	PerSecond float64     `json:"images_per_s"`
	Confusion [][]int     `json:"confusion"`
	Errors    []pathError `json:"errors,omitempty"`
}

// evaluator is one pass over the folders.
type evaluator struct {
	pass
	rank  rank
	doc   evaluation
	index []int       // the class of each folder
	back  map[int]int // the folder of a class
	truth []int       // the folder of each picture
	done  int
	hits1 int
	hits5 int
}

// evaluate computes the accuracy over a folder with one sub-folder a class.
func (a *app) evaluate(ctx context.Context, m *models.Model) error {
	rank, err := a.ranking(ctx, m)
	if err != nil {
		return err
	}
	index, err := a.matchClasses(m)
	if err != nil {
		return fmt.Errorf("folder %s: %w", a.eval, err)
	}
	e := &evaluator{pass: pass{app: a, m: m, bar: a.progress()}, rank: rank, index: index, back: map[int]int{}}
	for f, c := range a.classes {
		e.back[index[f]] = f
		e.doc.Confusion = append(e.doc.Confusion, make([]int, len(a.classes)))
		for _, path := range c.Paths {
			a.pictures, e.truth = append(a.pictures, path), append(e.truth, f)
		}
	}
	began := time.Now()
	err = m.Each(ctx, len(a.pictures), a.batch, a.openPicture, e.add)
	e.bar.clear()
	if err != nil {
		return err
	}
	n := e.doc.Images
	if n == 0 {
		return fmt.Errorf("folder %s: none of its %d pictures could be read", a.eval, len(a.pictures))
	}
	e.doc.Top1, e.doc.Top5 = float64(e.hits1)/float64(n), float64(e.hits5)/float64(n)
	e.doc.PerSecond = float64(n) / time.Since(began).Seconds()
	return e.print()
}

// add counts the result of one picture.
func (e *evaluator) add(r models.Result) error {
	e.done++
	e.bar.pictures(e.done, len(e.pictures))
	if r.Err != nil {
		return e.bad(e.pictures[r.Index], r.Err, false)
	}
	best, err := e.rank(r.Outputs, 5)
	if err != nil {
		return err
	}
	e.doc.Images++
	f := e.truth[r.Index]
	if best[0].Index == e.index[f] {
		e.hits1++
	}
	if slices.ContainsFunc(best, func(p models.Prediction) bool { return p.Index == e.index[f] }) {
		e.hits5++
	}
	if predicted, ok := e.back[best[0].Index]; ok {
		e.doc.Confusion[f][predicted]++
	}
	return nil
}

// matchClasses finds the class of each folder: by label or, where the
// checkpoint has none, the i-th for the i-th folder.
func (a *app) matchClasses(m *models.Model) ([]int, error) {
	switch {
	case a.examples != "":
		return cli.MatchLabels(a.classes, classNames(a.shown))
	case m.Dual():
		return cli.MatchLabels(a.classes, classNames(a.classes))
	case m.Classes() == 0:
		return nil, fmt.Errorf("%s from %s: %w", m.Name, m.Source, models.ErrNoClasses)
	}
	classes := a.classes
	index := make([]int, len(classes))
	if m.Labels == nil {
		if len(classes) > m.Classes() {
			return nil, fmt.Errorf("it has %d sub-folders and the network %d classes", len(classes), m.Classes())
		}
		for i := range index {
			index[i] = i
		}
		return index, nil
	}
	return cli.MatchLabels(classes, m.Labels)
}

// print writes the accuracy and, of few classes, the confusion.
func (e *evaluator) print() error {
	d := &e.doc
	d.Errors = e.errors
	return e.app.conclude(d, func() {
		e.stdout.printf("top-1  %.2f %%\ntop-5  %.2f %%\n%s, %.1f a second\n", 100*d.Top1, 100*d.Top5, cli.Count(d.Images, "picture"), d.PerSecond)
		e.printConfusion()
	}, e.errors, func() {
		fmt.Fprintf(e.stderr, "%s (%s), %s, on %s\n", e.m.Name, e.m.Source, e.m.Precision, e.dev.Info())
	})
}

// mostConfused is the number of classes of which a table still fits a terminal.
const mostConfused = 20

func (e *evaluator) printConfusion() {
	if len(e.classes) > mostConfused {
		return
	}
	heading, rows := []string{"true \\ predicted"}, [][]string{}
	for f, c := range e.classes {
		heading = append(heading, ">"+c.Name)
		row := []string{c.Name}
		for _, n := range e.doc.Confusion[f] {
			row = append(row, fmt.Sprint(n))
		}
		rows = append(rows, row)
	}
	e.stdout.printf("\n")
	e.stdout.table(heading, rows)
}
