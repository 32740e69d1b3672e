package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/fit"
	"saccade/models/sensors"
	"saccade/picture"
)

// sensorFlags are those that go with -sensors.
var sensorFlags = []string{"model", "weights", "data", "validation", "sensors", "C", "precision", "seed", "o", "json", "adapter", "backend", "tuning"}

// checkSensors finds flags that do not go with readings.
func (o *options) checkSensors() error {
	for name := range o.given {
		if !slices.Contains(sensorFlags, name) {
			return cli.Usagef("-%s does not go with -sensors, whose head of pictures and readings is solved at once", name)
		}
	}
	if o.out == "" {
		return cli.Usagef("the result goes nowhere: give -o FILE.safetensors")
	}
	return o.complete()
}

// fuse solves a head of the embeddings of pictures and of readings beside them.
func (a *app) fuse(ctx context.Context) error {
	if a.data.batches != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return cli.Usagef("-sensors goes with pictures: give -data a folder with one sub-folder a class")
	}
	file, err := os.Open(a.sensors)
	if err != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return fmt.Errorf("sensors %s: %w", a.sensors, cli.Reason(err))
	}
	table, err := sensors.Read(file)
	_ = file.Close() // it was read
	if err != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return fmt.Errorf("sensors %s: %w", a.sensors, err)
	}
	m, err := a.load(models.Embedding)
	if err != nil {
		return err
	}
	defer m.Close()
	began := time.Now()
	pictures, readings, err := a.besides(ctx, m, table, a.data)
	if err != nil {
		return err
	}
	f, err := sensors.Fuse(pictures, readings, a.c)
	if err != nil {
		return fmt.Errorf("folder %s: %w", a.data.from, err)
	}
	f.Labels, f.Columns = a.labels, table.Columns
	if f.Fingerprint, err = m.Fingerprint(); err != nil {
		return err
	}
	on := "training"
	if a.validated != nil {
		on = "validation"
		if pictures, readings, err = a.besides(ctx, m, table, a.validated); err != nil {
			return err
		}
	}
	score, err := fusedScore(f, pictures, readings)
	if err != nil {
		return err
	}
	if err := f.Write(a.out); err != nil {
		return err
	}
	d := doneLine{Done: true, Seconds: time.Since(began).Seconds()}
	d.take(score, on)
	return a.finish(d)
}

// besides are the embeddings of pictures and the readings beside them; pictures without
// readings are named and left out.
func (a *app) besides(ctx context.Context, m *models.Model, table *sensors.Table, e *examples) (pictures, readings sensors.Data, err error) {
	rows, err := table.Match(e.from, e.paths)
	if err != nil {
		return pictures, readings, fmt.Errorf("sensors %s: %w", a.sensors, err)
	}
	with := &examples{from: e.from, folders: e.folders}
	var of []int
	without, missing := 0, ""
	for i, path := range e.paths {
		if rows[i] < 0 {
			without, missing = without+1, path
			continue
		}
		with.paths, with.classes, of = append(with.paths, path), append(with.classes, e.classes[i]), append(of, rows[i])
	}
	if len(of) == 0 {
		return pictures, readings, fmt.Errorf("sensors %s: none of its rows is of a picture in %s, such as %s", a.sensors, e.from, missing)
	}
	if without > 0 {
		a.note("sensors %s: %s without readings left out, such as %s", a.sensors, cli.Count(without, "picture"), missing)
	}
	pictures.Classes, readings.Classes = len(a.labels), len(a.labels)
	began := time.Now()
	err = m.EmbedPictures(ctx, len(with.paths), 0, false, func(i int) (*picture.Image, error) { return picture.Open(with.paths[i], picture.DecodeOptions{}) }, func(i int, v []float32, err error) error {
		a.rated("features", i+1, len(with.paths), time.Since(began))
		if err != nil {
			a.bad(with.paths[i], err)
			return nil
		}
		row := make([]float64, len(v))
		for k, x := range v {
			row[k] = float64(x)
		}
		pictures.Rows, pictures.Class = append(pictures.Rows, row), append(pictures.Class, with.classes[i])
		readings.Rows, readings.Class = append(readings.Rows, table.Values[of[i]]), append(readings.Class, with.classes[i])
		return nil
	})
	a.bar.Clear()
	if err == nil {
		err = a.checkClasses(with, pictures.Class)
	}
	return pictures, readings, err
}

// fusedScore tells how good a head is.
func fusedScore(f *sensors.Fusion, pictures, readings sensors.Data) (fit.Score, error) {
	c := newCounter(pictures.Classes)
	for i, row := range pictures.Rows {
		embedding := make([]float32, len(row))
		for k, v := range row {
			embedding[k] = float32(v)
		}
		logits, err := f.Logits(embedding, readings.Rows[i])
		if err != nil {
			return fit.Score{}, err
		}
		short := make([]float32, len(logits))
		for k, v := range logits {
			short[k] = float32(v)
		}
		c.add(short, pictures.Class[i])
	}
	return c.score(), nil
}
