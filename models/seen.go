package models

import "saccade/picture"

// Seen is a picture as a network sees it.
type Seen struct {
	View    *picture.Image   // what the preprocessing keeps, in the picture's own sharpness
	Pixels  Array            // [1 C H W]
	H, W    int              // of the pixels
	Outputs map[string]Array // what a forward pass makes of them; the caller's to set
}

// See preprocesses a picture; its view is of least pixels or more, as
// [picture.Processor.View] has it.
func (m *Model) See(img *picture.Image, least int) (*Seen, error) {
	pixels, h, w, err := m.Preprocess(img)
	if err != nil {
		return nil, err
	}
	view, err := m.Processor.View(img, least)
	if err != nil {
		return nil, err
	}
	return &Seen{View: view, Pixels: Array{Shape: []int{1, len(pixels) / (h * w), h, w}, Data: pixels}, H: h, W: w}, nil
}
