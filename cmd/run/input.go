package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
)

// readInput reads raw inputs from a safetensors file, all that are in it: the model
// refuses what it does not take.
func readInput(path string) (map[string]models.Array, error) {
	all, err := cli.ReadArrays(path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	return all, nil
}

// images are the raw images, of a model that sees images and is given nothing else.
func (a *app) rawImages(m *models.Model) (models.Array, bool) {
	x, ok := a.raw[nn.PixelValues]
	return x, ok && len(a.raw) == 1 && m.SeesImages()
}

// ofInput names the file in an error of raw inputs.
func (a *app) ofInput(err error) error {
	if err == nil || a.raw == nil {
		return err
	}
	return fmt.Errorf("input %s: %w", a.input, err)
}

// sample is one batch for -verify and -profile: of the raw input, the pictures,
// or noise; of -batch pictures, or by itself of one, or of all of the raw input
// that a forward pass takes.
func (a *app) sample(ctx context.Context, m *models.Model) (map[string]models.Array, error) {
	n := max(1, a.batch)
	x, images := a.rawImages(m)
	switch {
	case a.raw != nil && (!images || len(x.Shape) != 4 || len(x.Data) == 0):
		return a.raw, nil
	case images:
		if a.batch == 0 {
			n = min(x.Shape[0], m.DefaultBatch(x.Shape[2], x.Shape[3]))
		}
		one := len(x.Data) / x.Shape[0]
		return repeat(n, x.Shape[1:], func(i int) []float32 { k := i % x.Shape[0]; return x.Data[k*one : (k+1)*one] })
	case len(a.pictures) == 0:
		in, err := m.Noise(n, 1)
		if errors.Is(err, gpu.ErrOutOfMemory) && a.batch > 0 {
			return nil, cli.Usagef("-batch %d: %w", n, err)
		}
		return in, err
	}
	var pixels [][]float32
	var size []int
	for _, path := range a.pictures[:min(n, len(a.pictures))] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, s, err := a.readPixels(m, path)
		if err != nil {
			return nil, err
		}
		if size != nil && !slices.Equal(size, s) {
			return nil, fmt.Errorf("picture %s: it comes to %s pixels and the one before to %s; give pictures of one size, or -size", path, cli.Dims(s), cli.Dims(size))
		}
		pixels, size = append(pixels, p), s
	}
	return repeat(n, size, func(i int) []float32 { return pixels[i%len(pixels)] })
}

// readPixels reads and preprocesses a picture; size is C, H, W.
func (a *app) readPixels(m *models.Model, path string) (pixels []float32, size []int, err error) {
	img, err := a.decode(path)
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
func repeat(n int, size []int, picture func(i int) []float32) (map[string]models.Array, error) {
	a := models.Array{Shape: append([]int{n}, size...)}
	if err := gpu.HostFits(a.Shape, 4); err != nil {
		return nil, cli.Usagef("-batch %d: %w", n, err)
	}
	for i := range n {
		a.Data = append(a.Data, picture(i)...)
	}
	return nn.Images(a), nil
}
