package masks_test

import (
	"compress/gzip"
	"encoding/json"
	"image"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/masks"
)

// cases is golden/masks/cases.json.gz; golden/generate_masks.py says what is in it.
type cases struct {
	Runs []struct {
		Size   [2]int
		Runs   []int
		Counts string
		Area   int
		Box    [4]int
	}
	Resize []struct {
		Small, Padded, Resized, Picture [2]int
		Logits, Want                    []float32
	}
	NMS []struct {
		Boxes     []masks.Box
		Scores    []float32
		Threshold float64
		Kept      []int
	}
	Everything []everything
}

type everything struct {
	Picture, Resized, Padded, Small [2]int
	Side, Batch                     int
	Rules                           struct {
		IoU       float32 `json:"pred_iou_thresh"`
		Stability float32 `json:"stability_score_thresh"`
		Offset    float32 `json:"stability_score_offset"`
		Overlap   float64 `json:"box_nms_thresh"`
	}
	IoUs      []float32
	Logits    []byte
	Good      int
	Stability []*float32
	Boxes     [][4]int
	Found     []struct {
		Counts    string
		Area      int
		Box       [4]int
		IoU       float32
		Stability *float32
		Point     [2]float64
	}
}

func load(t *testing.T) cases {
	f, err := os.Open("../../golden/masks/cases.json.gz")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var c cases
	require.NoError(t, json.NewDecoder(z).Decode(&c))
	return c
}

func size(s [2]int) masks.Size { return masks.Size{Height: s[0], Width: s[1]} }

func TestRunsAreThoseOfPycocotools(t *testing.T) {
	list := load(t).Runs
	require.NotEmpty(t, list)
	for _, c := range list {
		given := masks.RLE{Height: c.Size[0], Width: c.Size[1], Runs: c.Runs}
		m := given.Mask()
		assert.Equal(t, given, masks.Encode(m))
		assert.Equal(t, c.Counts, given.Counts())
		parsed, err := masks.ParseRLE(c.Size[0], c.Size[1], c.Counts)
		require.NoError(t, err)
		assert.Equal(t, given, parsed)
		assert.Equal(t, c.Area, m.Area())
		assert.Equal(t, c.Area, given.Area())
		assert.Equal(t, image.Rect(c.Box[0], c.Box[1], c.Box[2], c.Box[3]), m.Box())
	}
}

func TestResizerIsPyTorch(t *testing.T) {
	list := load(t).Resize
	require.NotEmpty(t, list)
	for _, c := range list {
		r, err := masks.NewResizer(size(c.Small), size(c.Padded), size(c.Resized), size(c.Picture))
		require.NoError(t, err)
		got := make([]float32, len(c.Want))
		for i := range got {
			got[i] = float32(math.NaN())
		}
		for range 2 { // nothing of the first remains
			r.Resize(got, c.Logits)
		}
		assert.InDeltaSlice(t, c.Want, got, 1e-5, "%v by %v of %v to %v", c.Small, c.Resized, c.Padded, c.Picture)
	}
}

func TestNMSIsTorchvisions(t *testing.T) {
	list := load(t).NMS
	require.NotEmpty(t, list)
	for _, c := range list {
		got := masks.NMS(c.Boxes, c.Scores, c.Threshold)
		if len(c.Kept) == 0 {
			assert.Empty(t, got)
			continue
		}
		assert.Equal(t, c.Kept, got)
	}
}

// logits are those of a case, [points·masks, small].
func (e everything) logits() []float32 {
	out := make([]float32, len(e.Logits))
	for i, b := range e.Logits {
		out[i] = (float32(int8(b)) + 0.37) * 0.4123
	}
	return out
}

func TestEverythingIsTheAuthors(t *testing.T) {
	list := load(t).Everything
	require.NotEmpty(t, list)
	for _, c := range list {
		require.NotEmpty(t, c.Found)
		rules := masks.Rules{PointsPerSide: c.Side, PointsPerBatch: c.Batch, IoU: c.Rules.IoU, Stability: c.Rules.Stability, StabilityOffset: c.Rules.Offset, Overlap: c.Rules.Overlap}
		e := masks.NewEverything(rules, c.resizer(t))
		points := c.points()
		logits, each := c.logits(), len(c.IoUs)/len(points)
		small := c.Small[0] * c.Small[1]
		for from := 0; from < len(points); from += c.Batch {
			to := min(from+c.Batch, len(points))
			require.NoError(t, e.Add(points[from:to], logits[from*each*small:to*each*small], c.IoUs[from*each:to*each]))
		}
		found := e.Masks()
		require.Len(t, found, len(c.Found))
		for i, want := range c.Found {
			got := found[i]
			assert.Equal(t, want.IoU, got.IoU)
			assert.Equal(t, want.Point, got.Point)
			assertStability(t, want.Stability, got.Stability)
			b := got.Box
			if b.Empty() {
				b = image.Rect(0, 0, 1, 1) // the authors' box of nothing
			}
			assert.Equal(t, want.Box, [4]int{b.Min.X, b.Min.Y, b.Dx() - 1, b.Dy() - 1})
			assert.Equal(t, want.Counts, got.Mask.Counts())
			assert.Equal(t, want.Area, got.Mask.Area())
		}
	}
}

// What each rule leaves is what it leaves in the authors' code, mask by mask.
func TestEachRuleOfEverything(t *testing.T) {
	for _, c := range load(t).Everything {
		logits, small, resize := c.logits(), c.Small[0]*c.Small[1], c.resizer(t)
		large := make([]float32, c.Picture[0]*c.Picture[1])
		good, stable := 0, 0
		for i, iou := range c.IoUs {
			if c.Rules.IoU > 0 && iou <= c.Rules.IoU {
				continue
			}
			resize.Resize(large, logits[i*small:(i+1)*small])
			s := masks.Stability(large, 0, c.Rules.Offset)
			assertStability(t, c.Stability[good], s)
			good++
			if c.Rules.Stability > 0 && !(s >= c.Rules.Stability) {
				continue
			}
			b, want := masks.Above(large, c.Picture[0], c.Picture[1], 0).Box(), c.Boxes[stable]
			if b.Empty() {
				b = image.Rect(0, 0, 1, 1)
			}
			assert.Equal(t, want, [4]int{b.Min.X, b.Min.Y, b.Max.X - 1, b.Max.Y - 1})
			stable++
		}
		assert.Equal(t, c.Good, good)
		assert.Equal(t, len(c.Boxes), stable)
		t.Logf("%d masks, %d good, %d stable, %d in the end", len(c.IoUs), good, stable, len(c.Found))
	}
}

func (e everything) resizer(t *testing.T) *masks.Resizer {
	r, err := masks.NewResizer(size(e.Small), size(e.Padded), size(e.Resized), size(e.Picture))
	require.NoError(t, err)
	return r
}

// points are those of the grid in the picture's pixels, as the authors report them.
func (e everything) points() [][2]float64 {
	points := masks.Grid(e.Side)
	for i := range points {
		points[i][0] *= float64(e.Picture[1])
		points[i][1] *= float64(e.Picture[0])
	}
	return points
}

func assertStability(t *testing.T, want *float32, got float32) {
	if want == nil {
		assert.True(t, math.IsNaN(float64(got)))
		return
	}
	assert.Equal(t, *want, got)
}
