package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"saccade/golden"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
	"saccade/zoo"
)

// Network computes a golden's intermediates and outputs on a device and compares
// them with PyTorch's. The golden of a trained model is compared with the embedded
// weights.
func Network(ctx context.Context, dev *gpu.Device, c golden.Case, precision gpu.DType) (*golden.Report, error) {
	g, err := golden.Load(c)
	if err != nil {
		return nil, err
	}
	tolerance, err := Tolerance(c.Model, precision)
	if err != nil {
		return nil, err
	}
	got, err := compute(ctx, dev, g, precision)
	if err != nil {
		return nil, fmt.Errorf("golden %s: %w", c.Name, err)
	}
	return golden.Check(g, got, tolerance), nil
}

// compute gives the tensors of a golden that are not inputs.
func compute(ctx context.Context, dev *gpu.Device, g *golden.Golden, precision gpu.DType) (map[string][]float32, error) {
	m, err := Open(ctx, dev, g, nn.Options{Precision: precision})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	in := Inputs(g)
	outputs := slices.DeleteFunc(slices.Sorted(maps.Keys(g.Tensors)), func(name string) bool { return slices.Contains(g.Inputs, name) })
	outputs = slices.DeleteFunc(outputs, func(name string) bool { return strings.HasPrefix(name, "logits_per_") }) // made on the host
	out, err := m.Forward(ctx, in, outputs...)
	if err != nil {
		return nil, err
	}
	if name, logits, ok := m.PairLogits(out); ok {
		out[name] = logits
	}
	got := map[string][]float32{}
	for name, a := range out {
		got[name] = a.Data
	}
	return got, nil
}

// Inputs are a golden's by the names that networks take them under.
func Inputs(g *golden.Golden) map[string]models.Array {
	in := map[string]models.Array{}
	for _, name := range g.Inputs {
		t := g.Tensors[name]
		in[strings.TrimPrefix(name, golden.InputPrefix)] = models.Array{Shape: t.Shape, Data: t.Data}
	}
	return in
}

// Open opens the checkpoint that a golden was made with.
func Open(ctx context.Context, dev *gpu.Device, g *golden.Golden, o nn.Options) (*models.Model, error) {
	if g.Weights != "" {
		o.Embedded = zoo.All()
		return models.Load(ctx, dev, g.Model, "", o)
	}
	folder, err := golden.Folder(g.Case)
	if err != nil {
		return nil, err
	}
	config, err := fs.ReadFile(folder, "config.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	src, err := golden.Checkpoint(g.Case)
	if err != nil {
		return nil, err
	}
	return models.New(dev, g.Model, nn.Checkpoint{Name: g.Architecture, Tensors: src, Config: config, Files: folder}, "golden/models/"+g.Name, o)
}
