package models

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
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

// byChance are goldens of which halves are further off than twice torch.float16. They
// have no layer that rounds what PyTorch's does not; PyTorch's few logits happen to be
// nearer than its last layers' inputs are.
var byChance = map[string]float64{
	"vgg":             6.5, // 18 logits; of what they are made of both are off by 5e-7
	"efficientnet_v2": 2.6,
}

// asExactAsTorch compares the outputs' NMSE with that of PyTorch's own halves.
func asExactAsTorch(t *testing.T, c golden.Case, report *golden.Report) {
	t.Helper()
	for _, r := range report.Results {
		if torch, ok := c.Halves[r.Name]; ok {
			most := 2.0
			if m, ok := byChance[c.Name]; ok {
				most = m
			}
			assert.LessOrEqual(t, r.NMSE, most*torch, "%s %s: more than %g times torch.float16's", c.Name, r.Name, most)
		}
	}
}

func TestGoldens(t *testing.T) {
	d := openDevice(t)
	for _, c := range golden.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
				report, err := VerifyGolden(context.Background(), d, c, precision)
				require.NoError(t, err)
				golden.Require(t, report, d.Info().String())
				if precision == gpu.F16 {
					asExactAsTorch(t, c, report)
				}
			}
		})
	}
}
