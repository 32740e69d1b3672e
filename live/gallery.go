package live

import (
	"image"
	"image/draw"
	"path/filepath"
	"slices"
	"sync"

	"saccade/picture"
	"saccade/viewer"
)

// Gallery is pictures with what was found in them, which is looked for when one is shown.
// Pictures that are added are shown at once while the last is being looked at.
type Gallery struct {
	look    func(path string) (found *picture.Image, facts []string, err error)
	changed changes

	mu    sync.Mutex // guards what follows
	paths []string
	at    int
	view  viewer.View
}

// NewGallery shows the first of the pictures at paths, one or more; look is called for one at
// a time.
func NewGallery(paths []string, look func(path string) (*picture.Image, []string, error)) *Gallery {
	g := &Gallery{look: look, changed: make(changes, 1), paths: slices.Clone(paths)}
	g.show(0)
	return g
}

// show looks at a picture, or says why it can't be. The caller holds mu or is alone.
func (g *Gallery) show(i int) {
	g.at = i
	g.view = viewer.View{Name: filepath.Base(g.paths[i])}
	if m, facts, err := g.look(g.paths[i]); err != nil {
		g.view.Notice = err.Error()
	} else {
		on := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
		draw.Draw(on, on.Bounds(), m.NRGBA(), image.Point{}, draw.Src)
		g.view.Shown, g.view.Facts = []viewer.Picture{{Image: on}}, facts
	}
	g.changed.tell()
}

// Add brings in the pictures among paths that are new.
func (g *Gallery) Add(paths []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, before := g.at == len(g.paths)-1, len(g.paths)
	for _, path := range paths {
		if !slices.Contains(g.paths, path) {
			g.paths = append(g.paths, path)
		}
	}
	if last && len(g.paths) > before {
		g.show(len(g.paths) - 1)
	}
}

// View implements [viewer.Session].
func (g *Gallery) View() viewer.View {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.view
}

// Actions implements [viewer.Session].
func (g *Gallery) Actions() []viewer.Action { return []viewer.Action{viewer.Back, viewer.Forward} }

// Do implements [viewer.Session].
func (g *Gallery) Do(c viewer.Command) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.paths)
	switch c.Action {
	case viewer.Back:
		g.show((g.at + n - 1) % n)
	case viewer.Forward:
		g.show((g.at + 1) % n)
	}
}

// Point implements [viewer.Session].
func (g *Gallery) Point(image.Point, bool) {}

// Changed implements [viewer.Session].
func (g *Gallery) Changed() <-chan struct{} { return g.changed }
