package viewer

import (
	"image"
	"math"

	"saccade/gpu"
)

// layout says where things stand in a window. What there is no room for is empty.
type layout struct {
	pictures image.Rectangle // all of them
	strip    image.Rectangle
	bar      image.Rectangle // of the progress
	line     image.Rectangle // of text below
	margin   int
}

// Heights of parts and of the windows from which on they are shown, in units of
// the content scale.
const (
	marginUnits     = 8
	stripUnits      = 72
	barUnits        = 3
	lineFromUnits   = 100
	stripFromUnits  = 220
	marginFromUnits = 60
)

// layOut divides a window of a size, at a content scale, whose text and labels
// are so high. It works down to a window of one pixel, and of none.
func layOut(size image.Point, scale float64, textHeight, labelHeight int, strip bool) layout {
	unit := func(n float64) int { return int(math.Round(n * scale)) }
	l := layout{}
	if min(size.X, size.Y) >= unit(marginFromUnits) {
		l.margin = unit(marginUnits)
	}
	left, right, bottom := l.margin, max(l.margin, size.X-l.margin), size.Y
	if size.Y >= unit(lineFromUnits) {
		l.line = image.Rect(left, bottom-l.margin/2-textHeight, right, bottom-l.margin/2)
		l.bar = image.Rect(left, l.line.Min.Y-l.margin/2-unit(barUnits), right, l.line.Min.Y-l.margin/2)
		bottom = l.bar.Min.Y
	}
	if strip && size.Y >= unit(stripFromUnits) {
		l.strip = image.Rect(left, bottom-l.margin-unit(stripUnits)-labelHeight, right, bottom-l.margin)
		bottom = l.strip.Min.Y
	}
	l.pictures = image.Rect(left, l.margin, right, max(l.margin, bottom-l.margin))
	return l
}

// fit is the largest rectangle of a picture's shape in the middle of a place, at
// least a pixel where the place has one.
func fit(picture image.Point, place image.Rectangle) image.Rectangle {
	if place.Empty() || picture.X < 1 || picture.Y < 1 {
		return image.Rectangle{}
	}
	ratio := min(float64(place.Dx())/float64(picture.X), float64(place.Dy())/float64(picture.Y))
	w := min(place.Dx(), max(1, int(float64(picture.X)*ratio+0.5)))
	h := min(place.Dy(), max(1, int(float64(picture.Y)*ratio+0.5)))
	at := place.Min.Add(image.Pt((place.Dx()-w)/2, (place.Dy()-h)/2))
	return image.Rectangle{at, at.Add(image.Pt(w, h))}
}

// tile puts n pictures of a shape side by side in the middle of a place, in as
// many columns as make them largest.
func tile(n int, picture image.Point, place image.Rectangle, gap int) []image.Rectangle {
	var size image.Point // of one picture
	var columns, rows int
	for c := 1; c <= n; c++ {
		r := (n + c - 1) / c
		room := image.Pt(max(0, place.Dx()-gap*(c-1))/c, max(0, place.Dy()-gap*(r-1))/r)
		if s := fit(picture, image.Rectangle{Max: room}).Size(); c == 1 || s.X*s.Y > size.X*size.Y {
			size, columns, rows = s, c, r
		}
	}
	step := size.Add(image.Pt(gap, gap))
	all := image.Pt(columns*step.X-gap, rows*step.Y-gap)
	corner := place.Min.Add(place.Size().Sub(all).Div(2))
	out := make([]image.Rectangle, n)
	for i := range out {
		at := corner.Add(image.Pt(i%columns*step.X, i/columns*step.Y))
		out[i] = image.Rectangle{at, at.Add(size)}
	}
	return out
}

// stripped chooses which of n thumbnails a strip shows that has room for some:
// the first, the last, that which is at, and others at even distances.
func stripped(n, room, at int) []int {
	if room < 1 || n < 1 {
		return nil
	}
	room = min(room, n)
	out := make([]int, room)
	if room == 1 {
		out[0] = min(max(0, at), n-1)
		return out
	}
	nearest := 0
	for i := range out {
		out[i] = i * (n - 1) / (room - 1)
		if max(out[i]-at, at-out[i]) < max(out[nearest]-at, at-out[nearest]) {
			nearest = i
		}
	}
	if at >= 0 && at < n {
		if room > 2 { // the ends stay
			nearest = min(max(nearest, 1), room-2)
			if at == 0 || at == n-1 {
				return out
			}
		}
		out[nearest] = at
	}
	return out
}

// zoomed is the part of a picture that is seen at a zoom, about a centre given
// from 0 to 1 across and down.
func zoomed(picture image.Point, zoom float64, center [2]float64) gpu.Rect {
	w, h := float64(picture.X)/zoom, float64(picture.Y)/zoom
	return gpu.Rect{X: float32(center[0]*float64(picture.X) - w/2), Y: float32(center[1]*float64(picture.Y) - h/2), W: float32(w), H: float32(h)}
}
