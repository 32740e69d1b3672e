package models

import (
	"context"
	"errors"
	"fmt"

	"saccade/models/nn"
	"saccade/models/upscale"
	"saccade/picture"
)

// ErrNotEnlarged is wrapped when a larger image is asked for of a network that gives none.
var ErrNotEnlarged = errors.New("the network enlarges no images")

// Enlarged is the image of one image's outputs, its values rounded to 8 bits.
func (m *Model) Enlarged(outputs map[string]Array) (*picture.Image, error) {
	a := outputs[upscale.Image]
	if len(a.Shape) != 4 || a.Shape[0] != 1 || a.Shape[1] != 3 {
		return nil, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNotEnlarged)
	}
	h, w := a.Shape[2], a.Shape[3]
	out := picture.New(w, h)
	for i := range out.Pix {
		out.Pix[i] = uint8(255*min(max(a.Data[i%3*h*w+i/3], 0), 1) + 0.5)
	}
	return out, nil
}

// Enlarge enlarges an image.
func (m *Model) Enlarge(ctx context.Context, img *picture.Image) (*picture.Image, error) {
	pixels, h, w, err := m.Preprocess(img)
	if err != nil {
		return nil, err
	}
	out, err := m.Forward(ctx, nn.Images(Array{Shape: []int{1, len(pixels) / (h * w), h, w}, Data: pixels}))
	if err != nil {
		return nil, err
	}
	return m.Enlarged(out)
}
