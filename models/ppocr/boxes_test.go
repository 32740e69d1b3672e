package ppocr

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

// golden is what the reference and OpenCV make; golden/generate_ocr_boxes.py writes it.
//
//go:embed testdata/boxes.json
var golden []byte

type goldenFile struct {
	Boxes []struct {
		Map    []byte
		Size   [2]int
		Image  [2]int
		Boxes  [][4][2]float64
		Scores []float64
	}
	Rectangles []struct {
		Points      [][2]float64
		Area, Short float64
	}
	Crops struct {
		Image []byte
		Size  [2]int
		Cases []struct {
			Quad [4][2]float64
			Size [2]int
			Crop []byte
		}
	}
	Sizes []struct {
		Image [2]int
		Kind  string
		Limit int
		Size  [2]int
		Line  int
	}
}

func readGolden(t *testing.T) (g goldenFile) {
	t.Helper()
	require.NoError(t, json.Unmarshal(golden, &g))
	return g
}

func quadOf(p [4][2]float64) (q Quad) {
	for i := range p {
		q[i] = Point{p[i][0], p[i][1]}
	}
	return q
}

// The boxes of the reference are found, with their corners in order, and no others.
func TestBoxes(t *testing.T) {
	for i, c := range readGolden(t).Boxes {
		probability := make([]float32, len(c.Map))
		for k, v := range c.Map {
			probability[k] = float32(v) / 255
		}
		boxes := Boxes(probability, c.Size[0], c.Size[1], c.Image[0], c.Image[1])
		require.Len(t, boxes, len(c.Boxes), "map %d: %v, want %v", i, boxes, c.Boxes)
		for k, want := range c.Boxes {
			nearest, least := Box{}, math.Inf(1)
			for _, b := range boxes {
				var far float64
				for n, p := range quadOf(want) {
					far = max(far, distance(p, b.Quad[n]))
				}
				if far < least {
					nearest, least = b, far
				}
			}
			assert.LessOrEqual(t, least, 1.5, "map %d: the corners of %v, nearest %v", i, want, nearest.Quad)
			assert.InDelta(t, c.Scores[k], nearest.Score, 0.01, "map %d", i)
		}
	}
}

func TestLeastRectangle(t *testing.T) {
	for _, c := range readGolden(t).Rectangles {
		var points []Point
		for _, p := range c.Points {
			points = append(points, Point{p[0], p[1]})
		}
		q, short := leastRectangle(points)
		assert.InDelta(t, c.Short, short, 1e-3)
		assert.InDelta(t, c.Area, distance(q[0], q[1])*distance(q[0], q[3]), 0.02*c.Area+1e-3)
	}
}

func TestCrop(t *testing.T) {
	g := readGolden(t).Crops
	m := &picture.Image{H: g.Size[0], W: g.Size[1], Pix: g.Image}
	for _, c := range g.Cases {
		got := Crop(m, quadOf(c.Quad))
		require.Equal(t, c.Size, [2]int{got.H, got.W})
		var sum, most float64
		for i, v := range got.Pix {
			d := math.Abs(float64(v) - float64(c.Crop[i]))
			sum, most = sum+d, max(most, d)
		}
		// OpenCV takes places to a 32nd of a pixel.
		assert.LessOrEqual(t, sum/float64(len(got.Pix)), 0.5, c.Quad)
		assert.LessOrEqual(t, most, 8.0, c.Quad)
	}
}

func TestSizes(t *testing.T) {
	for _, c := range readGolden(t).Sizes {
		p := Process{Kind: c.Kind, Limit: c.Limit, Most: 4000, Height: 48, Width: 320, MaxWidth: 3200}
		h, w := p.Size(c.Image[0], c.Image[1])
		assert.Equal(t, c.Size, [2]int{h, w}, fmt.Sprint(c))
		assert.Equal(t, c.Line, p.LineWidth(c.Image[0], c.Image[1]), fmt.Sprint(c))
	}
}

func TestOrder(t *testing.T) {
	at := func(x, y float64) Box {
		return Box{Quad: Quad{{x, y}, {x + 30, y}, {x + 30, y + 10}, {x, y + 10}}}
	}
	boxes := []Box{at(50, 3), at(0, 40), at(0, 0), at(50, 37), at(90, 44)}
	Order(boxes)
	var places [][2]float64
	for _, b := range boxes {
		places = append(places, [2]float64{b.Quad[0].X, b.Quad[0].Y})
	}
	assert.Equal(t, [][2]float64{{0, 0}, {50, 3}, {0, 40}, {50, 37}, {90, 44}}, places)
}

func TestDecode(t *testing.T) {
	letters := []string{"blank", "a", "b"}
	rows := func(best ...int) (p []float32) {
		for i, b := range best {
			row := []float32{0.1, 0.1, 0.1}
			row[b] = 0.5 + float32(i)/20
			p = append(p, row...)
		}
		return p
	}
	text, score := Decode(rows(0, 1, 1, 0, 1, 2, 2), letters)
	assert.Equal(t, "aab", text)
	assert.InDelta(t, (0.55+0.7+0.75)/3, score, 1e-6)
	text, score = Decode(rows(0, 0), letters)
	assert.Empty(t, text)
	assert.Zero(t, score)
}

// Degenerate quadrilaterals and maps come to nothing, not to a panic.
func TestDegenerate(t *testing.T) {
	m := picture.New(5, 4)
	for _, q := range []Quad{{}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}}, {{0, 0}, {4, 0}, {0, 0}, {4, 0}}, {{0, 0}, {3, 3}, {4, 4}, {1, 1}}} {
		got := Crop(m, q)
		assert.NoError(t, got.Check())
	}
	assert.Empty(t, Boxes(make([]float32, 64), 8, 8, 8, 8))
	full := make([]float32, 1024)
	for i := range full {
		full[i] = 1
	}
	assert.Len(t, Boxes(full, 32, 32, 32, 32), 1)
}
