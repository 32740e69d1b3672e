package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"saccade/gpu"
	"saccade/models"
	"saccade/weights"
)

// open opens the device that flags and environment ask for, flags first.
func (a *app) open() error {
	o := gpu.Options{Adapter: a.adapter, Backend: a.backend, Log: a.stderr}
	if o.Adapter == "" {
		o.Adapter = a.getenv("WGPU_ADAPTER_NAME")
	}
	var err error
	if o.Backend, err = a.backendName(); err != nil {
		return err
	}
	switch p := strings.ToLower(a.getenv("WGPU_POWER_PREFERENCE")); p {
	case "", "none", "low", "high":
		o.PowerPreference = p
	default:
		return usagef("WGPU_POWER_PREFERENCE %q: expected low, high or none", p)
	}
	if o.Debug, err = gpu.ParseDebug(a.getenv("SACCADE_DEBUG")); err != nil {
		return usagef("SACCADE_DEBUG: %w", err)
	}
	a.dev, err = gpu.Open(o)
	return err
}

// backendName is the wanted backend, "" for the platform's.
func (a *app) backendName() (string, error) {
	if a.backend != "" {
		return a.backend, nil
	}
	name := strings.ToLower(a.getenv("WGPU_BACKEND"))
	if name == "" || name == "primary" {
		return "", nil
	}
	if err := checkBackend(name); err != nil {
		return "", usagef("WGPU_BACKEND %q: %w", name, err)
	}
	return name, nil
}

// load checks the files that flags name, opens the device and loads the model.
func (a *app) load(ctx context.Context) (*models.Model, error) {
	o := models.Options{Precision: a.precision, Attentions: a.attention, Override: a.override, Hub: weights.HubFromEnv()}
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
