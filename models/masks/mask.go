package masks

import "image"

// Mask says of each pixel, row by row, whether it belongs.
type Mask struct {
	Height, Width int
	On            []bool // Height·Width
}

// Above is the mask of the logits [height, width] that are above a threshold.
func Above(logits []float32, height, width int, threshold float32) Mask {
	m := Mask{height, width, make([]bool, height*width)}
	for i, v := range logits[:height*width] {
		m.On[i] = v > threshold
	}
	return m
}

// Area is the number of pixels that belong.
func (m Mask) Area() int {
	n := 0
	for _, on := range m.On {
		if on {
			n++
		}
	}
	return n
}

// Box is the smallest rectangle that holds all pixels that belong, its ends exclusive; empty
// if there are none.
func (m Mask) Box() image.Rectangle {
	var box image.Rectangle
	for y := range m.Height {
		row := m.On[y*m.Width : (y+1)*m.Width]
		first, last := -1, -1
		for x, on := range row {
			if on {
				if first < 0 {
					first = x
				}
				last = x
			}
		}
		if first >= 0 {
			box = box.Union(image.Rect(first, y, last+1, y+1))
		}
	}
	return box
}

// Stability is the IoU of the masks above threshold+offset and above threshold-offset: how
// little a mask depends on the threshold. It is NaN where both are empty.
func Stability(logits []float32, threshold, offset float32) float32 {
	high, low := 0, 0
	for _, v := range logits {
		if v > threshold+offset {
			high++
		}
		if v > threshold-offset {
			low++
		}
	}
	return float32(high) / float32(low)
}
