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
	"saccade/models/unet"
)

// training is a step of a training that is timed, by AdamW.
type training struct {
	architecture string
	options      learn.Options // but for the precision and the seed
	batch        func(n int) learn.Batch
	input        string // of the batch, whose shape is told
	samples      bool   // it is more arithmetic than a CPU recomputes in minutes
}

// trainings are they: low-rank adapters beside queries and values with the head, and those of
// Stable Diffusion 1.5's UNet at 512×512 as diffusers' script has them, in as little memory as there is a way to.
var trainings = map[string]training{
	"train_vit_ti_lora": {"vit_ti_16", learn.Options{LoRA: &learn.LoRA{}, Head: true}, labelled, nn.PixelValues, false},
	"train_vit_b_lora":  {"vit_b_16", learn.Options{LoRA: &learn.LoRA{}, Head: true}, labelled, nn.PixelValues, false},
	"train_sd15_lora":   {"sd15_unet", learn.Options{LoRA: &learn.LoRA{Rank: 4, Alpha: 4}, Checkpoint: true, LowMemory: true}, noised, unet.Sample, true},
}

// labelled are images of ImageNet's size, each of a class of its own.
func labelled(n int) learn.Batch {
	b := learn.Batch{Inputs: nn.Images(normals(n, 3, 224, 224))}
	for i := range n {
		b.Labels = append(b.Labels, i)
	}
	return b
}

// noised are latents of 512×512 with a prompt of 77 tokens.
func noised(n int) learn.Batch {
	times := nn.Array{Shape: []int{n}}
	for i := range n {
		times.Data = append(times.Data, float32(500+i%500))
	}
	return learn.Batch{Target: normals(n, 4, 64, 64), Inputs: map[string]nn.Array{
		unet.Sample: normals(n, 4, 64, 64), unet.Timestep: times, unet.Context: normals(n, 77, 768),
	}}
}

func normals(shape ...int) nn.Array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return nn.Array{Shape: shape, Data: nn.Normals(n, seed)}
}

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
	t := trainings[s.Name]
	d, err := models.StandardDescription(dev, t.architecture, precision, seed)
	if err != nil {
		return nil, err
	}
	o := t.options
	o.Precision, o.Seed = precision, seed
	l, err := learn.Of(dev, s.Name, d, o)
	if err != nil {
		return nil, s.typed(err)
	}
	drawn := time.Since(began)
	batch := t.batch(s.Batch)
	m, weights, err := l.Plan(batch)
	if err != nil {
		l.Close()
		return nil, s.typed(err)
	}
	s.Shape = cli.Dims(batch.Inputs[t.input].Shape)
	x := &subject{spec: s, dev: dev, weights: weights, activations: m.Arena + m.IO, drawn: drawn, close: l.Close}
	x.run = func(ctx context.Context) error {
		_, err := l.Step(ctx, 1e-3, batch)
		return err
	}
	x.profile = func(ctx context.Context) ([]gpu.Timing, error) { return l.Profile(ctx, batch) }
	x.verify = func(ctx context.Context, sample bool) (verdict, error) {
		verify := func() ([]gpu.OpCheck, error) { return l.Verify(ctx, batch, false) }
		if sample || t.samples {
			verify = func() ([]gpu.OpCheck, error) { return l.VerifySample(ctx, batch) }
		}
		checks, err := verify()
		return x.judge(checks), err
	}
	return x, nil
}
