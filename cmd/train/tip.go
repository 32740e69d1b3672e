package main

import (
	"context"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/fit"
	"saccade/models/probe"
	"saccade/picture"
)

// adaptTip makes a Tip-Adapter of the examples.
func (a *app) adaptTip(ctx context.Context) error {
	if a.data.batches != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return cli.Usagef("-tip takes pictures: give -data a folder with one sub-folder a class")
	}
	m, err := a.load()
	if err != nil {
		return err
	}
	defer m.Close()
	if !m.Dual() {
		return fmt.Errorf("%s from %s: -tip compares pictures with the names of classes, which -model clip and siglip do", a.model, m.Source)
	}
	began := time.Now()
	var prompts []string
	for _, name := range a.labels {
		prompts = append(prompts, "a photo of a "+cli.Plain(name))
	}
	texts, _, err := m.EmbedTexts(ctx, prompts, nil)
	if err != nil {
		return err
	}
	tip := &probe.Tip{Alpha: a.alpha, Beta: a.beta, Scale: m.MatchCosine(1) - m.MatchCosine(0)}
	for _, t := range texts {
		tip.Texts = append(tip.Texts, t...)
	}
	keys, err := a.embeddings(ctx, m, a.data)
	if err != nil {
		return err
	}
	tip.Keys = *keys
	if err := tip.Check(); err != nil {
		return err
	}
	of, on := keys, "training"
	if a.validated != nil {
		if of, err = a.embeddings(ctx, m, a.validated); err != nil {
			return err
		}
		on = "validation"
		if !a.given["alpha"] && !a.given["beta"] {
			tip.Search(*of)
		}
	}
	d := doneLine{Done: true, Seconds: time.Since(began).Seconds()}
	d.take(tipScore(tip, of), on)
	alone := *tip
	alone.Alpha = 0
	before := tipScore(&alone, of).Top1
	if !a.json {
		fmt.Fprintf(a.stdout, "names alone  %.2f %%\nalpha %g, beta %g\n", 100*before, tip.Alpha, tip.Beta)
	}
	print, err := m.Fingerprint()
	if err != nil {
		return err
	}
	file := probe.TipFile{Tip: *tip, Labels: a.labels, Fingerprint: print}
	if err := file.Write(a.out); err != nil {
		return err
	}
	return a.finish(d)
}

// tipScore tells how good an adapter is.
func tipScore(tip *probe.Tip, f *probe.Features) fit.Score {
	c := newCounter(f.Classes)
	for i, class := range f.Class {
		logits := tip.Logits(f.Data[i*f.Width : (i+1)*f.Width])
		short := make([]float32, len(logits))
		for k, v := range logits {
			short[k] = float32(v)
		}
		c.add(short, class)
	}
	return c.score()
}

// embeddings are those of examples, of unit length.
func (a *app) embeddings(ctx context.Context, m *models.Model, e *examples) (*probe.Features, error) {
	f := &probe.Features{Classes: len(a.labels)}
	began := time.Now()
	err := m.EmbedPictures(ctx, len(e.paths), 0, false, func(i int) (*picture.Image, error) { return picture.Open(e.paths[i], picture.DecodeOptions{}) }, func(i int, v []float32, err error) error {
		a.rated("features", i+1, len(e.paths), time.Since(began))
		if err != nil {
			a.bad(e.paths[i], err)
			return nil
		}
		f.Width, f.Data, f.Class = len(v), append(f.Data, v...), append(f.Class, e.classes[i])
		return nil
	})
	a.bar.Clear()
	if err == nil {
		err = a.checkClasses(e, f.Class)
	}
	return f, err
}
