package picture

// Canny is the edges of a picture, white on black (Canny 1986), bit for bit as OpenCV's Canny with
// an aperture of 3 and the L1 norm finds them: where the gradient of a channel exceeds high, and
// what is connected to that and exceeds low. It does not blur before.
func Canny(m *Image, low, high int) *Image {
	e := gradients(m)
	marks := make([]uint8, m.W*m.H)
	var strong []int
	for y := range m.H {
		for x := range m.W {
			i := y*m.W + x
			if int(e.size[i]) <= low || !e.ridge(x, y) {
				continue
			}
			marks[i] = weakEdge
			if int(e.size[i]) > high {
				marks[i] = strongEdge
				strong = append(strong, i)
			}
		}
	}
	for len(strong) > 0 { // what is connected
		i := strong[len(strong)-1]
		strong = strong[:len(strong)-1]
		x, y := i%m.W, i/m.W
		for v := max(y-1, 0); v <= min(y+1, m.H-1); v++ {
			for u := max(x-1, 0); u <= min(x+1, m.W-1); u++ {
				if at := v*m.W + u; marks[at] == weakEdge {
					marks[at] = strongEdge
					strong = append(strong, at)
				}
			}
		}
	}
	out := New(m.W, m.H)
	for i, mark := range marks {
		if mark == strongEdge {
			out.Pix[3*i], out.Pix[3*i+1], out.Pix[3*i+2] = 255, 255, 255
		}
	}
	return out
}

// The marks of pixels that may be edges and of those that are.
const (
	weakEdge = iota + 1
	strongEdge
)

// slopes are the gradients of a picture, in each pixel that of the channel where it is steepest.
type slopes struct {
	w, h   int
	dx, dy []int32
	size   []int32 // |dx| + |dy|
}

// gradients are Sobel's, with the picture's edge repeated beyond it.
func gradients(m *Image) slopes {
	e := slopes{m.W, m.H, make([]int32, m.W*m.H), make([]int32, m.W*m.H), make([]int32, m.W*m.H)}
	for y := range m.H {
		rows := [3][]uint8{m.row(max(y-1, 0)), m.row(y), m.row(min(y+1, m.H-1))}
		for x := range m.W {
			left, right := 3*max(x-1, 0), 3*min(x+1, m.W-1)
			i := y*m.W + x
			for c := range 3 {
				at := func(row, column int) int32 { return int32(rows[row][column+c]) }
				dx := at(0, right) - at(0, left) + 2*(at(1, right)-at(1, left)) + at(2, right) - at(2, left)
				dy := at(2, left) - at(0, left) + 2*(at(2, 3*x)-at(0, 3*x)) + at(2, right) - at(0, right)
				if size := max(dx, -dx) + max(dy, -dy); c == 0 || size > e.size[i] {
					e.dx[i], e.dy[i], e.size[i] = dx, dy, size
				}
			}
		}
	}
	return e
}

// at is the size of the gradient in a pixel, zero outside.
func (e *slopes) at(x, y int) int32 {
	if x < 0 || y < 0 || x >= e.w || y >= e.h {
		return 0
	}
	return e.size[y*e.w+x]
}

// ridge says that the gradient is the largest along its direction, of four.
func (e *slopes) ridge(x, y int) bool {
	const shift, tangent = 15, 13573 // of 22.5° as a fraction of 1<<shift
	i := y*e.w + x
	dx, dy, size := int64(max(e.dx[i], -e.dx[i])), int64(max(e.dy[i], -e.dy[i]))<<shift, e.size[i]
	flat := dx * tangent
	switch {
	case dy < flat:
		return size > e.at(x-1, y) && size >= e.at(x+1, y)
	case dy > flat+dx<<(shift+1):
		return size > e.at(x, y-1) && size >= e.at(x, y+1)
	}
	s := 1
	if e.dx[i]^e.dy[i] < 0 {
		s = -1
	}
	return size > e.at(x-s, y-1) && size > e.at(x+s, y+1)
}
