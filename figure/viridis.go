package figure

import (
	"image/color"

	"saccade/picture"
)

// Coefficients of polynomials of degree 6 for red, green and blue, lowest first:
// Matt Zucker's fit to matplotlib's viridis (van der Walt and Smith, 2015), CC0,
// https://www.shadertoy.com/view/WlfXRN. It is off by at most 4 of 255.
var viridis = [3][7]float64{
	{0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631},
	{0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535},
	{0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832},
}

// Viridis is the perceptually uniform colour map of that name: equal steps of t,
// 0 to 1, look equally large, also in grey and to the colour-blind.
func Viridis(t float64) color.RGBA {
	t = min(1, max(0, t))
	var rgb [3]uint8
	for i, c := range viridis {
		v := 0.0
		for k := len(c) - 1; k >= 0; k-- {
			v = float64(v*t) + c[k]
		}
		rgb[i] = round(255 * v)
	}
	return color.RGBA{rgb[0], rgb[1], rgb[2], 255}
}

// Colours is a picture of values from 0 to 1, row by row, in that scale.
func Colours(w, h int, values []float64) *picture.Image {
	m := picture.New(w, h)
	for i, v := range values {
		c := Viridis(v)
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = c.R, c.G, c.B
	}
	return m
}
