package viewer

import (
	"image"
	"math"
)

// ui is what a person did to the window itself. A drawing takes a copy of it.
type ui struct {
	size   image.Point // of what is drawn on, pixels
	scale  float64     // content scale: 1 on usual displays, 2 on fine ones
	hidden bool        // minimised

	zoom   float64    // 1: all of the picture
	center [2]float64 // of the part that is seen, from 0 to 1
	smooth bool
	help   bool
	full   bool

	pointer  image.Point // pixels
	inside   bool        // the pointer is over the window
	dragging bool
	framing  bool        // the drag is a frame in the making, or a click,
	pressed  image.Point // which began here
}

// dragged says that the pointer moved by more than a click's slack.
func (u *ui) dragged() bool {
	d := u.pointer.Sub(u.pressed)
	return math.Hypot(float64(d.X), float64(d.Y)) > slack*u.scale
}

// cell is the cell of a grid at a pixel, or the nearest.
func (u *ui) cell(p placed, pixel, grid image.Point) image.Point {
	at := u.under(p, pixel)
	return image.Pt(min(grid.X-1, max(0, int(at[0]*float64(grid.X)))), min(grid.Y-1, max(0, int(at[1]*float64(grid.Y)))))
}

// Zoom goes in steps of a square root of two, up to 64 times.
const (
	zoomStep = math.Sqrt2
	mostZoom = 64
)

// placed is a picture as it stands in the window, for the pointer.
type placed struct {
	at   image.Rectangle
	size image.Point // of the picture, in its pixels
}

// zoomBy zooms about a place of the picture, given from 0 to 1, which stays
// where it is in the window.
func (u *ui) zoomBy(factor float64, about [2]float64) {
	zoom := min(mostZoom, max(1, u.zoom*factor))
	for i := range u.center {
		u.center[i] = about[i] + (u.center[i]-about[i])*u.zoom/zoom
	}
	u.zoom = zoom
	u.keepInside()
}

// keepInside moves the part that is seen so that it lies within the picture.
func (u *ui) keepInside() {
	half := 0.5 / u.zoom
	for i := range u.center {
		u.center[i] = min(1-half, max(half, u.center[i]))
	}
}

// under is where in a picture, from 0 to 1, a pixel of the window lies.
func (u *ui) under(p placed, pixel image.Point) [2]float64 {
	x := (float64(pixel.X-p.at.Min.X)+0.5)/float64(p.at.Dx()) - 0.5
	y := (float64(pixel.Y-p.at.Min.Y)+0.5)/float64(p.at.Dy()) - 0.5
	return [2]float64{u.center[0] + x/u.zoom, u.center[1] + y/u.zoom}
}

// cellUnder is the cell of a grid under the pointer.
func (u *ui) cellUnder(pictures []placed, grid image.Point) (cell image.Point, ok bool) {
	if grid.X < 1 || grid.Y < 1 || !u.inside {
		return image.Point{}, false
	}
	for _, p := range pictures {
		if u.pointer.In(p.at) {
			at := u.under(p, u.pointer)
			cell = image.Pt(int(at[0]*float64(grid.X)), int(at[1]*float64(grid.Y)))
			return cell, cell.In(image.Rectangle{Max: grid})
		}
	}
	return image.Point{}, false
}

// cellAt is where a cell of a grid lies in the window, clipped to its picture.
func (u *ui) cellAt(p placed, cell, grid image.Point) image.Rectangle {
	edge := func(i, n int, center float64, low, size int) int {
		return low + int(math.Round(((float64(i)/float64(n)-center)*u.zoom+0.5)*float64(size)))
	}
	return image.Rect(
		edge(cell.X, grid.X, u.center[0], p.at.Min.X, p.at.Dx()), edge(cell.Y, grid.Y, u.center[1], p.at.Min.Y, p.at.Dy()),
		edge(cell.X+1, grid.X, u.center[0], p.at.Min.X, p.at.Dx()), edge(cell.Y+1, grid.Y, u.center[1], p.at.Min.Y, p.at.Dy()),
	).Intersect(p.at)
}
