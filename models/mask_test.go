package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/masks"
	"saccade/picture"
	"saccade/zoo"
)

// maskCase is what SamProcessor and SamModel make of a picture.
type maskCase struct {
	Picture string
	Points  [][2]float64
	Labels  []int
	Box     *[4]float64
	Scores  []float64
	Close   []int   // pixels of each mask that rounding may tip
	Runs    [][]int // of each mask
}

// From wide and tall pictures to masks of their size, as SamProcessor has it: exchanged
// axes and padding on another side would show.
func TestMasksOfPictures(t *testing.T) {
	m := goldenModel(t, "sam_points", Options{Precision: gpu.F32})
	m.Processor = picture.Padded(28)
	checkPictures(t, m, "../golden/picture/src", "pictures.json")
	assert.InDelta(t, 0.88, m.MaskRules().IoU, 1e-6)
	m = goldenModel(t, "sam2", Options{Precision: gpu.F32})
	checkPictures(t, m, "../golden/picture/src", "pictures2.json") // as Sam2Processor has it
	assert.InDelta(t, 0.8, m.MaskRules().IoU, 1e-6)
}

// The embedded model's masks are transformers'.
func TestEmbeddedMasksOfPictures(t *testing.T) {
	m, err := Load(t.Context(), gputest.Open(t, gpu.Options{}), "sam", "", Options{Precision: gpu.F32, Embedded: zoo.SAM()})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	checkPictures(t, m, "../zoo/pictures", "zoo.json")
}

func checkPictures(t *testing.T, m *Model, folder, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../golden/sam", file))
	require.NoError(t, err)
	var cases []maskCase
	require.NoError(t, json.Unmarshal(text, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		img, err := picture.Open(filepath.Join(folder, c.Picture), picture.DecodeOptions{})
		require.NoError(t, err)
		e, err := m.EncodePicture(t.Context(), img)
		require.NoError(t, err)
		p := MaskPrompt{Box: c.Box}
		for i, at := range c.Points {
			p.Points = append(p.Points, MaskPoint{X: at[0], Y: at[1], Outside: c.Labels[i] == 0})
		}
		out, err := e.Forward(t.Context(), p)
		require.NoError(t, err)
		assert.InDeltaSlice(t, c.Scores, out["iou_scores"].Data, 1e-4)
		found, err := e.Read(out)
		require.NoError(t, err)
		require.Len(t, found, len(c.Runs))
		for i, runs := range c.Runs {
			want := masks.RLE{Height: img.H, Width: img.W, Runs: runs}.Mask()
			got := maskOf(found, c.Scores[i])
			differ := 0
			for at, on := range want.On {
				if got.On[at] != on {
					differ++
				}
			}
			assert.LessOrEqual(t, differ, c.Close[i], "mask %d of %s with %v %v", i, c.Picture, c.Points, c.Box)
		}
	}
}

// maskOf is the mask with a score.
func maskOf(found []Mask, score float64) masks.Mask {
	best := found[0]
	for _, m := range found {
		if abs(m.Score-score) < abs(best.Score-score) {
			best = m
		}
	}
	return best.Mask()
}

func abs(v float64) float64 { return max(v, -v) }

// A batch of prompts gives what each gives alone, and a picture shown smaller the same
// masks.
func TestMasksInBatches(t *testing.T) {
	m := goldenModel(t, "sam_points", Options{Precision: gpu.F32})
	img := picture.New(60, 40)
	for i := range img.Pix {
		img.Pix[i] = uint8(i * i)
	}
	e, err := m.EncodePicture(t.Context(), img)
	require.NoError(t, err)
	prompts := e.prompts(masks.Grid(3))
	all, err := e.Forward(t.Context(), prompts...)
	require.NoError(t, err)
	for i, p := range prompts {
		one, err := e.Forward(t.Context(), p)
		require.NoError(t, err)
		n := len(one["pred_masks"].Data)
		assert.InDeltaSlice(t, one["pred_masks"].Data, all["pred_masks"].Data[i*n:][:n], 1e-4)
		assert.InDeltaSlice(t, one["iou_scores"].Data, all["iou_scores"].Data[3*i:][:3], 1e-5)
	}
	small, err := e.As(30, 20).Forward(t.Context(), MaskPrompt{Points: []MaskPoint{{X: 5, Y: 5}}})
	require.NoError(t, err)
	large, err := e.Forward(t.Context(), MaskPrompt{Points: []MaskPoint{{X: 10, Y: 10}}})
	require.NoError(t, err)
	assert.Equal(t, large, small)
	_, err = e.Forward(t.Context(), MaskPrompt{})
	assert.ErrorContains(t, err, "a point or a box")
	_, err = e.Forward(t.Context(), prompts[0], MaskPrompt{Box: &[4]float64{1, 2, 3, 4}})
	assert.ErrorContains(t, err, "expected all alike")
	_, err = goldenModel(t, "vit_classify", Options{}).EncodePicture(t.Context(), img)
	assert.ErrorIs(t, err, ErrNoMasks)
}
