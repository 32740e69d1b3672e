package live

import (
	"context"
	"errors"
	"image"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
	"saccade/zoo"
)

// noise is an image in which every pixel differs.
func noise(w, h int) *picture.Image {
	img := picture.New(w, h)
	for i := range img.Pix {
		img.Pix[i] = uint8(i * i)
	}
	return img
}

// What a network attends to from the patch under the pointer.
func TestAttention(t *testing.T) {
	m, err := models.Load(context.Background(), gputest.Open(t, gpu.Options{}), "vit", "", models.Options{Precision: gpu.F16, Embedded: zoo.ViT(), Outputs: []string{models.LastAttention}})
	require.NoError(t, err)
	defer m.Close()
	small := picture.New(5, 5)
	images := map[string]*picture.Image{"of/a.png": noise(32, 32), "of/b.png": noise(40, 32), "bad.png": {Pix: small.Pix}}
	s, err := NewAttention(context.Background(), m, []string{"of/a.png", "of/b.png", "bad.png", "gone.png"}, func(path string) (*picture.Image, error) {
		if img := images[path]; img != nil {
			return img, nil
		}
		return nil, errors.New("gone.png is gone")
	})
	require.NoError(t, err)
	class := s.View()
	require.Equal(t, image.Pt(8, 8), class.Grid)
	assert.True(t, has(class.Facts, "class token"))
	s.Point(image.Pt(2, 5), true)
	patch := s.View()
	assert.True(t, has(patch.Facts, "row 6, column 3"))
	assert.NotEqual(t, class.Shown[0].Heat.Values, patch.Shown[0].Heat.Values)
	maps, err := m.PatchHeads(s.seen.Outputs, s.seen.H, s.seen.W, 5, 2)
	require.NoError(t, err)
	var mean float32
	for _, h := range maps {
		mean += h.Values[9] / float32(len(maps))
	}
	assert.InDelta(t, mean, patch.Shown[0].Heat.Values[9], 1e-6)
	s.Do(viewer.Command{Action: viewer.NextHeat})
	assert.Equal(t, maps[0].Values, s.View().Shown[0].Heat.Values)
	s.Do(viewer.Command{Action: viewer.ToggleHeat})
	assert.Nil(t, s.View().Shown[0].Heat)
	s.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "b.png", s.View().Name)
	_, err = m.PatchHeads(s.seen.Outputs, s.seen.H, s.seen.W, 8, 0)
	assert.ErrorContains(t, err, "no patch at row 8")

	s.Do(viewer.Command{Action: viewer.Forward})
	assert.Contains(t, s.View().Notice, "picture bad.png: ")
	assert.Equal(t, "b.png", s.View().Name)
	s.Do(viewer.Command{Action: viewer.Back})
	s.Do(viewer.Command{Action: viewer.Back})
	assert.Equal(t, "gone.png is gone", s.View().Notice)
}
