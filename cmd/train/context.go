package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/clip"
	"saccade/models/fit"
	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/models/probe"
)

// compares says that prompt tokens are those of texts, of a model that compares them with
// images.
func (o *options) compares() bool {
	f, err := models.FindFamily(o.model)
	return o.promptTokens > 0 && err == nil && f.Texts
}

// contextName is the trained array: the tokens before the names of classes.
const contextName = "ctx"

// trainContext trains tokens before the names of the classes, on features of the images that are
// computed once (CoOp).
func (a *app) trainContext(ctx context.Context) error {
	m, err := a.load()
	if err != nil {
		return err
	}
	defer m.Close()
	if !m.Dual() {
		return fmt.Errorf("%s from %s: -prompt-tokens learns what stands before the names of classes, with which it compares no images", a.model, m.Source)
	}
	scale := m.MatchCosine(1) - m.MatchCosine(0)
	var names []string
	for _, label := range a.labels {
		names = append(names, cli.Plain(label)+".")
	}
	texts, _, err := m.TextIDs(names)
	if err != nil {
		return err
	}
	f, err := a.pairs(ctx, m, a.data)
	if err != nil {
		return err
	}
	var v *features
	if a.validated != nil {
		if v, err = a.pairs(ctx, m, a.validated); err != nil {
			return err
		}
	}
	print, err := m.Fingerprint()
	if err != nil {
		return err
	}
	o := a.learning()
	o.Context, o.Prompts = &learn.Context{Texts: texts, Tokens: a.promptTokens}, false
	l, err := learn.New(m, o)
	if err != nil {
		return err
	}
	defer l.Close()
	b, err := f.Batch(ctx, 0)
	if err != nil {
		return err
	}
	program, resident, err := l.Plan(b)
	if err != nil {
		return err
	}
	a.tellMemory(resident, program)
	if a.verify {
		return a.verifyGradients(ctx, l, f)
	}
	t := &training{app: a, m: m, l: l, from: f, perEpoch: f.perEpoch(), print: print, data: a.data.print(),
		score: func(context.Context) (fit.Score, error) { return v.score(l) },
		train: func(context.Context) (fit.Score, error) { return f.score(l) },
	}
	t.readProbe = func(ctx context.Context, e *examples) (map[string]nn.Array, error) {
		x, err := a.pairs(ctx, m, e)
		if err != nil {
			return nil, err
		}
		return x.rows([]int{0}).Inputs, nil
	}
	t.write = func(path string, values map[string]nn.Array) error {
		return a.writeContext(ctx, path, l, f, values[contextName], scale, print)
	}
	return t.run(ctx)
}

// pairs are the features of images of unit length.
func (a *app) pairs(ctx context.Context, m *models.Model, e *examples) (*features, error) {
	keys, err := a.embeddings(ctx, m, e)
	if err != nil {
		return nil, err
	}
	return &features{Features: *keys, input: clip.ImageEmbeds, order: &fit.Order{N: len(keys.Class), Size: a.batch, Seed: a.seed}}, nil
}

// writeContext writes the tokens with the texts' embeddings by them, as a Tip-Adapter in which
// examples have no vote: what run -examples reads.
func (a *app) writeContext(ctx context.Context, path string, l *learn.Learner, f *features, tokens nn.Array, scale float64, print string) error {
	now, err := l.Parameters()
	if err != nil {
		return err
	}
	arrays, progress, err := l.State()
	if err != nil {
		return err
	}
	with := func(v nn.Array) error {
		arrays[contextName] = v
		return l.Restore(arrays, progress)
	}
	if err := with(tokens); err != nil {
		return err
	}
	out, err := l.Forward(ctx, map[string]nn.Array{clip.ImageEmbeds: {Shape: []int{1, f.Width}, Data: f.Data[:f.Width]}})
	if err != nil {
		return err
	}
	file := probe.TipFile{Tip: probe.Tip{Keys: f.Features, Texts: out["text_embeds"].Data, Beta: probe.TipBeta, Scale: scale}, Labels: a.labels, Fingerprint: print, Context: tokens.Data, Tokens: a.promptTokens}
	if err := file.Write(path); err != nil {
		return err
	}
	return with(now[contextName])
}

// bestPath is where the best values go: in the folder of the result, or beside its file.
func (t *training) bestPath() string {
	if stem, ok := strings.CutSuffix(t.out, ".safetensors"); ok {
		return stem + ".best.safetensors"
	}
	return filepath.Join(t.out, "best")
}
