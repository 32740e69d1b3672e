package main

import (
	"context"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/learn"
	"saccade/models/nn"
)

// trainings are the steps of trainings that are timed, by the architecture: low-rank adapters
// of rank 8 beside queries and values, and the head, by AdamW.
var trainings = map[string]string{"train_vit_ti_lora": "vit_ti_16", "train_vit_b_lora": "vit_b_16"}

// trainingNames are they, in alphabetical order.
func trainingNames() []string {
	var names []string
	for name := range trainings {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// openTrain makes the subject of a step of a training.
func (s spec) openTrain(dev *gpu.Device, precision gpu.DType) (*subject, error) {
	began := time.Now()
	d, err := models.StandardDescription(dev, trainings[s.Name], precision, seed)
	if err != nil {
		return nil, err
	}
	l, err := learn.Of(dev, s.Name, d, learn.Options{LoRA: &learn.LoRA{}, Head: true, Precision: precision, Seed: seed})
	if err != nil {
		return nil, s.typed(err)
	}
	drawn := time.Since(began)
	pixels := nn.Array{Shape: []int{s.Batch, 3, 224, 224}, Data: nn.Normals(s.Batch*3*224*224, seed)}
	batch := learn.Batch{Inputs: nn.Images(pixels), Labels: make([]int, s.Batch)}
	for i := range batch.Labels {
		batch.Labels[i] = i
	}
	m, weights, err := l.Plan(batch)
	if err != nil {
		l.Close()
		return nil, s.typed(err)
	}
	s.Shape = cli.Dims(pixels.Shape)
	x := &subject{spec: s, dev: dev, weights: weights, activations: m.Arena + m.IO, drawn: drawn, close: l.Close}
	x.run = func(ctx context.Context) error {
		_, err := l.Step(ctx, 1e-3, batch)
		return err
	}
	x.profile = func(ctx context.Context) ([]gpu.Timing, error) { return l.Profile(ctx, batch) }
	x.verify = func(ctx context.Context, _ bool) (verdict, error) {
		checks, err := l.Verify(ctx, batch, false)
		return x.judge(checks), err
	}
	return x, nil
}
