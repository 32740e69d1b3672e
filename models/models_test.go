package models

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/picture"
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

func TestClassifyEmbedded(t *testing.T) {
	d := openDevice(t)
	m, err := Load(context.Background(), d, "vit", "", Options{Precision: gpu.F16})
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

func TestGoldens(t *testing.T) {
	d := openDevice(t)
	for _, c := range golden.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
				report, err := VerifyGolden(context.Background(), d, c, precision)
				require.NoError(t, err)
				golden.Require(t, report, d.Info().String())
			}
		})
	}
}
