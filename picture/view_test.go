package picture

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A view, made as small as the network's input, shows the same part of the
// picture: checked with pictures whose red grows along x and green along y.
func TestView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(40, 200).Draw(t, "w"), rapid.IntRange(40, 200).Draw(t, "h")
		m := New(w, h)
		for y := range h {
			for x := range w {
				copy(m.Pix[3*(y*w+x):], []uint8{uint8(250 * x / w), uint8(250 * y / h), 7})
			}
		}
		p := ImageNet(rapid.IntRange(20, 60).Draw(t, "resize"), rapid.IntRange(10, 70).Draw(t, "crop"), Bilinear)
		if rapid.Bool().Draw(t, "squash") {
			p = Squash(rapid.IntRange(8, 40).Draw(t, "sh"), rapid.IntRange(8, 40).Draw(t, "sw"), Bicubic)
		}
		least := rapid.IntRange(1, 300).Draw(t, "least")
		view, err := p.View(m, least)
		require.NoError(t, err)
		kept, err := p.frame(m)
		require.NoError(t, err)
		k := view.W / kept.W
		assert.Equal(t, []int{k * kept.W, k * kept.H}, []int{view.W, view.H})
		assert.GreaterOrEqual(t, max(view.W, view.H), least)
		small, err := view.Resize(kept.W, kept.H, Box)
		require.NoError(t, err)
		for y := 1; y < kept.H-1; y++ {
			for x := 1; x < kept.W-1; x++ {
				at := 3 * (y*kept.W + x)
				if padded(kept, x, y) {
					continue
				}
				// A pixel of the network's input is some steps of the gradient wide:
				// within one the view must lie.
				step := 250.0/float64(min(kept.W, kept.H)) + 2
				assert.InDelta(t, kept.Pix[at], small.Pix[at], step)
				assert.InDelta(t, kept.Pix[at+1], small.Pix[at+1], step)
			}
		}
	})
}

// padded says that a pixel or one of its neighbours is filled.
func padded(m *Image, x, y int) bool {
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			if m.Pix[3*((y+dy)*m.W+x+dx)+2] != 7 {
				return true
			}
		}
	}
	return false
}
