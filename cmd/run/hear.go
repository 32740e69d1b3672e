package main

import (
	"context"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/clap"
	"saccade/sound"
)

// soundFamily is the networks of sounds.
const soundFamily = "sound"

// takesSounds says that a model's inputs are made of sounds, as others' of pictures.
func takesSounds(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Sounds
}

// hearSounds tells the classes of sounds, or compares them with texts, and saves the raw
// outputs.
func (a *app) hearSounds(ctx context.Context, m *models.Model) error {
	if m.Dual() {
		return a.searchPictures(ctx, m)
	}
	if len(a.texts) > 0 || a.index != "" {
		return cli.Usagef("%s from %s tells classes: -text and -index go with one that pairs sounds with texts, such as CLAP", m.Name, m.Source)
	}
	c := &computation{pass: pass{app: a, m: m, bar: a.progress()}, names: a.heard}
	c.doc.head, c.doc.Images = a.head(m), []imageJSON{}
	if m.Classes() > 0 {
		c.rank = m.Top
	}
	if a.save != "" {
		c.outputs = newSaver()
	} else if c.rank == nil {
		return fmt.Errorf("%s from %s: %w; save them with -save FILE.safetensors", m.Name, m.Source, models.ErrNoClasses)
	}
	for i, path := range a.heard {
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
	if err != nil {
		err = ofSound(path, err)
	}
	return out, time.Since(began), err
}

// embedSounds computes the embeddings of sounds, one by one: each is reported, or why it
// has none.
func (s *search) embedSounds(ctx context.Context, paths []string, report func(i int, v []float32, err error) error) error {
	for i, path := range paths {
		out, _, err := s.hear(ctx, s.m, path)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := report(i, out[clap.AudioEmbeds].Data, err); err != nil {
			return err
		}
	}
	return nil
}
