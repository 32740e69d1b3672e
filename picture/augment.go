package picture

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Augment is what is done to pictures at random before they are learned from.
type Augment struct {
	Crop   bool // torchvision's RandomResizedCrop: 8 to 100 % of the area, sides of 3:4 to 4:3
	Flip   bool // left and right exchanged, of every second
	Colour bool // torchvision's ColorJitter(0.2, 0.2, 0.2): brightness, contrast, saturation
}

// ParseAugment reads the words crop, flip and colour with commas, or none.
func ParseAugment(words string) (a Augment, err error) {
	if words == "none" {
		return a, nil
	}
	for word := range strings.SplitSeq(words, ",") {
		switch strings.TrimSpace(word) {
		case "crop":
			a.Crop = true
		case "flip":
			a.Flip = true
		case "colour", "color":
			a.Colour = true
		default:
			return Augment{}, fmt.Errorf("expected crop, flip and colour with commas, or none; found %q", word)
		}
	}
	return a, nil
}

// String is the words that ParseAugment reads.
func (a Augment) String() string {
	var words []string
	for _, w := range []struct {
		on   bool
		word string
	}{{a.Crop, "crop"}, {a.Flip, "flip"}, {a.Colour, "colour"}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, ",")
}

// Apply is the picture, changed by numbers of rng: of a seed always in the same way. m
// stays as it is.
func (a Augment) Apply(m *Image, rng *rand.Rand) *Image {
	if a.Crop {
		m = randomCrop(m, rng)
	}
	if a.Flip && rng.IntN(2) == 1 {
		m = flipped(m)
	}
	if a.Colour {
		m = jittered(m, rng)
	}
	return m
}

// randomCrop is a part of a picture, as torchvision's RandomResizedCrop chooses it.
func randomCrop(m *Image, rng *rand.Rand) *Image {
	const least, most, wide = 0.08, 1.0, 4.0 / 3
	area := float64(m.W * m.H)
	for range 10 {
		target := area * (least + (most-least)*rng.Float64())
		ratio := math.Exp((2*rng.Float64() - 1) * math.Log(wide))
		w, h := int(math.Round(math.Sqrt(target*ratio))), int(math.Round(math.Sqrt(target/ratio)))
		if w > 0 && h > 0 && w <= m.W && h <= m.H {
			return cut(m, rng.IntN(m.W-w+1), rng.IntN(m.H-h+1), w, h)
		}
	}
	w, h := m.W, m.H // the largest in the middle with such sides
	switch ratio := float64(m.W) / float64(m.H); {
	case ratio < 1/wide:
		h = int(math.Round(float64(w) * wide))
	case ratio > wide:
		w = int(math.Round(float64(h) * wide))
	}
	return cut(m, (m.W-w)/2, (m.H-h)/2, w, h)
}

// cut is the w×h pixels at x, y.
func cut(m *Image, x, y, w, h int) *Image {
	c := New(w, h)
	for row := range h {
		at := 3 * ((y+row)*m.W + x)
		copy(c.Pix[3*row*w:3*(row+1)*w], m.Pix[at:at+3*w])
	}
	return c
}

// flipped has left and right exchanged.
func flipped(m *Image) *Image {
	f := New(m.W, m.H)
	for y := range m.H {
		for x := range m.W {
			copy(f.Pix[3*(y*m.W+x):3*(y*m.W+x)+3], m.Pix[3*(y*m.W+m.W-1-x):])
		}
	}
	return f
}

// jittered has brightness, contrast and saturation changed by up to a fifth, in a random
// order: each blends with black, with the mean grey, or with the picture in grey.
func jittered(m *Image, rng *rand.Rand) *Image {
	const most = 0.2
	j := &Image{W: m.W, H: m.H, Pix: append([]uint8{}, m.Pix...)}
	for _, kind := range rng.Perm(3) {
		factor := 1 + most*(2*rng.Float64()-1)
		mean := 0.0
		if kind == 1 {
			for i := 0; i < len(j.Pix); i += 3 {
				mean += luma(j.Pix[i:])
			}
			mean = math.Round(mean / float64(j.W*j.H))
		}
		for i := 0; i < len(j.Pix); i += 3 {
			other := mean
			if kind == 2 {
				other = luma(j.Pix[i:])
			}
			for c := i; c < i+3; c++ {
				j.Pix[c] = uint8(math.Round(max(0, min(255, factor*float64(j.Pix[c])+(1-factor)*other))))
			}
		}
	}
	return j
}

// luma is the grey of a pixel, as Pillow's convert("L").
func luma(p []uint8) float64 {
	return math.Floor(0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2]) + 0.5)
}
