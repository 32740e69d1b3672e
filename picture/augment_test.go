package picture

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// numbered is a picture whose red is the column and whose green is the row.
func numbered(w, h int) *Image {
	m := New(w, h)
	for y := range h {
		for x := range w {
			m.Pix[3*(y*w+x)], m.Pix[3*(y*w+x)+1], m.Pix[3*(y*w+x)+2] = uint8(x), uint8(y), 128
		}
	}
	return m
}

func TestAugmentWords(t *testing.T) {
	for words, want := range map[string]Augment{"none": {}, "crop": {Crop: true}, "flip,colour": {Flip: true, Colour: true}, "crop,flip": {Crop: true, Flip: true}} {
		a, err := ParseAugment(words)
		require.NoError(t, err)
		assert.Equal(t, want, a)
		assert.Equal(t, words, a.String())
	}
	_, err := ParseAugment("crop,spin")
	assert.ErrorContains(t, err, `found "spin"`)
}

// A seed gives one picture, the original stays, and a crop is a part of it with sides
// within the bounds.
func TestAugment(t *testing.T) {
	m := numbered(60, 40)
	before := append([]uint8{}, m.Pix...)
	sizes := map[[2]int]bool{}
	for seed := range uint64(200) {
		a := Augment{Crop: true, Flip: seed%2 == 0}
		got := a.Apply(m, rand.New(rand.NewPCG(seed, 1)))
		require.NoError(t, got.Check())
		assert.Equal(t, got, a.Apply(m, rand.New(rand.NewPCG(seed, 1))))
		area, ratio := float64(got.W*got.H)/2400, float64(got.W)/float64(got.H)
		assert.True(t, area > 0.07 && area <= 1 && ratio > 0.7 && ratio < 1.42, "%d×%d", got.W, got.H)
		step := int(got.Pix[3]) - int(got.Pix[0])
		assert.True(t, step == 1 || step == -1 && a.Flip, "columns stand beside each other")
		assert.Equal(t, got.Pix[1]+uint8(got.H-1), got.Pix[3*got.W*(got.H-1)+1], "so do rows")
		sizes[[2]int{got.W, got.H}] = true
	}
	assert.Greater(t, len(sizes), 100)
	assert.Equal(t, before, m.Pix)
	assert.Equal(t, m, Augment{}.Apply(m, rand.New(rand.NewPCG(1, 1))))
}

func TestColour(t *testing.T) {
	m := numbered(30, 20)
	changed := 0
	for seed := range uint64(50) {
		got := Augment{Colour: true}.Apply(m, rand.New(rand.NewPCG(seed, 1)))
		for i, v := range got.Pix {
			assert.InDelta(t, m.Pix[i], v, 100)
			if v != m.Pix[i] {
				changed++
			}
		}
	}
	assert.Greater(t, changed, 50*1000)
	long := numbered(100, 3) // no crop has such sides: the middle is taken
	got := Augment{Crop: true}.Apply(long, rand.New(rand.NewPCG(1, 1)))
	assert.LessOrEqual(t, float64(got.W)/float64(got.H), 1.5)
}
