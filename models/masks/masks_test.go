package masks_test

import (
	"encoding/json"
	"image"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/masks"
)

func TestRLEIsJSONAsCOCOHasIt(t *testing.T) {
	m := masks.Above([]float32{1, 0, 1, 0, 1, 1}, 2, 3, 0)
	data, err := json.Marshal(masks.Encode(m))
	require.NoError(t, err)
	assert.JSONEq(t, `{"size":[2,3],"counts":"0122"}`, string(data))
	var back masks.RLE
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, m, back.Mask())
}

func TestParseRLERefuses(t *testing.T) {
	for counts, want := range map[string]string{
		"7":                "run 0 of a mask of 2×3 is 7 pixels long, and 6 are left",
		"32":               "the runs of a mask of 2×3 end 1 pixels before it does",
		"3N":               "run 1 of a mask of 2×3 is -2 pixels long",
		"3 3":              "no run lengths from character 1 on",
		"3P":               "no run lengths from character 1 on",
		"PPPPPPPPPPPPPPPP": "no run lengths from character 0 on",
		"":                 "end 6 pixels before",
	} {
		_, err := masks.ParseRLE(2, 3, counts)
		assert.ErrorContains(t, err, want, counts)
	}
	_, err := masks.ParseRLE(-1, 3, "")
	assert.ErrorContains(t, err, "-1×3")
	_, err = masks.ParseRLE(1<<40, 1<<40, "")
	assert.ErrorContains(t, err, "at most")
}

func FuzzParseRLE(f *testing.F) {
	f.Add(2, 3, "01203")
	f.Add(4, 0, "0")
	f.Fuzz(func(t *testing.T, h, w int, counts string) {
		if h > 100 || w > 100 {
			return
		}
		r, err := masks.ParseRLE(h, w, counts)
		if err != nil {
			return
		}
		assert.Equal(t, r.Area(), r.Mask().Area())
		again, err := masks.ParseRLE(h, w, r.Counts())
		require.NoError(t, err)
		assert.Equal(t, r, again)
	})
}

func TestBoxEndsAreExclusive(t *testing.T) {
	m := masks.Mask{Height: 3, Width: 4, On: make([]bool, 12)}
	assert.True(t, m.Box().Empty())
	m.On[1*4+2], m.On[2*4+1] = true, true
	assert.Equal(t, image.Rect(1, 1, 3, 3), m.Box())
}

func TestEverythingWantsWhatFits(t *testing.T) {
	s := masks.Size{Height: 2, Width: 2}
	r, err := masks.NewResizer(s, s, s, s)
	require.NoError(t, err)
	e := masks.NewEverything(masks.Defaults(), r)
	point := [][2]float64{{0, 0}}
	assert.ErrorContains(t, e.Add(point, make([]float32, 11), make([]float32, 3)), "11 logits and 3 values of IoU")
	assert.Error(t, e.Add(nil, nil, nil))
	require.NoError(t, e.Add(point, make([]float32, 12), make([]float32, 3)))
	assert.Empty(t, e.Masks())

	_, err = masks.NewResizer(s, s, masks.Size{Height: 3, Width: 1}, s)
	assert.ErrorContains(t, err, "does not fit")
	_, err = masks.NewResizer(s, s, s, masks.Size{Height: 0, Width: 1})
	assert.ErrorContains(t, err, "sizes above 0")
}
