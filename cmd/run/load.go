package main

import (
	"context"
	"fmt"
	"os"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/nn"
	"saccade/weights"
	"saccade/zoo"
)

// open opens the device that flags and environment ask for.
func (a *app) open() (err error) {
	a.dev, err = a.choice.Open(a.getenv, a.stderr)
	return err
}

// load checks the files that flags name, opens the device and loads the model.
func (a *app) load(ctx context.Context) (*models.Model, error) {
	o, err := a.prepare()
	if err != nil {
		return nil, err
	}
	o.Outputs = a.outputs()
	return a.loadModel(ctx, a.model, a.weights, o)
}

// outputs are those that the flags ask for beside the usual ones.
func (a *app) outputs() []string {
	var names []string
	switch {
	case writes(a.model), segments(a.model), a.generates():
	case a.attention && a.out != "" || a.view && !a.moving():
		names = append(names, models.LastAttention)
	case a.attention:
		names = append(names, models.Attentions)
	}
	if a.pca {
		names = append(names, models.Features)
	}
	if a.explain != "" && !writes(a.model) {
		names = append(names, models.ExplainOutputs(a.model)...)
	}
	if a.word == embedWord || a.examples != "" || a.similar != "" || a.sensors != "" || a.index != "" && !embedsSentences(a.model) && !takesSounds(a.model) {
		names = append(names, models.Embedding)
	}
	return names
}

// prepare checks the files that flags name and opens the device.
func (a *app) prepare() (models.Options, error) {
	o := a.loading()
	if a.labels != "" {
		data, err := cli.ReadFile(a.labels)
		if err == nil {
			o.Labels, err = models.ParseLabels(data)
		}
		if err != nil {
			return o, fmt.Errorf("labels %s: %w", a.labels, reason(err))
		}
	}
	if err := a.checkFiles(); err != nil {
		return o, err
	}
	return o, a.open()
}

// loading are the options of a model as the flags say them.
func (a *app) loading() models.Options {
	return models.Options{Precision: a.precision, Override: a.override, Hub: weights.HubFromEnv(), Embedded: zoo.All(), Tiled: a.tiled, Answers: a.question != "", LoRA: a.loras}
}

// loadModel loads a model, with a bar of what is downloaded.
func (a *app) loadModel(ctx context.Context, name, source string, o models.Options) (*models.Model, error) {
	bar := a.progress()
	o.Hub.Progress = bar.download(o.Hub)
	o.Hub.Waiting = func(file string) { fmt.Fprintf(a.stderr, "waiting for another process that fetches %s\n", file) }
	m, err := models.Load(ctx, a.dev, name, source, o)
	bar.clear()
	if err == nil {
		for _, note := range m.Notes {
			a.note("%s: %s", m.Source, note)
		}
	}
	return m, err
}

// checkFiles finds missing files and folders before anything is loaded.
func (a *app) checkFiles() (err error) {
	if a.moving() {
		return a.checkFrames()
	}
	if a.pictures, err = a.findPictures(a.images); err != nil {
		return err
	}
	switch {
	case a.eval == "":
	case a.purpose() == nn.FindObjects:
		if a.truth, err = a.readAnnotations(); err != nil {
			return err
		}
	default:
		if a.classes, err = a.findClasses(a.eval); err != nil {
			return err
		}
	}
	if a.examples != "" {
		if err := a.findExamples(); err != nil {
			return err
		}
	}
	if a.similar != "" {
		if a.gallery, err = a.findPictures([]string{a.similar}); err != nil {
			return err
		}
	}
	if a.input != "" {
		if a.raw, err = readInput(a.input); err != nil {
			return err
		}
	}
	if a.heard, err = cli.FindSounds(a.sounds, a.complain); err != nil {
		return err
	}
	path, drawing := a.drawing()
	if drawing && max(len(a.pictures), len(a.heard)) > maxDrawn {
		return cli.Usagef("%d %ss are too many to draw at once; expected at most %d", max(len(a.pictures), len(a.heard)), a.subject(), maxDrawn)
	}
	paths := []string{path, a.save}
	switch {
	case a.normal != "":
		paths = []string{a.out}
	case a.purpose() != "" || a.model == anomalyFamily:
		if paths, err = a.measuredFiles(); err != nil {
			return err
		}
		paths = append(paths, a.save)
	case !drawing && !segments(a.model):
		paths = []string{a.save}
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		if err := cli.CheckWritable(path); err != nil {
			return err
		}
	}
	return nil
}

// checkFrames finds a missing video, or one that can't be written, before anything is loaded.
func (a *app) checkFrames() error {
	for _, path := range a.images {
		if _, err := os.Stat(path); err != nil && path != "-" {
			return fmt.Errorf("video %s: %w", path, reason(err))
		}
	}
	if a.out == "" {
		return nil
	}
	return cli.CheckWritable(a.out)
}

// reason takes the path out of an error of the file system.
func reason(err error) error { return cli.Reason(err) }
