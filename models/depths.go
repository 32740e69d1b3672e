package models

import (
	"context"
	"errors"
	"fmt"

	"saccade/ops"
	"saccade/picture"
)

// Depth is how far away each pixel of an image is, as the network tells it: metres of
// metric ones, else a number that is larger the nearer it is.
type Depth struct {
	W, H     int
	Values   []float32 // row by row
	Min, Max float64
	Metric   bool // the values are metres
}

// Near is the depth as ControlNets and T2I-Adapters were trained to see it: white for what is
// nearest, black for what is farthest, by the inverse of the distance.
func (d Depth) Near() *picture.Image {
	if d.Metric {
		const least = 1e-3 // metres
		inverse := Depth{W: d.W, H: d.H, Values: make([]float32, len(d.Values)), Min: 1 / max(d.Max, least), Max: 1 / max(d.Min, least)}
		for i, v := range d.Values {
			inverse.Values[i] = float32(1 / max(float64(v), least))
		}
		d = inverse
	}
	m := picture.New(d.W, d.H)
	for i, part := range d.Parts() {
		v := uint8(255*part + 0.5)
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = v, v, v
	}
	return m
}

// Parts are the values as parts of the range, 0 to 1.
func (d Depth) Parts() []float64 {
	parts := make([]float64, len(d.Values))
	if d.Max > d.Min {
		for i, v := range d.Values {
			parts[i] = min(max((float64(v)-d.Min)/(d.Max-d.Min), 0), 1)
		}
	}
	return parts
}

// ErrNoDepth is wrapped when depth is asked for of a network that tells none.
var ErrNoDepth = errors.New("the network tells no depth")

// Depth is that of one image's outputs, at the image's size of w×h pixels, as transformers'
// post_process_depth_estimation resizes it: bicubically.
func (m *Model) Depth(outputs map[string]Array, w, h int) (Depth, error) {
	a := outputs["predicted_depth"]
	if len(a.Shape) != 3 || a.Shape[0] != 1 {
		return Depth{}, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNoDepth)
	}
	d := Depth{W: w, H: h, Metric: m.images.Image.Metric, Values: ops.InterpolatePositions(a.Data, 1, [2]int{a.Shape[1], a.Shape[2]}, [2]int{h, w}, false)}
	d.Min, d.Max = float64(d.Values[0]), float64(d.Values[0])
	for _, v := range d.Values {
		d.Min, d.Max = min(d.Min, float64(v)), max(d.Max, float64(v))
	}
	return d, nil
}

// Depths are those of images.
func (m *Model) Depths(ctx context.Context, images []*picture.Image) ([]Depth, error) {
	out := make([]Depth, 0, len(images))
	err := m.Each(ctx, len(images), 0, func(i int) (*picture.Image, error) { return images[i], nil }, func(r Result) error {
		if r.Err != nil {
			return fmt.Errorf("picture %d: %w", r.Index, r.Err)
		}
		d, err := m.Depth(r.Outputs, images[r.Index].W, images[r.Index].H)
		out = append(out, d)
		return err
	})
	return out, err
}
