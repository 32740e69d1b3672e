package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"saccade/models"
	"saccade/weights"
)

// open opens the device that flags and environment ask for.
func (a *app) open() (err error) {
	a.dev, err = a.choice.Open(a.getenv, a.stderr)
	return err
}

// load checks the files that flags name, opens the device and loads the model.
func (a *app) load(ctx context.Context) (*models.Model, error) {
	o := models.Options{Precision: a.precision, Attentions: a.attention, Override: a.override, Embeddings: a.examples != "" || a.similar != "" || a.index != "", Hub: weights.HubFromEnv()}
	if a.labels != "" {
		data, err := os.ReadFile(a.labels)
		if err == nil {
			o.Labels, err = models.ParseLabels(data)
		}
		if err != nil {
			return nil, fmt.Errorf("labels %s: %w", a.labels, reason(err))
		}
	}
	if err := a.checkFiles(); err != nil {
		return nil, err
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	bar := a.progress()
	o.Hub.Progress = bar.download(o.Hub)
	m, err := models.Load(ctx, a.dev, a.model, a.weights, o)
	bar.clear()
	return m, err
}

// checkFiles finds missing files and folders before anything is loaded.
func (a *app) checkFiles() (err error) {
	if a.pictures, err = findPictures(a.images); err != nil {
		return err
	}
	if a.eval != "" {
		if a.classes, err = findClasses(a.eval); err != nil {
			return err
		}
	}
	if a.examples != "" {
		if a.shown, err = findClasses(a.examples); err != nil {
			return err
		}
	}
	if a.similar != "" {
		if a.gallery, err = findPictures([]string{a.similar}); err != nil {
			return err
		}
	}
	if a.input != "" {
		if a.raw, err = readInput(a.input); err != nil {
			return err
		}
	}
	if a.save != "" {
		return checkWritable(a.save)
	}
	return nil
}

// reason takes the path out of an error of the file system: the message names it already.
func reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
