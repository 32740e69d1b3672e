package sound

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const goldenDir = "../golden/sound"

// goldens is cases.json, written by golden/sound/generate.py.
type goldens struct {
	Read []struct {
		Src, Want string
		Rate, At  int
	}
	Features []struct {
		Name, Src, Want         string
		Rate, Samples, FFT, Hop int
		Padding                 float32
		Shape                   [2]int
	}
}

func readGoldens(t *testing.T) goldens {
	data, err := os.ReadFile(filepath.Join(goldenDir, "cases.json"))
	require.NoError(t, err)
	var g goldens
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

func readFloats(t *testing.T, name string) []float32 {
	data, err := os.ReadFile(filepath.Join(goldenDir, "want", name))
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	raw, err := io.ReadAll(z)
	require.NoError(t, err)
	out := make([]float32, len(raw)/4)
	require.NoError(t, binary.Read(bytes.NewReader(raw), binary.LittleEndian, out))
	return out
}

func goldenSound(t *testing.T, src string, rate int) *Sound {
	s, err := Open(t.Context(), filepath.Join(goldenDir, "src", src), Options{Rate: rate})
	require.NoError(t, err)
	return s
}

// compare fails where two differ by more than the bound.
func compare(t *testing.T, got, want []float32, bound float64) {
	require.Len(t, got, len(want))
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
	}
	t.Logf("largest difference %.2g of %.2g", worst, bound)
	assert.LessOrEqual(t, worst, bound)
}

// TestReadGolden compares with libsndfile, the mean over the channels and torchaudio's
// resampling in float64: equal but for the rounding to float32.
func TestReadGolden(t *testing.T) {
	for _, c := range readGoldens(t).Read {
		t.Run(strings.TrimSuffix(c.Want, ".f32.gz"), func(t *testing.T) {
			got := goldenSound(t, c.Src, c.Rate)
			assert.Equal(t, c.At, got.Rate)
			compare(t, got.Samples, readFloats(t, c.Want), 1.2e-7)
		})
	}
}

// TestFeaturesGolden compares with WhisperFeatureExtractor's arithmetic in NumPy, which
// rounds the spectrum to float32: 1e-7 of a power, 5e-8 of its logarithm.
func TestFeaturesGolden(t *testing.T) {
	for _, c := range readGoldens(t).Features {
		t.Run(c.Name, func(t *testing.T) {
			samples := make([]float32, c.Samples)
			for i := range samples {
				samples[i] = c.Padding
			}
			copy(samples, goldenSound(t, c.Src, c.Rate).Samples)
			m := LogMel{Rate: c.Rate, Bins: c.Shape[0], FFT: c.FFT, Hop: c.Hop}
			require.NoError(t, m.Check())
			assert.Equal(t, c.Shape[1], m.Frames(c.Samples))
			compare(t, m.Features(samples), readFloats(t, c.Want), 1e-6)
		})
	}
}
