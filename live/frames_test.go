package live

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

// The newest frame is seen, with its facts, and that there is one is told.
func TestFrames(t *testing.T) {
	s := NewFrames("clip.mp4")
	assert.Empty(t, s.View().Shown)
	m := picture.New(3, 2)
	m.Pix[3] = 200
	s.Show(m, "frame 0")
	m.Pix[3] = 100
	s.Show(m, "frame 1", "12 a second")
	<-s.Changed()
	v := s.View()
	require.Len(t, v.Shown, 1)
	assert.Equal(t, []uint8{0, 0, 0, 255, 100, 0, 0, 255}, v.Shown[0].Image.Pix[:8])
	assert.Equal(t, []string{"frame 1", "12 a second"}, v.Facts)
	assert.Equal(t, "clip.mp4", v.Name)
	s.Notice("the end")
	<-s.Changed()
	assert.Equal(t, "the end", s.View().Notice)
}
