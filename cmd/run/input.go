package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"saccade/models"
	"saccade/picture"
	"saccade/weights"
)

// pixelValues is the name of the pictures among a network's inputs.
const pixelValues = "pixel_values"

// readInput reads raw inputs, [N, C, H, W], from a safetensors file.
func readInput(path string) (*models.Array, error) {
	file, err := weights.Open(path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	defer file.Close()
	unknown := slices.DeleteFunc(slices.Clone(file.Names()), func(s string) bool { return s == pixelValues })
	t, ok := file.Tensor(pixelValues)
	switch {
	case !ok && len(unknown) == 0:
		return nil, fmt.Errorf("input %s: there is no tensor in it; the model takes %s", path, pixelValues)
	case !ok:
		return nil, fmt.Errorf("input %s: there is no tensor %s in it, only %s", path, pixelValues, strings.Join(unknown, ", "))
	case len(unknown) > 0:
		return nil, fmt.Errorf("input %s: the model has no input %s; it takes %s", path, strings.Join(unknown, ", "), pixelValues)
	case len(t.Shape) != 4 || t.Len() == 0:
		return nil, fmt.Errorf("input %s: %s has shape %v, expected [N C H W]", path, pixelValues, t.Shape)
	}
	a := &models.Array{Shape: t.Shape, Data: make([]float32, t.Len())}
	if err := t.Float32s(a.Data); err != nil {
		return nil, fmt.Errorf("input %s: %w", path, err)
	}
	return a, nil
}

// sample is one batch for -verify and -profile: of the raw input, the pictures,
// or noise; of -batch pictures, or by itself of one, or of all of the raw input
// that a forward pass takes.
func (a *app) sample(ctx context.Context, m *models.Model) (models.Array, error) {
	n := max(1, a.batch)
	switch {
	case a.raw != nil:
		if a.batch == 0 {
			n = min(a.raw.Shape[0], m.DefaultBatch(a.raw.Shape[2], a.raw.Shape[3]))
		}
		one := len(a.raw.Data) / a.raw.Shape[0]
		return repeat(n, a.raw.Shape[1:], func(i int) []float32 { k := i % a.raw.Shape[0]; return a.raw.Data[k*one : (k+1)*one] }), nil
	case len(a.pictures) == 0:
		return m.Noise(n, 1), nil
	}
	var pixels [][]float32
	var size []int
	for _, path := range a.pictures[:min(n, len(a.pictures))] {
		if err := ctx.Err(); err != nil {
			return models.Array{}, err
		}
		p, s, err := a.readPixels(m, path)
		if err != nil {
			return models.Array{}, err
		}
		if size != nil && !slices.Equal(size, s) {
			return models.Array{}, fmt.Errorf("picture %s: it comes to %s pixels and the one before to %s; give pictures of one size, or -size", path, dims(s), dims(size))
		}
		pixels, size = append(pixels, p), s
	}
	return repeat(n, size, func(i int) []float32 { return pixels[i%len(pixels)] }), nil
}

// readPixels reads and preprocesses a picture; size is C, H, W.
func (a *app) readPixels(m *models.Model, path string) (pixels []float32, size []int, err error) {
	img, err := picture.Open(path, picture.DecodeOptions{Background: a.background})
	if err != nil {
		return nil, nil, err
	}
	pixels, h, w, err := m.Preprocess(img)
	if err != nil {
		return nil, nil, fmt.Errorf("picture %s: %w", path, err)
	}
	return pixels, []int{len(pixels) / (h * w), h, w}, nil
}

// repeat joins n pictures of a size, C, H, W.
func repeat(n int, size []int, picture func(i int) []float32) models.Array {
	a := models.Array{Shape: append([]int{n}, size...)}
	for i := range n {
		a.Data = append(a.Data, picture(i)...)
	}
	return a
}
