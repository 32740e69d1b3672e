package vit

import (
	"context"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/ops"
)

func openDevice(t *testing.T) *gpu.Device {
	t.Helper()
	debug, err := gpu.ParseDebug(os.Getenv("SACCADE_DEBUG"))
	require.NoError(t, err)
	d, err := gpu.Open(gpu.Options{Backend: os.Getenv("WGPU_BACKEND"), Debug: debug})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// runGolden loads a golden's checkpoint and computes its intermediates and outputs.
func runGolden(t *testing.T, d *gpu.Device, g *golden.Golden, precision gpu.DType) map[string][]float32 {
	t.Helper()
	src, err := golden.Checkpoint(g.Case)
	require.NoError(t, err)
	folder, err := golden.Folder(g.Case)
	require.NoError(t, err)
	config, err := fs.ReadFile(folder, "config.json")
	if err != nil {
		config = nil // torchvision's checkpoints have none
	}
	c, named, err := Describe(src, config, g.Architecture)
	require.NoError(t, err)
	b := ops.NewBuilder(d, precision)
	defer b.Close()
	m, err := New(b, c)
	require.NoError(t, err)
	require.NoError(t, b.Bind(m, named))
	require.NoError(t, b.Upload())

	r := d.Record(precision)
	r.KeepTaps = true
	in := g.Tensors["pixel_values"]
	_, attentions := g.Tensors["attentions.0"]
	m.Forward(r, r.Input("pixel_values", gpu.F32, in.Shape...), attentions)
	require.NoError(t, m.Prepare())
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	checks, err := p.Verify(context.Background(), map[string]any{"pixel_values": in.Data}, false)
	require.NoError(t, err)
	for _, c := range checks {
		t.Log(c.Label, c.Op, c.Kernel, c.NMSE, c.Err)
	}
	out, err := p.Run(context.Background(), map[string]any{"pixel_values": in.Data})
	require.NoError(t, err)
	return only(out, g)
}

// only leaves out what the golden does not name: a checkpoint without pooler
// golden still computes one, say.
func only(out map[string][]float32, g *golden.Golden) map[string][]float32 {
	for name := range out {
		if _, ok := g.Tensors[name]; !ok {
			delete(out, name)
		}
	}
	return out
}

func TestGoldens(t *testing.T) {
	d := openDevice(t)
	for _, c := range golden.Cases() {
		if c.Model != "vit" || c.Weights != "" {
			continue // trained models are compared by package models
		}
		t.Run(c.Name, func(t *testing.T) {
			g, err := golden.Load(c)
			require.NoError(t, err)
			f32 := golden.Check(g, runGolden(t, d, g, gpu.F32), golden.F32)
			golden.Require(t, f32, d.Info().String())
			f16 := golden.Check(g, runGolden(t, d, g, gpu.F16), golden.F16)
			golden.Require(t, f16, d.Info().String())
		})
	}
}
