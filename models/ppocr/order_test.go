package ppocr

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// at is a box whose score is its number in the order of reading.
func at(n, left, top, width, height int) Box {
	x, y, w, h := float64(left), float64(top), float64(width), float64(height)
	return Box{Quad: Quad{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, Score: float64(n)}
}

func inOrder(t *testing.T, boxes []Box) {
	t.Helper()
	Order(boxes)
	var got []float64
	for _, b := range boxes {
		got = append(got, b.Score)
	}
	assert.IsIncreasing(t, got)
}

// Two columns between a heading and a number of the page, one of them with a line that
// stands lower than its neighbour; the right one has a heading within.
func TestColumnsAreReadOneAfterAnother(t *testing.T) {
	boxes := []Box{at(1, 100, 0, 400, 20)}
	for i := range 5 {
		boxes = append(boxes, at(9+i, 320, 44+20*i, 250, 12), at(2+i, 20, 40+20*i, 270, 12))
	}
	boxes = append(boxes, at(14, 290, 200, 60, 12), at(8, 320, 34, 90, 8))
	inOrder(t, boxes)
}

func TestThreeColumns(t *testing.T) {
	var boxes []Box
	for i := range 4 {
		for c := range 3 {
			boxes = append(boxes, at(1+4*c+i, 200*c, 20*i+c, 180, 12))
		}
	}
	inOrder(t, boxes)
}

// Columns above and below a heading across both.
func TestAHeadingDividesColumns(t *testing.T) {
	var boxes []Box
	for i := range 3 {
		boxes = append(boxes, at(1+i, 0, 20*i, 150, 10), at(4+i, 170, 20*i, 150, 10), at(8+i, 0, 100+20*i, 150, 10), at(11+i, 170, 100+20*i, 150, 10))
	}
	inOrder(t, append(boxes, at(7, 40, 75, 240, 16)))
}

// A table is read along its rows, also beside long lines.
func TestTablesAreReadAlongRows(t *testing.T) {
	var boxes []Box
	for i := range 5 {
		boxes = append(boxes, at(2+2*i, 300, 20*i+2, 60, 12), at(1+2*i, 0, 20*i, 250, 12))
	}
	inOrder(t, boxes)
}

func TestFewLinesAreNoColumns(t *testing.T) {
	inOrder(t, []Box{at(2, 300, 1, 200, 12), at(1, 0, 0, 200, 12), at(3, 0, 20, 200, 12), at(4, 300, 20, 200, 12)})
	inOrder(t, nil)
}
