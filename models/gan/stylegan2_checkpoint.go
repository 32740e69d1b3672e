package gan

import (
	"fmt"
	"math"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// What StyleGAN2's authors set: the part of the learning rate that the mapping has, by which its
// parameters are multiplied, and the eps of demodulation.
const (
	mappingRate   = 0.01
	demodulateEps = 1e-8
)

// mostSizes is how many sizes of maps a network may have: those up to 2048 pixels.
const mostSizes = 10

// describeStyleGAN2 folds the equalised learning rates, the blurs and the gains of the
// activations, √2, into the weights.
func describeStyleGAN2(src weights.Source) (StyleGAN2Config, weights.Source, error) {
	f := newFolding(src)
	var c StyleGAN2Config
	if shape := f.shape("style.1.weight", 2); shape != nil {
		c.Latent = shape[1]
	}
	for f.err == nil && checkpoint.Has(src, fmt.Sprintf("style.%d.weight", c.Mapping+1)) {
		f.mapping(fmt.Sprintf("style.%d", c.Mapping+1), fmt.Sprintf("style.%d", c.Mapping), c.Latent)
		c.Mapping++
	}
	ones := make([]float32, c.Latent)
	for i := range ones {
		ones[i] = 1
	}
	f.give("norm.weight", ones, c.Latent)
	if shape := f.shape("input.input", 4); shape != nil {
		f.give("input", f.take("input.input", 1, shape[1], 4, 4), 1, shape[1], 4, 4)
	}
	for i := 0; f.err == nil && (i == 0 || checkpoint.Has(src, fmt.Sprintf("convs.%d.conv.weight", 2*i-2))); i++ {
		if i == mostSizes {
			f.fail(fmt.Errorf("the checkpoint makes images of more than %d pixels; expected at most that many", 4<<(mostSizes-1)))
			break
		}
		f.size(&c, i)
	}
	named, err := f.source()
	return c, named, err
}

// mapping is a layer from z to w.
func (f *folding) mapping(from, to string, width int) {
	w, bias := f.take(from+".weight", width, width), f.take(from+".bias", width)
	f.give(to+".weight", times(w, math.Sqrt2*mappingRate/math.Sqrt(float64(width))), width, width)
	f.give(to+".bias", times(bias, math.Sqrt2*mappingRate), width)
}

// size is the layers of one size of maps, 4·2^i pixels.
func (f *folding) size(c *StyleGAN2Config, i int) {
	side := 4 << i
	if i == 0 {
		in := f.shape("input.input", 4)
		if f.err == nil {
			c.Widths = append(c.Widths, f.styled("conv1", "convs.0", 0, c.Latent, in[1], side, false))
			f.image("to_rgb1", "to_rgbs.0", c.Latent, c.Widths[0], false)
		}
		return
	}
	first, second := fmt.Sprintf("convs.%d", 2*i-2), fmt.Sprintf("convs.%d", 2*i-1)
	width := f.styled(first, fmt.Sprintf("convs.%d", 2*i-1), 2*i-1, c.Latent, c.Widths[i-1], side, true)
	if out := f.styled(second, fmt.Sprintf("convs.%d", 2*i), 2*i, c.Latent, width, side, false); f.err == nil && out != width {
		f.fail(fmt.Errorf("tensor %s.conv.weight gives %d channels; expected %d, as many as the layer before it", second, out, width))
	}
	c.Widths = append(c.Widths, width)
	f.image(fmt.Sprintf("to_rgbs.%d", i-1), fmt.Sprintf("to_rgbs.%d", i), c.Latent, width, true)
}

// modulation is the layer that makes styles of w.
func (f *folding) modulation(from, to string, latent, in int) {
	w, bias := f.take(from+".conv.modulation.weight", in, latent), f.take(from+".conv.modulation.bias", in)
	f.give(to+".modulation.weight", times(w, 1/math.Sqrt(float64(latent))), in, latent)
	f.give(to+".modulation.bias", bias, in)
}

// styled is a modulated convolution with what follows it, whose output channels it gives. Its
// filters are brought to unit length, which demodulation would do anyway: so their squares are
// within halves' range.
func (f *folding) styled(from, to string, noise, latent, in, side int, doubles bool) (out int) {
	shape := f.shape(from+".conv.weight", 5)
	if f.err != nil {
		return 0
	}
	out = shape[1]
	w := f.take(from+".conv.weight", 1, out, in, filterSide, filterSide)
	f.modulation(from, to, latent, in)
	strength, bias := f.take(from+".noise.weight", 1), f.take(from+".activate.bias", out)
	map2d := f.take(fmt.Sprintf("noises.noise_%d", noise), 1, 1, side, side)
	var blur []float32
	if doubles {
		blur = f.take(from+".conv.blur.kernel", blurSide, blurSide)
	}
	if f.err != nil {
		return 0
	}
	const taps = filterSide * filterSide
	w, eps := unitFilters(w, in*taps)
	if doubles {
		side := filterSide + blurSide - 1
		f.give(to+".up.weight", blurred(w, out, in, blur), in, out, side, side)
	} else {
		f.give(to+".conv.weight", w, out, in, filterSide, filterSide)
	}
	squares := make([]float32, out*in)
	for i, v := range w {
		squares[i/taps] += v * v / 2 // of which the root's inverse has the activation's gain
	}
	f.give(to+".sums.weight", squares, out, in)
	f.give(to+".sums.bias", times(eps, 0.5), out)
	f.give(to+".end.noise", times(map2d, math.Sqrt2*float64(strength[0])), side, side)
	f.give(to+".end.bias", times(bias, math.Sqrt2), out)
	return out
}

// unitFilters divides filters of so many values by their lengths, with the equalised learning
// rate in it, and gives what the eps of demodulation becomes for each.
func unitFilters(w []float32, size int) (unit, eps []float32) {
	unit = make([]float32, len(w))
	for from := 0; from < len(w); from += size {
		var sum float64
		for _, v := range w[from : from+size] {
			sum += float64(v) * float64(v)
		}
		length := math.Sqrt(sum)
		if length == 0 {
			length = 1
		}
		for i, v := range w[from : from+size] {
			unit[from+i] = float32(float64(v) / length)
		}
		eps = append(eps, float32(demodulateEps*float64(size)/(length*length)))
	}
	return unit, eps
}

// blurred is filters [Out, In, 3, 3] of a transposed convolution as [In, Out, 6, 6], with the
// blur that follows it.
func blurred(w []float32, out, in int, blur []float32) []float32 {
	const side = filterSide + blurSide - 1
	all := make([]float32, in*out*side*side)
	for i, v := range w {
		x, y, ci, o := i%filterSide, i/filterSide%filterSide, i/(filterSide*filterSide)%in, i/(filterSide*filterSide*in)
		to := all[(ci*out+o)*side*side:][:side*side]
		for k, b := range blur {
			to[(y+k/blurSide)*side+x+k%blurSide] += v * b
		}
	}
	return all
}

// image is the layer that gives an image.
func (f *folding) image(from, to string, latent, in int, doubles bool) {
	w, bias := f.take(from+".conv.weight", 1, imageChannels, in, 1, 1), f.take(from+".bias", 1, imageChannels, 1, 1)
	f.modulation(from, to, latent, in)
	f.give(to+".conv.weight", times(w, 1/math.Sqrt(float64(in))), imageChannels, in, 1, 1)
	f.give(to+".conv.bias", bias, imageChannels)
	if !doubles {
		return
	}
	kernel := f.take(from+".upsample.kernel", blurSide, blurSide)
	if f.err != nil {
		return
	}
	const taps = blurSide * blurSide
	up := make([]float32, imageChannels*imageChannels*taps)
	for c := range imageChannels {
		copy(up[(c*imageChannels+c)*taps:], kernel)
	}
	f.give(to+".up.weight", up, imageChannels, imageChannels, blurSide, blurSide)
}
