package diffusion

import (
	"math"

	"saccade/picture"
)

// DefaultStrength is the part of the steps that remain of a picture where nothing is said
// of it: of one of which a part is painted anew all.
func DefaultStrength(masked bool) float64 {
	if masked {
		return 1
	}
	return 0.8
}

// SetPicture has a request begin with a picture and paint it anew where a mask of its
// size is white; mask may be nil. Both are brought to the request's size if that was asked
// for (sized), else to the picture's own, down to whole latents; one of many more pixels
// than the pipeline was trained for comes down to as many.
func (p *Pipeline) SetPicture(q *Request, img, mask *picture.Image, sized bool) error {
	unit := p.Reduction()
	if mask != nil && (mask.W != img.W || mask.H != img.H) {
		return requestErrorf("the mask is %dx%d and the picture %dx%d (width x height); give one of the picture's size", mask.W, mask.H, img.W, img.H)
	}
	if !sized {
		q.Height, q.Width = fit(img.H, img.W, q.Height*q.Width, unit)
	}
	if q.Height < 1 || q.Width < 1 || q.Height%unit != 0 || q.Width%unit != 0 {
		return nil // refused by the plan, with the nearest sizes
	}
	img, err := img.Resize(q.Width, q.Height, picture.Lanczos)
	if err != nil {
		return err
	}
	q.Image = FromPicture(img)
	if mask == nil {
		return nil
	}
	if mask, err = mask.Resize(q.Width, q.Height, picture.Lanczos); err != nil {
		return err
	}
	q.Mask = FromMask(mask)
	return nil
}

// fit is the size of a picture in multiples of unit, made smaller to about so many
// pixels where it has more than four times as many.
func fit(h, w, pixels, unit int) (height, width int) {
	scale := 1.0
	if area := float64(h) * float64(w); area > 4*float64(pixels) {
		scale = math.Sqrt(float64(pixels) / area)
	}
	whole := func(v int) int { return max(1, int(float64(v)*scale+0.5)/unit) * unit }
	return whole(h), whole(w)
}

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
