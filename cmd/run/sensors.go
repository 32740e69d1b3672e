package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/sensors"
	"saccade/picture"
)

// fusing are the flags of readings beside pictures.
type fusing struct {
	sensors string
	folds   int
}

func (f *fusing) flags(set *flag.FlagSet) {
	f.folds = 5
	set.StringVar(&f.sensors, "sensors", "", "`FILE.csv`: readings beside the pictures, a name and numbers or short series a row; with -eval: how well pictures, readings and both tell the sub-folders, by cross-validation; with -examples FILE: classes by both")
	set.Func("folds", "`N`: of the cross-validation of -sensors (default 5)", cli.Whole(&f.folds, 2, 1000))
}

// checkFusing finds flags that do not go with readings.
func (o *options) checkFusing() error {
	switch {
	case o.sensors == "" && o.given["folds"]:
		return cli.Usagef("-folds goes with -sensors")
	case o.sensors == "":
		return nil
	case o.purpose() != "" || writes(o.model) || segments(o.model):
		return cli.Usagef("-sensors goes with a model that has an embedding of pictures, such as resnet, dinov2 or clip, not with %s", o.model)
	case o.eval == "" && (o.examples == "" || len(o.images) == 0):
		return cli.Usagef("-sensors needs -eval FOLDER, whose sub-folders are the classes, or -image and -examples FILE, what train -sensors wrote")
	case o.eval != "" && o.examples != "" || o.labels != "":
		return cli.Usagef("-examples and -labels do not go with -sensors")
	}
	return nil
}

// toldJSON is how well classes are told by some features: the part that is right, and
// within what it lies with 95 %.
type toldJSON struct {
	Accuracy float64 `json:"accuracy"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Features int     `json:"features"`
}

// fusedJSON is the document of -sensors.
type fusedJSON struct {
	Pictures toldJSON    `json:"pictures"`
	Sensors  toldJSON    `json:"sensors"`
	Both     toldJSON    `json:"both"`
	Images   int         `json:"images"`
	Folds    int         `json:"folds"`
	Missing  int         `json:"missing"` // cells of the table
	Errors   []pathError `json:"errors,omitempty"`
}

// fusion is one call that puts readings beside pictures.
type fusion struct {
	pass
	table              *sensors.Table
	paths              []string // of pictures with readings
	rows               []int    // of the table, for each
	classes            []int
	pictures, readings sensors.Data
}

// fuse compares pictures, readings and both.
func (a *app) fuse(ctx context.Context, m *models.Model) error {
	f := &fusion{pass: pass{app: a, m: m, bar: a.progress()}}
	var err error
	if f.table, err = readReadings(a.sensors); err != nil {
		return err
	}
	if err := f.match(); err != nil {
		return err
	}
	if err := f.embed(ctx); err != nil {
		return err
	}
	doc := fusedJSON{Images: len(f.pictures.Rows), Folds: a.folds, Missing: f.table.Missing, Errors: f.errors}
	for _, x := range []struct {
		into *toldJSON
		of   sensors.Data
	}{{&doc.Pictures, f.pictures}, {&doc.Sensors, f.readings}, {&doc.Both, f.pictures.Beside(f.readings)}} {
		v, err := sensors.CrossValidate(x.of, a.folds, 1)
		if err != nil {
			return fmt.Errorf("folder %s: %w", a.eval, err)
		}
		*x.into = toldJSON{v.Accuracy, v.Low, v.High, len(x.of.Rows[0])}
	}
	return f.conclude(&doc, func() {
		var rows [][]string
		for _, x := range []struct {
			name string
			toldJSON
		}{{"pictures", doc.Pictures}, {"sensors", doc.Sensors}, {"both", doc.Both}} {
			rows = append(rows, []string{x.name, fmt.Sprint(x.Features), fmt.Sprintf("%.1f %%", 100*x.Accuracy), fmt.Sprintf("%.1f…%.1f %%", 100*x.Low, 100*x.High)})
		}
		a.stdout.table([]string{"", ">features", ">right", ">with 95 %"}, rows)
	}, doc.Images)
}

func readReadings(path string) (*sensors.Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sensors %s: %w", path, reason(err))
	}
	defer file.Close()
	t, err := sensors.Read(file)
	if err != nil {
		return nil, fmt.Errorf("sensors %s: %w", path, err)
	}
	return t, nil
}

// match finds the readings of each picture.
func (f *fusion) match() error {
	var paths []string
	var classes []int
	for k, c := range f.app.classes {
		for _, path := range c.Paths {
			paths, classes = append(paths, path), append(classes, k)
		}
	}
	rows, err := f.table.Match(f.eval, paths)
	if err != nil {
		return fmt.Errorf("sensors %s: %w", f.sensors, err)
	}
	used, missing, without := map[int]bool{}, 0, ""
	for i, row := range rows {
		if row < 0 {
			missing, without = missing+1, paths[i]
			continue
		}
		used[row] = true
		f.paths, f.rows, f.classes = append(f.paths, paths[i]), append(f.rows, row), append(f.classes, classes[i])
	}
	for k, c := range f.app.classes {
		n := 0
		for _, class := range f.classes {
			if class == k {
				n++
			}
		}
		if n < f.folds && len(f.paths) > 0 {
			return fmt.Errorf("sensors %s: class %s has %s with readings; expected one at least for each of %d folds (-folds)", f.sensors, c.Name, cli.Count(n, "picture"), f.folds)
		}
	}
	if len(f.paths) == 0 {
		return fmt.Errorf("sensors %s: none of its %d rows is of a picture in %s, such as %s", f.sensors, len(f.table.Names), f.eval, without)
	}
	if missing > 0 {
		f.note("sensors %s: %s without readings left out, such as %s", f.sensors, cli.Count(missing, "picture"), without)
	}
	for i, name := range f.table.Names {
		if !used[i] {
			f.note("sensors %s: %s without a picture left out, such as %s", f.sensors, cli.Count(len(f.table.Names)-len(used), "row"), name)
			break
		}
	}
	return nil
}

// embed computes the embeddings of the pictures, and puts the readings of those that can be read
// beside them.
func (f *fusion) embed(ctx context.Context) error {
	n := len(f.app.classes)
	f.pictures.Classes, f.readings.Classes = n, n
	began := time.Now()
	open := func(i int) (*picture.Image, error) { return f.decode(f.paths[i]) }
	err := f.m.EmbedPictures(ctx, len(f.paths), f.batch, false, open, func(i int, v []float32, err error) error {
		f.bar.pictures(i+1, len(f.paths))
		if err != nil {
			return f.bad(f.paths[i], err, false)
		}
		row := make([]float64, len(v))
		for k, x := range v {
			row[k] = float64(x)
		}
		f.pictures.Rows, f.pictures.Class = append(f.pictures.Rows, row), append(f.pictures.Class, f.classes[i])
		f.readings.Rows, f.readings.Class = append(f.readings.Rows, f.table.Values[f.rows[i]]), append(f.readings.Class, f.classes[i])
		return nil
	})
	f.bar.clear()
	f.forward = time.Since(began)
	return err
}

// classifyFused tells the classes of pictures by a head of them and of readings.
func (a *app) classifyFused(ctx context.Context, m *models.Model) error {
	table, err := readReadings(a.sensors)
	if err != nil {
		return err
	}
	if err := a.fused.Check(table); err != nil {
		return fmt.Errorf("sensors %s: %w", a.sensors, err)
	}
	print, err := m.Fingerprint()
	if err != nil {
		return err
	}
	if print != a.fused.Fingerprint {
		return fmt.Errorf("examples %s: they are of other weights than those of %s; make them anew with train -sensors", a.examples, m.Source)
	}
	rows, err := table.Match(a.images[0], a.pictures)
	if err != nil {
		return fmt.Errorf("sensors %s: %w", a.sensors, err)
	}
	c := &computation{pass: pass{app: a, m: m, bar: a.progress()}, names: a.pictures}
	c.doc.head, c.doc.Images = a.head(m), []imageJSON{}
	began := time.Now()
	err = m.EmbedPictures(ctx, len(a.pictures), a.batch, false, a.openPicture, func(i int, v []float32, err error) error {
		if err == nil && rows[i] < 0 {
			err = fmt.Errorf("picture %s: %s has no readings of it", a.pictures[i], a.sensors)
		}
		if err != nil {
			return c.bad(a.pictures[i], err, len(a.pictures) == 1)
		}
		logits, err := a.fused.Logits(v, table.Values[rows[i]])
		if err != nil {
			return err
		}
		p := make([]models.Prediction, len(logits))
		for k, logit := range logits {
			p[k] = models.Prediction{Index: k, Label: a.fused.Labels[k], Logit: logit}
		}
		for k, score := range sensors.Softmax(logits) {
			p[k].Score = score
		}
		slices.SortStableFunc(p, func(x, y models.Prediction) int { return cmp.Compare(y.Logit, x.Logit) })
		return c.tell(imageJSON{Path: a.pictures[i], Top: best(p, a.top)})
	})
	c.forward = time.Since(began)
	if err != nil {
		return err
	}
	return c.finish()
}
