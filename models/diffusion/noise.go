package diffusion

import (
	"math"
	"math/bits"
)

// Noise fills dst with normal numbers of a seed: value i of draw d is the same on
// every machine and whatever the size of dst. Draw 0 is the noise to begin with,
// draw k+1 that of step k.
//
// They come from Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3") with the key seed and the counter (d, 0, i, 0), whose first
// two words make a normal number by Box and Muller's transform, as they do for
// torch.randn on a GPU.
func Noise(dst []float32, seed uint64, draw int) {
	for i := range dst {
		w := philox([4]uint32{uint32(draw), 0, uint32(i), 0}, [2]uint32{uint32(seed), uint32(seed >> 32)})
		dst[i] = boxMuller(w[0], w[1])
	}
}

// philox is ten rounds on a counter.
func philox(c [4]uint32, key [2]uint32) [4]uint32 {
	for range 10 {
		hi0, lo0 := bits.Mul32(0xD2511F53, c[0])
		hi1, lo1 := bits.Mul32(0xCD9E8D57, c[2])
		c = [4]uint32{hi1 ^ c[1] ^ key[0], lo1, hi0 ^ c[3] ^ key[1], lo0}
		key[0] += 0x9E3779B9
		key[1] += 0xBB67AE85
	}
	return c
}

// boxMuller makes a normal number of two uniform words. The f32 that it rounds to
// does not depend on how a machine rounds the last bit of an f64, but once in
// hundreds of millions.
func boxMuller(a, b uint32) float32 {
	const scale = 1.0 / (1 << 32)
	u := (float64(a) + 0.5) * scale
	v := (float64(b) + 0.5) * scale
	return float32(math.Sqrt(-2*math.Log(u)) * math.Sin(2*math.Pi*v))
}

// Slerp is the point at part t of the way from a to b on the great circle between
// them, which keeps the noise's variance where a straight line would not. Nearly
// parallel ones go straight.
func Slerp(a, b []float32, t float64) []float32 {
	var aa, bb, ab float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		aa, bb, ab = aa+x*x, bb+y*y, ab+x*y
	}
	fa, fb := 1-t, t
	const parallel = 0.9995
	if cos := ab / math.Sqrt(aa*bb); math.Abs(cos) < parallel {
		angle := math.Acos(cos)
		fa, fb = math.Sin((1-t)*angle)/math.Sin(angle), math.Sin(t*angle)/math.Sin(angle)
	}
	return mix(a, b, fa, fb)
}

// Lerp is the point at part t of the straight way from a to b.
func Lerp(a, b []float32, t float64) []float32 { return mix(a, b, 1-t, t) }

func mix(a, b []float32, fa, fb float64) []float32 {
	out := make([]float32, len(a))
	for i := range a {
		out[i] = float32(fa*float64(a[i]) + fb*float64(b[i]))
	}
	return out
}
