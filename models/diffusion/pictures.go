package diffusion

import "saccade/picture"

// FromPicture is a picture as a request takes it, [3 H W] in [−1, 1].
func FromPicture(img *picture.Image) []float32 {
	area := img.W * img.H
	out := make([]float32, 3*area)
	for i := range area {
		for c := range 3 {
			out[c*area+i] = float32(img.Pix[3*i+c])/127.5 - 1
		}
	}
	return out
}

// FromHint is a picture as a [Control] takes it, [3 H W] in [0, 1].
func FromHint(img *picture.Image) []float32 {
	out := FromPicture(img)
	for i, v := range out {
		out[i] = (v + 1) / 2
	}
	return out
}

// FromMask is a mask as a request takes it, [H W]: 1 where the picture is white, by its
// luma, and is painted anew.
func FromMask(img *picture.Image) []float32 {
	out := make([]float32, img.W*img.H)
	for i := range out {
		if luma := 299*int(img.Pix[3*i]) + 587*int(img.Pix[3*i+1]) + 114*int(img.Pix[3*i+2]); luma >= 127500 {
			out[i] = 1
		}
	}
	return out
}

// ToPictures are the pictures [n C h w] in [−1, 1], grey where C is 1. What goes
// beyond is clipped.
func ToPictures(x []float32, n, h, w int) []*picture.Image {
	channels := len(x) / (n * h * w)
	out := make([]*picture.Image, n)
	for k := range out {
		img := picture.New(w, h)
		for i := range h * w {
			for c := range 3 {
				v := x[(k*channels+min(c, channels-1))*h*w+i]
				img.Pix[3*i+c] = uint8(min(max(float64(v)/2+0.5, 0), 1)*255 + 0.5)
			}
		}
		out[k] = img
	}
	return out
}

// Pictures are those of a result, one for each item.
func (r *Result) Pictures() []*picture.Image { return ToPictures(r.Image, r.items, r.h, r.w) }
