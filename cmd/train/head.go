package main

import (
	"context"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/fit"
	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/models/probe"
	"saccade/picture"
)

// trainHead trains the last layer on features that are computed once.
func (a *app) trainHead(ctx context.Context) error {
	layer, weight, bias, err := a.checkpoint.HeadLayer()
	if err != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return err
	}
	if err := a.begin(layer, &weight, &bias); err != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return err
	}
	m, err := a.load(models.HeadInput)
	if err != nil {
		return err
	}
	defer m.Close()
	bytes, programs := m.Memory()
	a.tellMemory(bytes, programs)
	f, err := a.features(ctx, m, a.data)
	if err != nil {
		return err
	}
	var v *features
	if a.validated != nil {
		if v, err = a.features(ctx, m, a.validated); err != nil {
			return err
		}
	}
	if a.optimizer == lbfgs {
		return a.solve(layer, f, v)
	}
	h, err := fit.NewHead(layer, weight, bias.Data, a.learning())
	if err != nil {
		return err
	}
	print, err := m.Fingerprint()
	if err != nil {
		return err
	}
	t := &training{app: a, m: m, l: h, from: f, perEpoch: f.perEpoch(), print: print, data: a.data.print(),
		score: func(context.Context) (fit.Score, error) { return v.score(h) },
		train: func(context.Context) (fit.Score, error) { return f.score(h) },
		write: func(folder string, values map[string]nn.Array) error { return a.checkpoint.Write(folder, values) },
		readProbe: func(ctx context.Context, e *examples) (map[string]nn.Array, error) {
			x, err := a.features(ctx, m, e)
			if err != nil {
				return nil, err
			}
			return x.rows([]int{0}).Inputs, nil
		},
	}
	return t.run(ctx)
}

// begin takes what -init says of the layer.
func (a *app) begin(layer string, weight, bias *models.Array) error {
	const peft = "base_model.model."
	into := map[string]*models.Array{layer + ".weight": weight, layer + ".bias": bias, peft + layer + ".weight": weight, peft + layer + ".bias": bias}
	for name, v := range a.init {
		to, ok := into[name]
		if !ok {
			return fmt.Errorf("-init %s: %s is no trained tensor; %s.weight and %s.bias are", a.initFile, name, layer, layer)
		}
		if fmt.Sprint(v.Shape) != fmt.Sprint(to.Shape) {
			return fmt.Errorf("-init %s: %s is %v, expected %v", a.initFile, name, v.Shape, to.Shape)
		}
		*to = v
	}
	return nil
}

// features are what the last layer takes of examples.
type features struct {
	probe.Features
	input string     // that a learner takes them as
	order *fit.Order // of pictures
	sizes []int      // of the batches of a file
}

// perEpoch is the batches in an epoch.
func (f *features) perEpoch() int {
	if f.order == nil {
		return len(f.sizes)
	}
	return f.order.PerEpoch()
}

// Batch implements [fit.Batches].
func (f *features) Batch(_ context.Context, micro int) (learn.Batch, error) {
	var rows []int
	if f.order != nil {
		rows, _ = f.order.Batch(micro)
	} else {
		at := 0
		for _, n := range f.sizes[:micro%len(f.sizes)] {
			at += n
		}
		for i := range f.sizes[micro%len(f.sizes)] {
			rows = append(rows, at+i)
		}
	}
	return f.rows(rows), nil
}

// rows are those examples.
func (f *features) rows(rows []int) learn.Batch {
	x := nn.Array{Shape: []int{len(rows), f.Width}}
	b := learn.Batch{}
	for _, i := range rows {
		x.Data = append(x.Data, f.Data[i*f.Width:(i+1)*f.Width]...)
		b.Labels = append(b.Labels, f.Class[i])
	}
	b.Inputs = map[string]nn.Array{f.input: x}
	return b
}

// score tells how good a learner is on the features.
func (f *features) score(h fit.Learner) (fit.Score, error) {
	out, err := h.Forward(context.Background(), map[string]nn.Array{f.input: {Shape: []int{len(f.Class), f.Width}, Data: f.Data}})
	if err != nil {
		return fit.Score{}, err
	}
	c := newCounter(f.Classes)
	for i, class := range f.Class {
		c.add(out["logits"].Data[i*f.Classes:(i+1)*f.Classes], class)
	}
	return c.score(), nil
}

// features computes what the last layer takes of examples; those that can't be read are
// named and left out.
func (a *app) features(ctx context.Context, m *models.Model, e *examples) (*features, error) {
	f := &features{input: fit.Features, Features: probe.Features{Classes: len(a.labels)}}
	add := func(outputs map[string]models.Array, class int) error {
		v, err := m.HeadInput(outputs)
		if err == nil {
			f.Width, f.Data, f.Class = len(v), append(f.Data, v...), append(f.Class, class)
		}
		return err
	}
	for _, b := range e.batches {
		f.sizes = append(f.sizes, len(b.Labels))
		if err := m.EachPixels(ctx, b.Inputs[nn.PixelValues], 0, func(r models.Result) error { return add(r.Outputs, b.Labels[r.Index]) }); err != nil {
			return nil, fmt.Errorf("data %s: %w", e.from, err)
		}
	}
	if e.batches != nil {
		return f, nil
	}
	began := time.Now()
	err := m.Each(ctx, len(e.paths), 0, func(i int) (*picture.Image, error) { return picture.Open(e.paths[i], picture.DecodeOptions{}) }, func(r models.Result) error {
		a.rated("features", r.Index+1, len(e.paths), time.Since(began))
		if r.Err != nil {
			a.bad(e.paths[r.Index], r.Err)
			return nil
		}
		return add(r.Outputs, e.classes[r.Index])
	})
	a.bar.Clear()
	if err != nil {
		return nil, err
	}
	if err := a.checkClasses(e, f.Class); err != nil {
		return nil, err
	}
	f.order = &fit.Order{N: len(f.Class), Size: a.batch, Seed: a.seed}
	return f, nil
}

// checkClasses refuses a class of which no picture could be read.
func (a *app) checkClasses(e *examples, classes []int) error {
	seen := make([]bool, len(a.labels))
	for _, c := range classes {
		seen[c] = true
	}
	for i, c := range e.classes {
		if !seen[c] && e == a.data {
			return fmt.Errorf("folder %s: no picture of class %s could be read, such as %s", e.from, a.labels[c], e.paths[i])
		}
	}
	if len(classes) == 0 {
		return fmt.Errorf("folder %s: none of its %s could be read", e.from, cli.Count(len(e.paths), "picture"))
	}
	return nil
}

// solve goes to the optimum of the convex problem.
func (a *app) solve(layer string, f, v *features) error {
	began := time.Now()
	l, err := probe.Logistic(f.Features, a.c)
	if err != nil {
		return fmt.Errorf("data %s: %w", a.data.from, err)
	}
	weight := nn.Array{Shape: []int{f.Classes, f.Width}, Data: l.Weight}
	values := map[string]nn.Array{layer + ".weight": weight, layer + ".bias": {Shape: []int{f.Classes}, Data: l.Bias}}
	h, err := fit.NewHead(layer, weight, l.Bias, learn.Options{})
	if err != nil {
		return err
	}
	d := doneLine{Done: true, Steps: l.Steps, Seconds: time.Since(began).Seconds(), Loss: cli.Number(l.Loss)}
	of, on := f, "training"
	if v != nil {
		of, on = v, "validation"
	}
	s, err := of.score(h)
	if err != nil {
		return err
	}
	d.take(s, on)
	if err := a.saveTensors(values, nil, []float32{float32(l.Loss)}); err != nil {
		return err
	}
	if a.out != "" {
		if err := a.checkpoint.Write(a.out, values); err != nil {
			return err
		}
	}
	return a.finish(d)
}
