package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/picture"
)

// goldenModel loads the checkpoint of a golden from a disk.
func goldenModel(t *testing.T, name string, o Options) *Model {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	m, err := Load(context.Background(), gputest.Open(t, gpu.Options{}), c.Model, goldenFolder(t, name), o)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// goldenFolder is a golden's checkpoint on a disk.
func goldenFolder(t *testing.T, name string) string {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, folder))
	require.NoError(t, os.Remove(filepath.Join(dir, "golden.safetensors")))
	return dir
}

// noisePixels are images of noise of a model's own size.
func noisePixels(t *testing.T, m *Model, seed uint64) Array {
	t.Helper()
	in, err := m.Noise(1, seed)
	require.NoError(t, err)
	return in[nn.PixelValues]
}

// grey is a picture of one grey.
func grey(w, h, level int) *picture.Image {
	m := picture.New(w, h)
	for i := range m.Pix {
		m.Pix[i] = uint8(level)
	}
	return m
}

func TestEachKeepsTheOrder(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{Precision: gpu.F32})
	bad := errors.New("bad")
	const n = 23
	open := func(i int) (*picture.Image, error) {
		if i%7 == 3 {
			return nil, bad
		}
		return grey(20+i, 40-i, 10*i), nil
	}
	var first []float32
	for _, batch := range []int{0, 1, 4, 5, 23, 64} {
		var logits []float32
		next := 0
		err := m.Each(context.Background(), n, batch, open, func(r Result) error {
			require.Equal(t, next, r.Index)
			next++
			if r.Index%7 == 3 {
				require.ErrorIs(t, r.Err, bad)
				return nil
			}
			require.NoError(t, r.Err)
			require.Equal(t, []int{1, 7}, r.Outputs["logits"].Shape)
			logits = append(logits, r.Outputs["logits"].Data...)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, n, next)
		if first == nil {
			first = logits
		}
		assert.InDeltaSlice(t, first, logits, 1e-4, "batch %d", batch)
	}
}

// Pictures of many sizes go into batches of their own; none waits for ever,
// and the programs that are kept are few.
func TestEachMixesSizes(t *testing.T) {
	m := goldenModel(t, "vit_timm_dynamic", Options{})
	m.Processor.Resize, m.Processor.Crop = picture.ResizeRule{}, picture.CropRule{}
	size := func(i int) (w, h int) { return 12 + 4*(i%3), 20 + 4*(i%2) }
	open := func(i int) (*picture.Image, error) { w, h := size(i); return grey(w, h, i), nil }
	next := 0
	require.NoError(t, m.Each(context.Background(), 30, 2, open, func(r Result) error {
		require.NoError(t, r.Err)
		require.Equal(t, next, r.Index)
		next++
		return nil
	}))
	assert.Equal(t, 30, next)
}

func TestEachEnds(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{})
	open := func(int) (*picture.Image, error) { return grey(20, 20, 1), nil }
	stop := errors.New("enough")
	require.ErrorIs(t, m.Each(context.Background(), 1000, 4, open, func(Result) error { return stop }), stop)
	ctx, cancel := context.WithCancel(context.Background())
	reported := 0
	err := m.Each(ctx, 1000, 4, open, func(Result) error {
		reported++
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Less(t, reported, 100)
	require.NoError(t, m.Each(context.Background(), 0, 4, open, func(Result) error { return stop }))
}

// However many pictures there are, only a few are in memory.
func TestEachReadsAFewAhead(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{})
	var opened, reported atomic.Int64
	most := int64(0)
	open := func(int) (*picture.Image, error) { opened.Add(1); return grey(20, 20, 1), nil }
	require.NoError(t, m.Each(context.Background(), 2000, 8, open, func(Result) error {
		most = max(most, opened.Load()-reported.Add(1))
		return nil
	}))
	assert.LessOrEqual(t, most, int64(maxBatch+8+8))
}

// A model may be used from several goroutines, with more shapes than programs
// are kept.
func TestConcurrentForward(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{Precision: gpu.F32})
	in := noisePixels(t, m, 3)
	want, err := m.Forward(context.Background(), nn.Images(in))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range 4 {
				n := 1 + (g+2*k)%7
				batch := Array{Shape: append([]int{n}, in.Shape[1:]...)}
				for range n {
					batch.Data = append(batch.Data, in.Data...)
				}
				out, err := m.Forward(context.Background(), nn.Images(batch))
				if assert.NoError(t, err) {
					assert.InDeltaSlice(t, want["logits"].Data, out["logits"].Data[7*(n-1):], 1e-4)
				}
			}
		}()
	}
	wg.Wait()
}

// A batch that is nearly full is filled up rather than recorded anew.
func TestPadded(t *testing.T) {
	shapes := [][]int{{8, 3, 4, 4}, {16, 3, 4, 4}, {3, 1, 4, 4}}
	for n, want := range map[int]int{8: 8, 7: 8, 6: 8, 5: 5, 12: 16, 13: 16, 11: 11, 16: 16, 17: 17, 1: 1} {
		assert.Equal(t, want, paddedBatch(n, [3]int{3, 4, 4}, shapes), fmt.Sprint(n))
	}
}

func TestDefaultBatch(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{})
	small, large := m.DefaultBatch(20, 28), m.DefaultBatch(2000, 2800)
	assert.Equal(t, maxBatch, small)
	assert.Positive(t, large)
	assert.Less(t, large, small)
}

func TestParseLabels(t *testing.T) {
	for text, want := range map[string][]string{
		"a\nb b\n":                           {"a", "b b"},
		"\xef\xbb\xbfa\r\nb\r\n\r\n":         {"a", "b"},
		`{"id2label": {"1": "y", "0": "x"}}`: {"x", "y"},
	} {
		got, err := ParseLabels([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "\n\n", "{", `{"a":1}`, `{"id2label":{"1":"y"}}`} {
		_, err := ParseLabels([]byte(text))
		assert.Error(t, err, text)
	}
}

func TestNearest(t *testing.T) {
	assert.Equal(t, "vit_b_16", Nearest("vit_b16", Names()))
	assert.Equal(t, "vit", Nearest("vti", Names()))
	assert.Empty(t, Nearest("x", nil))
}

func TestProcessorHasTheNetworksSize(t *testing.T) {
	m := goldenModel(t, "vit_classify", Options{}) // without a preprocessor_config.json
	h, w, ok := m.Processor.FixedSize()
	assert.True(t, ok)
	assert.Equal(t, [2]int{20, 28}, [2]int{h, w})
}
