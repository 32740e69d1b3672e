package models

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/zoo"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

func TestClassifyEmbedded(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	m, err := Load(context.Background(), d, "vit", "", Options{Precision: gpu.F16, Embedded: zoo.ViT()})
	require.NoError(t, err)
	defer m.Close()
	img := picture.New(70, 50)
	top, err := m.Classify(context.Background(), []*picture.Image{img, img}, 3)
	require.NoError(t, err)
	require.Len(t, top, 2)
	require.Len(t, top[0], 3)
	require.Equal(t, top[0], top[1])
	t.Log(m.LoadTime, m.CompileTime, top[0])
}

// openGolden opens the checkpoint that a golden was made with, some of whose tensors
// may be left out.
func openGolden(d *gpu.Device, g *golden.Golden, name, lacking string, o Options) (*Model, error) {
	folder, err := golden.Folder(g.Case)
	if err != nil {
		return nil, err
	}
	config, err := optional(folder, "config.json")
	if err != nil {
		return nil, err
	}
	src, err := golden.Checkpoint(g.Case)
	if err != nil {
		return nil, err
	}
	if lacking != "" {
		src = without{src, lacking}
	}
	return New(d, g.Model, nn.Checkpoint{Name: name, Tensors: src, Config: config}, "golden/models/"+g.Name, o)
}

// findGolden loads a golden.
func findGolden(t *testing.T, name string) *golden.Golden {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	g, err := golden.Load(c)
	require.NoError(t, err)
	return g
}
