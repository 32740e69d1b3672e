package models

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is near is white: large values of relative depths, small ones of metres.
func TestNear(t *testing.T) {
	d := Depth{W: 3, H: 1, Values: []float32{1, 2, 4}, Min: 1, Max: 4}
	assert.Equal(t, []uint8{0, 0, 0, 85, 85, 85, 255, 255, 255}, d.Near().Pix)
	d.Metric = true
	assert.Equal(t, []uint8{255, 255, 255, 85, 85, 85, 0, 0, 0}, d.Near().Pix)
}
