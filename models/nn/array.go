package nn

import (
	"math/rand/v2"
)

// Array is a dense tensor of float32 in PyTorch's layout. Whole numbers, such as
// token ids, are exact up to 2²⁴.
type Array struct {
	Shape []int
	Data  []float32
}

// PixelValues is the name under which networks take images.
const PixelValues = "pixel_values"

// InputIDs is the name under which networks take token ids, AttentionMask that of
// their mask.
const (
	InputIDs      = "input_ids"
	AttentionMask = "attention_mask"
)

// Images are inputs of a network that takes images alone: [N, C, H, W].
func Images(pixels Array) map[string]Array { return map[string]Array{PixelValues: pixels} }

// Normals are n seeded normal numbers.
func Normals(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// elements is the product of dimensions, -1 where it is more than an array can hold.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > (1<<40)/d {
			return -1
		}
		n *= d
	}
	return n
}
