package ppocr

import (
	"math"
	"slices"

	"saccade/picture"
)

// Point is a place in an image, pixels.
type Point struct{ X, Y float64 }

// Quad is a line's corners: top left, top right, bottom right, bottom left as it is read.
type Quad [4]Point

// Box is where a detector found a line.
type Box struct {
	Quad  Quad
	Score float64 // mean probability within
	Bend  *Bend   // or nil: of a line that Quad holds but does not follow
}

// Cut cuts a line out of an image, straightened.
func (b Box) Cut(m *picture.Image) *picture.Image {
	if b.Bend != nil {
		return b.Bend.cut(m)
	}
	return Crop(m, b.Quad)
}

// The rules of the reference's processor.
const (
	textAbove = 0.3  // the probability of a pixel of text
	boxAbove  = 0.6  // the mean probability of a box
	leastSide = 3    // pixels of the map; behind growing two more
	growth    = 1.5  // a box grows by area·growth/perimeter
	mostBoxes = 1000 // contours that are looked at
)

// Boxes are the lines in a map of h×w probabilities, in pixels of an image of height × width:
// the least rectangles around what is text, grown. Long lines that bend out of such a
// rectangle, which the reference leaves out, are among them.
func Boxes(probability []float32, h, w, height, width int) []Box {
	var boxes []Box
	for i, contour := range contours(probability, h, w) {
		if i == mostBoxes {
			break
		}
		quad, short := leastRectangle(contour)
		if short < leastSide {
			continue
		}
		score := meanWithin(probability, h, w, quad)
		if score < boxAbove {
			if b, ok := bent(probability, w, contour); ok {
				b.Bend.scale(float64(width)/float64(w), float64(height)/float64(h))
				b.Quad = within(b.Bend.around(), width, height)
				boxes = append(boxes, b)
			}
			continue
		}
		quad, short = leastRectangle(grow(quad))
		if short < leastSide+2 {
			continue
		}
		for k := range quad {
			quad[k].X = quad[k].X * float64(width) / float64(w)
			quad[k].Y = quad[k].Y * float64(height) / float64(h)
		}
		boxes = append(boxes, Box{Quad: within(quad, width, height), Score: score})
	}
	return boxes
}

// within rounds corners to whole pixels of an image.
func within(q Quad, width, height int) Quad {
	for k := range q {
		q[k].X = min(max(math.RoundToEven(q[k].X), 0), float64(width))
		q[k].Y = min(max(math.RoundToEven(q[k].Y), 0), float64(height))
	}
	return q
}

// contours are the pixels of text at the edges of each thing in a map and of each hole
// in one, as OpenCV's findContours follows them: things hang together over corners, holes
// over sides.
func contours(probability []float32, h, w int) (all [][]Point) {
	// One pixel of no text around the map makes its outside one region.
	stride := w + 2
	text, seen := make([]bool, stride*(h+2)), make([]bool, stride*(h+2))
	for y := range h {
		for x := range w {
			text[(y+1)*stride+x+1] = probability[y*w+x] > textAbove
		}
	}
	sides := []int{-1, 1, -stride, stride}
	around := append(slices.Clone(sides), -stride-1, -stride+1, stride-1, stride+1)
	inside := func(at int) bool { return at >= 0 && at < len(text) }
	fill := func(start int, steps []int, see func(at int)) {
		stack := []int{start}
		seen[start] = true
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			see(at)
			for _, step := range steps {
				next := at + step
				if !inside(next) || seen[next] || text[next] != text[start] || step%stride != 0 && abs(at%stride-next%stride) > 1 {
					continue
				}
				seen[next] = true
				stack = append(stack, next)
			}
		}
	}
	fill(0, sides, func(int) {}) // the outside
	edge := func(at int, of bool) bool {
		return slices.ContainsFunc(sides, func(step int) bool { return text[at+step] != of })
	}
	for start := range text {
		if seen[start] {
			continue
		}
		var contour []Point
		point := func(at int) { contour = append(contour, Point{float64(at%stride - 1), float64(at/stride - 1)}) }
		if text[start] {
			fill(start, around, func(at int) {
				if edge(at, true) {
					point(at)
				}
			})
		} else {
			fill(start, sides, func(at int) {
				for _, step := range sides {
					if text[at+step] {
						point(at + step)
					}
				}
			})
		}
		all = append(all, contour)
	}
	return all
}

func abs(n int) int { return max(n, -n) }

// hull is the convex hull of points, anticlockwise where y goes up (Andrew 1979).
func hull(points []Point) []Point {
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(a, b Point) int {
		if a.X != b.X {
			return sign(a.X - b.X)
		}
		return sign(a.Y - b.Y)
	})
	sorted = slices.Compact(sorted)
	if len(sorted) < 3 {
		return sorted
	}
	half := func(points []Point) (chain []Point) {
		for _, p := range points {
			for len(chain) >= 2 && cross(chain[len(chain)-2], chain[len(chain)-1], p) <= 0 {
				chain = chain[:len(chain)-1]
			}
			chain = append(chain, p)
		}
		return chain[:len(chain)-1]
	}
	lower := half(sorted)
	slices.Reverse(sorted)
	return append(lower, half(sorted)...)
}

func sign(v float64) int {
	if v < 0 {
		return -1
	}
	if v > 0 {
		return 1
	}
	return 0
}

func cross(o, a, b Point) float64 { return (a.X-o.X)*(b.Y-o.Y) - (a.Y-o.Y)*(b.X-o.X) }

// leastRectangle is the rectangle of the least area around points, which has a side along
// one of their hull's (Freeman and Shapira 1975), and its shorter side.
func leastRectangle(points []Point) (q Quad, short float64) {
	corners := hull(points)
	if len(corners) == 1 {
		return Quad{corners[0], corners[0], corners[0], corners[0]}, 0
	}
	least := math.Inf(1)
	for i, a := range corners {
		b := corners[(i+1)%len(corners)]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		u := Point{(b.X - a.X) / length, (b.Y - a.Y) / length}
		lo, hi := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
		for _, p := range corners {
			s, t := p.X*u.X+p.Y*u.Y, p.Y*u.X-p.X*u.Y
			lo, hi = Point{min(lo.X, s), min(lo.Y, t)}, Point{max(hi.X, s), max(hi.Y, t)}
		}
		if area := (hi.X - lo.X) * (hi.Y - lo.Y); area < least {
			least, short = area, min(hi.X-lo.X, hi.Y-lo.Y)
			at := func(s, t float64) Point { return Point{s*u.X - t*u.Y, s*u.Y + t*u.X} }
			q = Quad{at(lo.X, lo.Y), at(hi.X, lo.Y), at(hi.X, hi.Y), at(lo.X, hi.Y)}
		}
	}
	return upright(q), short
}

// upright begins with the top left corner and goes on clockwise: of the two corners at the
// left the upper one, then the upper one of those at the right.
func upright(q Quad) Quad {
	p := q[:]
	slices.SortStableFunc(p, func(a, b Point) int { return sign(a.X - b.X) })
	left, right := [2]Point{p[0], p[1]}, [2]Point{p[2], p[3]}
	if left[1].Y <= left[0].Y {
		left[0], left[1] = left[1], left[0]
	}
	if right[1].Y <= right[0].Y {
		right[0], right[1] = right[1], right[0]
	}
	return Quad{left[0], right[0], right[1], left[1]}
}

// grow moves the sides of a rectangle outwards.
func grow(q Quad) []Point {
	w, h := distance(q[0], q[1]), distance(q[0], q[3])
	by := w * h * growth / (2 * (w + h))
	ux, uy := (q[1].X-q[0].X)/w*by, (q[1].Y-q[0].Y)/w*by
	vx, vy := (q[3].X-q[0].X)/h*by, (q[3].Y-q[0].Y)/h*by
	return []Point{
		{q[0].X - ux - vx, q[0].Y - uy - vy}, {q[1].X + ux - vx, q[1].Y + uy - vy},
		{q[2].X + ux + vx, q[2].Y + uy + vy}, {q[3].X - ux + vx, q[3].Y - uy + vy},
	}
}

func distance(a, b Point) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

// meanWithin is the mean of a map of h×w values over the pixels of a quadrilateral whose
// corners are brought to whole pixels, its sides among them.
func meanWithin(values []float32, h, w int, q Quad) float64 {
	left, top := math.Inf(1), math.Inf(1)
	for _, p := range q {
		left, top = min(left, p.X), min(top, p.Y)
	}
	x0, y0 := min(max(math.Floor(left), 0), float64(w-1)), min(max(math.Floor(top), 0), float64(h-1))
	for k := range q {
		// A rounding of rectangles is not to cost a pixel.
		const rounding = 1e-4
		q[k] = Point{math.Trunc(q[k].X-x0+rounding) + x0, math.Trunc(q[k].Y-y0+rounding) + y0}
	}
	spans := map[int][2]int{} // of columns, by row
	for k, a := range q {
		b := q[(k+1)%4]
		steps := max(math.Abs(b.X-a.X), math.Abs(b.Y-a.Y), 1)
		for i := 0.0; i <= steps; i++ {
			x, y := int(math.Round(a.X+(b.X-a.X)*i/steps)), int(math.Round(a.Y+(b.Y-a.Y)*i/steps))
			span, ok := spans[y]
			if !ok {
				span = [2]int{x, x}
			}
			spans[y] = [2]int{min(span[0], x), max(span[1], x)}
		}
	}
	var sum float64
	n := 0
	for y := range h {
		span, ok := spans[y]
		for x := max(0, span[0]); ok && x <= min(w-1, span[1]); x++ {
			sum += float64(values[y*w+x])
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
