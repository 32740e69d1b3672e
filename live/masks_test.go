package live

import (
	"context"
	"errors"
	"image"
	"image/color"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
)

// goldenSAM is a tiny SAM of random weights.
func goldenSAM(t *testing.T) *models.Model {
	t.Helper()
	c, err := golden.Find("sam_points")
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, folder))
	require.NoError(t, os.Remove(dir+"/golden.safetensors"))
	m, err := models.Load(context.Background(), gputest.Open(t, gpu.Options{}), "sam", dir, models.Options{})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// The mask follows the pointer, then marks; it is taken back, exchanged for the next, and
// saved at the picture's own size.
func TestMasksFollow(t *testing.T) {
	m := goldenSAM(t)
	large := noise(2*mostSide, mostSide)
	var saved models.Mask
	s, err := NewMasks(context.Background(), m, []string{"of/a.png", "gone.png"}, MaskOptions{
		Open: func(path string) (*picture.Image, error) {
			if path == "of/a.png" {
				return large, nil
			}
			return nil, errors.New("gone.png is gone")
		},
		Save: func(path string, img *picture.Image, mask models.Mask) (string, error) {
			assert.Equal(t, large, img)
			saved = mask
			return "a_cutout_1.png", nil
		},
	})
	require.NoError(t, err)
	defer s.Close()
	view := s.View()
	require.Equal(t, image.Pt(mostSide, mostSide/2), view.Grid, "shown smaller")
	assert.True(t, has(view.Facts, "click what to mask"))
	s.Do(viewer.Command{Action: viewer.Save})
	assert.Contains(t, s.View().Notice, "no mask to save")

	shows := func(what string, marks ...mark) []models.Mask {
		t.Helper()
		want, err := s.encoded.Masks(t.Context(), prompt(marks))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.found) == 3 && len(s.asked) == len(marks) && assert.ObjectsAreEqual(want, s.found)
		}, 10*time.Second, time.Millisecond, what)
		return want
	}
	at := func(x, y float64, outside bool) mark {
		return mark{MaskPoint: models.MaskPoint{X: x + 0.5, Y: y + 0.5, Outside: outside}}
	}
	s.Point(image.Pt(30, 40), true)
	shows("under the pointer", at(30, 40, false))
	click := func(a viewer.Action, x, y int) {
		s.Do(viewer.Command{Action: a, Area: image.Rect(x, y, x+1, y+1)})
	}
	click(viewer.Mark, 300, 100)
	s.Point(image.Pt(500, 400), true) // marks are stronger
	shows("of a click", at(300, 100, false))
	click(viewer.MarkOutside, 310, 200)
	found := shows("of two clicks", at(300, 100, false), at(310, 200, true))
	assert.True(t, has(s.View().Facts, "mask 1 of 3"))
	s.Do(viewer.Command{Action: viewer.NextMask})
	assert.True(t, has(s.View().Facts, "mask 2 of 3"))
	inside := color.RGBA{}
	for i, on := range found[1].Mask().On {
		if x, y := i%mostSide, i/mostSide; on && x > 0 && y > 0 {
			inside = s.View().Shown[0].Image.RGBAAt(x, y)
			break
		}
	}
	assert.NotZero(t, inside)

	s.Do(viewer.Command{Action: viewer.Save})
	assert.Equal(t, "saved a_cutout_1.png", s.View().Notice)
	assert.Equal(t, [2]int{2 * mostSide, mostSide}, [2]int{saved.Width, saved.Height})
	assert.InDelta(t, 4*found[1].Area(), saved.Area(), 0.02*float64(saved.Area())+50, "the same at twice the size")

	s.Do(viewer.Command{Action: viewer.TakeBack})
	shows("taken back", at(300, 100, false))
	s.Do(viewer.Command{Action: viewer.Frame, Area: image.Rect(10, 20, 400, 300)})
	shows("of both", at(300, 100, false), mark{box: &[4]float64{10, 20, 400, 300}})
	s.Do(viewer.Command{Action: viewer.TakeBack})
	s.Do(viewer.Command{Action: viewer.TakeBack})
	shows("the pointer again", at(500, 400, false))
	s.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "gone.png is gone", s.View().Notice)
}
