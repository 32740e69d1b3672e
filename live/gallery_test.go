package live

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"saccade/picture"
	"saccade/viewer"
)

// Pictures are looked at when they are shown, a bad one says why, and a new one is shown while
// the last is.
func TestGallery(t *testing.T) {
	var looked []string
	g := NewGallery([]string{"x/a.png", "x/bad.png"}, func(path string) (*picture.Image, []string, error) {
		looked = append(looked, path)
		if path == "x/bad.png" {
			return nil, nil, errors.New("it is broken")
		}
		return picture.New(3, 2), []string{"score 1"}, nil
	})
	v := g.View()
	assert.Equal(t, "a.png", v.Name)
	assert.Equal(t, []string{"score 1"}, v.Facts)
	<-g.Changed()
	g.Add([]string{"x/a.png", "x/b.png"})
	assert.Equal(t, "a.png", g.View().Name, "the last was not being looked at")
	g.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "it is broken", g.View().Notice)
	assert.Empty(t, g.View().Shown)
	g.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "b.png", g.View().Name)
	g.Add([]string{"x/c.png"})
	assert.Equal(t, "c.png", g.View().Name)
	g.Add([]string{"x/c.png"})
	g.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "a.png", g.View().Name)
	g.Do(viewer.Command{Action: viewer.Back})
	assert.Equal(t, []string{"x/a.png", "x/bad.png", "x/b.png", "x/c.png", "x/a.png", "x/c.png"}, looked)
}
