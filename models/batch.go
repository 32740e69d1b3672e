package models

import (
	"slices"

	"saccade/models/nn"
)

// padded is the size of the batch in which to run n images of a size, C, H, W: that
// of a program that is there and has little room to spare, or n itself.
func (m *Model) padded(n int, size [3]int, outputs []string) int {
	return paddedBatch(n, size, m.module.Shapes(m.images, nn.PixelValues, m.wants(outputs)))
}

// paddedBatch is padded by the shapes of the programs.
func paddedBatch(n int, size [3]int, shapes [][]int) int {
	best := n
	for _, s := range shapes {
		if [3]int(s[1:]) != size || s[0] < n || s[0]-n > s[0]/4 {
			continue
		}
		if best == n || s[0] < best {
			best = s[0]
		}
		if s[0] == n {
			return n
		}
	}
	return best
}

// Batches take up to maxBatch pictures, as long as their activations stay
// within a share of the memory: a software adapter gains nothing from more.
const (
	maxBatch              = 64
	batchMemory     int64 = 256 << 20 // bytes
	batchMemorySoft int64 = 32 << 20  // bytes, software adapters
)

// DefaultBatch is the number of pictures of a size, in pixels, that one
// forward pass takes by itself: it follows from the memory of the activations
// and the adapter's limits. Results do not depend on it.
func (m *Model) DefaultBatch(h, w int) int {
	first := m.example[nn.PixelValues].Shape
	grows := float64(h*w) / float64(first[2]*first[3])
	if slices.Contains(m.outputs, Attentions) { // which grow with the square of the patches
		grows *= max(1, grows)
	}
	one := int64(float64(m.one.Arena+m.one.IO) * grows)
	budget := batchMemory
	if m.dev.Info().Software() {
		budget = batchMemorySoft
	}
	n := min(maxBatch, budget/max(1, one), m.dev.Info().Limits.MaxBinding/int64(4*m.channels()*h*w))
	for n > 1 && m.dev.Fits(4*n*one) != nil {
		n /= 2
	}
	return int(max(1, n))
}
