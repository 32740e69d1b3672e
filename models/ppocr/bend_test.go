package ppocr

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

// sagging is a map of a band five pixels high, and an image of three times its size with a
// dark line along the band.
func sagging(h, w int, middle func(x float64) float64) ([]float32, *picture.Image) {
	p, m := make([]float32, h*w), picture.New(3*w, 3*h)
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	for x := 10; x < w-10; x++ {
		for y := range h {
			if math.Abs(float64(y)-middle(float64(x))) <= 2.5 {
				p[y*w+x] = 0.9
			}
		}
	}
	for x := range m.W {
		at := int(math.Round(3 * middle(float64(x)/3)))
		for y := at - 2; y <= at+2; y++ {
			if y >= 0 && y < m.H {
				copy(m.Pix[3*(y*m.W+x):], []uint8{0, 0, 0})
			}
		}
	}
	return p, m
}

// A line that bends is found, as a straight one is, and cut out straight.
func TestALineThatBends(t *testing.T) {
	const h, w = 60, 200
	for _, deep := range []float64{0, 16} {
		p, m := sagging(h, w, func(x float64) float64 { return 22 + deep*math.Pow((x-w/2)/(w/2), 2) })
		boxes := Boxes(p, h, w, m.H, m.W)
		require.Len(t, boxes, 1)
		assert.InDelta(t, 0.9, boxes[0].Score, 0.3)
		require.Equal(t, deep > 0, boxes[0].Bend != nil)
		line := boxes[0].Cut(m)
		assert.GreaterOrEqual(t, line.H, 28)
		assert.Greater(t, line.W, 3*(w-20))
		for x := 40; x < line.W-40; x++ {
			dark := 0
			for y := line.H/2 - 3; y <= line.H/2+3; y++ {
				if line.Pix[3*(y*line.W+x)] < 128 {
					dark++
				}
			}
			require.GreaterOrEqual(t, dark, 3, "column %d", x)
		}
		for _, c := range boxes[0].Quad { // holds it all
			assert.Less(t, math.Abs(c.Y-float64(m.H)/2), float64(m.H)/2)
		}
	}
}

// What bends too much, is short, or is dim, is no line.
func TestWhatIsNoLineThatBends(t *testing.T) {
	const h, w = 60, 200
	p, _ := sagging(h, w, func(x float64) float64 { return 30 + 12*math.Sin(x/5) })
	assert.Empty(t, Boxes(p, h, w, h, w))
	p, _ = sagging(h, 50, func(x float64) float64 { return 22 + 16*math.Pow((x-25)/25, 2) })
	assert.Empty(t, Boxes(p, h, 50, h, 50))
	p, _ = sagging(h, w, func(x float64) float64 { return 22 + 16*math.Pow((x-w/2)/(w/2), 2) })
	for i := range p {
		p[i] /= 2
	}
	assert.Empty(t, Boxes(p, h, w, h, w))
}
