package masks

import (
	"cmp"
	"slices"
)

// Box is x0, y0, x1, y1.
type Box [4]float32

// Overlap is the IoU of two boxes; NaN where both are empty.
func (b Box) Overlap(c Box) float32 {
	w := max(0, min(b[2], c[2])-max(b[0], c[0]))
	h := max(0, min(b[3], c[3])-max(b[1], c[1]))
	both := w * h
	return both / (b.area() + c.area() - both)
}

func (b Box) area() float32 { return (b[2] - b[0]) * (b[3] - b[1]) }

// NMS is the indices of the boxes that stay, the highest score first, when each removes
// those with a lower score that it overlaps by more than a threshold (torchvision's nms).
// Of boxes with one score the first comes first.
func NMS(boxes []Box, scores []float32, threshold float64) []int {
	order := make([]int, len(boxes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var kept []int
	for _, i := range order {
		removed := slices.ContainsFunc(kept, func(k int) bool { return float64(boxes[k].Overlap(boxes[i])) > threshold })
		if !removed {
			kept = append(kept, i)
		}
	}
	return kept
}
