package ppocr

import (
	"math"
	"slices"
)

// What is taken for columns: at least so many lines on both sides of a gap, half of which
// are so many times longer than high. Cells of tables are shorter, and are read along rows.
const (
	leastLines  = 3
	leastLength = 8
	leastGap    = 0.5 // heights of a line
)

// Order sorts boxes as they are read: columns from the left, in each row by row, each row
// from the left. What stands across columns, as a heading does, divides them. Boxes whose
// middles are within half of the lesser's height are in one row.
func Order(boxes []Box) {
	places := make([]place, len(boxes))
	for i, b := range boxes {
		places[i] = newPlace(b)
	}
	for i, p := range inColumns(places) {
		boxes[i] = p.box
	}
}

// place is a box and how it stands.
type place struct {
	box            Box
	left, right    float64
	middle, height float64
	length         float64
}

func newPlace(b Box) place {
	q := b.Quad
	p := place{box: b, left: math.Inf(1), right: math.Inf(-1)}
	for _, c := range q {
		p.left, p.right = min(p.left, c.X), max(p.right, c.X)
		p.middle += c.Y / 4
	}
	p.height = max(1, (distance(q[0], q[3])+distance(q[1], q[2]))/2)
	p.length = (distance(q[0], q[1]) + distance(q[3], q[2])) / 2
	return p
}

// inColumns are the places in order: those of a band between two that stand across a gap,
// left of the gap and then right of it.
func inColumns(all []place) []place {
	byRow(all)
	gap, ok := widestGap(all)
	if !ok {
		return all
	}
	var sorted, band []place
	flush := func() {
		left, right := sides(band, gap)
		if columns(left, right) {
			sorted = append(append(sorted, inColumns(left)...), inColumns(right)...)
		} else {
			sorted = append(sorted, band...)
		}
		band = nil
	}
	for _, p := range all {
		if p.left < gap && p.right > gap {
			flush()
			sorted = append(sorted, p)
			continue
		}
		band = append(band, p)
	}
	flush()
	return sorted
}

// widestGap is where a line from the top to the bottom parts most lines of columns.
func widestGap(all []place) (gap float64, ok bool) {
	best := 0
	for _, p := range all {
		x := p.left - leastGap/2*p.height
		parted := 0
		var band []place
		count := func() {
			if left, right := sides(band, x); columns(left, right) {
				parted += min(len(left), len(right))
			}
			band = band[:0]
		}
		for _, q := range all {
			if q.left < x && q.right > x {
				count()
				continue
			}
			band = append(band, q)
		}
		if count(); parted > best {
			best, gap, ok = parted, x, true
		}
	}
	return gap, ok
}

// sides are what stands left and right of a line.
func sides(band []place, x float64) (left, right []place) {
	for _, p := range band {
		if p.right <= x {
			left = append(left, p)
		} else {
			right = append(right, p)
		}
	}
	return left, right
}

// columns says that what stands side by side are columns of text.
func columns(left, right []place) bool {
	if len(left) < leastLines || len(right) < leastLines {
		return false
	}
	end, begin := math.Inf(-1), math.Inf(1)
	for _, side := range [][]place{left, right} {
		long := 0
		for _, p := range side {
			if p.length >= leastLength*p.height {
				long++
			}
		}
		if 2*long < len(side) {
			return false
		}
	}
	for _, p := range left {
		end = max(end, p.right)
	}
	for _, p := range right {
		begin = min(begin, p.left)
	}
	return begin-end >= leastGap*min(left[0].height, right[0].height)
}

// byRow sorts places row by row, each from the left.
func byRow(all []place) {
	slices.SortStableFunc(all, func(a, b place) int { return sign(a.middle - b.middle) })
	for from := 0; from < len(all); {
		end := from + 1
		for ; end < len(all); end++ {
			if all[end].middle-all[from].middle > min(all[from].height, all[end].height)/2 {
				break
			}
		}
		slices.SortStableFunc(all[from:end], func(a, b place) int { return sign(a.box.Quad[0].X - b.box.Quad[0].X) })
		from = end
	}
}
