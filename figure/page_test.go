package figure

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

func TestPage(t *testing.T) {
	m := picture.New(80, 60)
	got, err := Page(m, []Marked{{Text: "a line", Corners: [4][2]float64{{10, 10}, {70, 10}, {70, 40}, {10, 40}}}, {Text: "beyond", Corners: [4][2]float64{{-9, 50}, {90, 50}, {90, 70}, {-9, 70}}}}, 40)
	require.NoError(t, err)
	assert.Equal(t, [2]int{80, 30}, [2]int{got.W, got.H})
	at := func(x, y int) [3]uint8 { return [3]uint8(got.Pix[3*(y*got.W+x):]) }
	assert.Equal(t, [3]uint8{200, 30, 30}, at(20, 5), "the outline over the page")
	assert.Equal(t, [3]uint8{200, 30, 30}, at(60, 5), "and beside it")
	assert.Equal(t, [3]uint8{0, 0, 0}, at(2, 2))
	dark := 0
	for x := 46; x < 74; x++ {
		for y := 7; y < 19; y++ {
			if p := at(x, y); p[1] < 100 && p[0] < 150 {
				dark++
			}
		}
	}
	assert.Greater(t, dark, 10, "the text")
	both := Below([]*picture.Image{got, picture.New(10, 5)})
	assert.Equal(t, [2]int{80, 30 + gap + 5}, [2]int{both.W, both.H})
}
