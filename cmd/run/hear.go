package main

import (
	"context"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/sound"
)

// takesSounds says that a model's inputs are made of sounds, as others' of pictures.
func takesSounds(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Sounds
}

// hearSounds tells the classes of sounds, and saves the raw outputs.
func (a *app) hearSounds(ctx context.Context, m *models.Model) error {
	if len(a.sounds) == 0 {
		return cli.Usagef("no sound: give -audio FILE")
	}
	c := &computation{pass: pass{app: a, m: m, bar: a.progress()}, names: a.sounds}
	c.doc.head, c.doc.Images = a.head(m), []imageJSON{}
	if m.Classes() > 0 {
		c.rank = func(outputs map[string]models.Array, top int) ([]models.Prediction, error) {
			return m.Top(outputs, top)
		}
	}
	if a.save != "" {
		c.outputs = newSaver()
	} else if c.rank == nil {
		return fmt.Errorf("%s from %s: %w; save them with -save FILE.safetensors", m.Name, m.Source, models.ErrNoClasses)
	}
	for i, path := range a.sounds {
		r := models.Result{Index: i}
		r.Outputs, r.Took, r.Err = a.hear(ctx, m, path)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.add(r); err != nil {
			return err
		}
	}
	c.bar.clear()
	return c.finish()
}

// hear runs the network on a sound.
func (a *app) hear(ctx context.Context, m *models.Model, path string) (map[string]models.Array, time.Duration, error) {
	heard, err := sound.Open(ctx, path, sound.Options{Rate: m.SoundRate()})
	if err != nil {
		return nil, 0, err
	}
	in, err := m.SoundInputs(heard)
	if err != nil {
		return nil, 0, ofSound(path, err)
	}
	began := time.Now()
	out, err := m.Forward(ctx, in)
	return out, time.Since(began), err
}
