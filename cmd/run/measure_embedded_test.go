package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// things is the picture of drawings whose boxes these are.
const things = zooPictures + "/things.png"

var thingsBoxes = map[string][4]float64{"heart": {22, 32, 103, 103}, "star": {144, 18, 230, 99}, "clock": {22, 145, 108, 230}, "house": {142, 135, 238, 230}}

// The embedded detector finds the drawings of the picture, and nothing else in it.
func TestEmbeddedDetector(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.png")
	r := call(t, "-model", "detect", "-image", things, "-threshold", "0.3", "-json", "-o", out)
	requireFine(t, r)
	var doc foundJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 1)
	require.Len(t, doc.Images[0].Objects, len(thingsBoxes))
	for _, o := range doc.Images[0].Objects {
		want, ok := thingsBoxes[o.Label]
		require.True(t, ok, o.Label)
		assert.Greater(t, overlap(o.Box, want), 0.6, o.Label)
	}
	_, size := pixelsOf(t, out)
	assert.Equal(t, [2]int{256, 256}, size)
}

// overlap is the intersection of two boxes over their union.
func overlap(a, b [4]float64) float64 {
	area := func(b [4]float64) float64 { return max(b[2]-b[0], 0) * max(b[3]-b[1], 0) }
	both := area([4]float64{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])})
	return both / (area(a) + area(b) - both)
}

// The embedded network that cuts out leaves the drawings of the picture, and not what lies
// between them.
func TestEmbeddedCutout(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.png")
	requireFine(t, call(t, "-model", "cutout", "-image", things, "-o", out))
	at, size := pixelsOf(t, out)
	require.Equal(t, [2]int{256, 256}, size)
	for _, drawn := range [][2]int{{65, 60}, {187, 60}, {50, 200}, {165, 205}, {190, 160}} {
		assert.Greater(t, at(drawn[0], drawn[1])[3], uint8(200), drawn)
	}
	for _, ground := range [][2]int{{8, 8}, {125, 20}, {125, 190}, {128, 128}, {130, 248}} {
		assert.Less(t, at(ground[0], ground[1])[3], uint8(55), ground)
	}
}
