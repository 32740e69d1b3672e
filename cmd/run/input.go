package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/models"
	"saccade/weights"
)

// The names of raw inputs.
const (
	pixelValues   = "pixel_values"
	inputIDs      = "input_ids"
	attentionMask = "attention_mask"
)

// readInput reads raw inputs from a safetensors file.
func readInput(path string) (*models.Inputs, error) {
	file, err := weights.Open(path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	defer file.Close()
	in := &models.Inputs{}
	places := map[string]**models.Array{pixelValues: &in.Pixels, inputIDs: &in.IDs, attentionMask: &in.Mask}
	var unknown []string
	for _, name := range file.Names() {
		place, ok := places[name]
		part := slices.Contains(models.PartInputs, name)
		if !ok && !part {
			unknown = append(unknown, name)
			continue
		}
		a, err := readArray(file, path, name)
		if err != nil {
			return nil, err
		}
		if part {
			if in.Tensors == nil {
				in.Tensors = map[string]models.Array{}
			}
			in.Tensors[name] = *a
			continue
		}
		*place = a
	}
	takes := strings.Join(append([]string{pixelValues, inputIDs, attentionMask}, models.PartInputs...), ", ")
	switch {
	case in.Tensors != nil && len(unknown) == 0:
		return in, nil // the part that takes them checks their shapes
	case in.Pixels == nil && in.IDs == nil && len(unknown) == 0:
		return nil, fmt.Errorf("input %s: there is no tensor in it that a model computes on; expected %s", path, takes)
	case in.Pixels == nil && in.IDs == nil:
		return nil, fmt.Errorf("input %s: there is no tensor %s in it, only %s", path, pixelValues, strings.Join(unknown, ", "))
	case len(unknown) > 0:
		return nil, fmt.Errorf("input %s: no model has an input %s; they take %s", path, strings.Join(unknown, ", "), takes)
	case in.Pixels != nil && (len(in.Pixels.Shape) != 4 || len(in.Pixels.Data) == 0):
		return nil, fmt.Errorf("input %s: %s has shape %v, expected [N C H W]", path, pixelValues, in.Pixels.Shape)
	case in.IDs != nil && (len(in.IDs.Shape) != 2 || len(in.IDs.Data) == 0):
		return nil, fmt.Errorf("input %s: %s has shape %v, expected [N T]", path, inputIDs, in.IDs.Shape)
	}
	return in, nil
}

// readArray reads a tensor of an input file.
func readArray(file *weights.Checkpoint, path, name string) (*models.Array, error) {
	t, _ := file.Tensor(name) // a name of the file's
	a := &models.Array{Shape: t.Shape, Data: make([]float32, t.Len())}
	if err := t.Float32s(a.Data); err != nil {
		return nil, fmt.Errorf("input %s: %w", path, err)
	}
	return a, nil
}

// suits refuses raw inputs that the model has no tower for.
func suits(in *models.Inputs, path string, m *models.Model) error {
	switch {
	case m.IsPart():
		return nil // it checks its inputs itself
	case in.Tensors != nil:
		return fmt.Errorf("input %s: the model has no input %s, which a part of a diffusion model takes", path, slices.Sorted(maps.Keys(in.Tensors))[0])
	case in.IDs != nil && !m.HasText():
		return fmt.Errorf("input %s: the model has no input %s; it takes %s", path, inputIDs, pixelValues)
	case in.Mask != nil && in.IDs == nil:
		return fmt.Errorf("input %s: %s is there without %s", path, attentionMask, inputIDs)
	case in.Pixels != nil && !m.HasPictures():
		return fmt.Errorf("input %s: the model has no input %s; it takes %s", path, pixelValues, inputIDs)
	}
	return nil
}

// sample is one batch for -verify and -profile: of the raw input, the pictures,
// or noise; of -batch pictures, or by itself of one, or of all of the raw input
// that a forward pass takes.
func (a *app) sample(ctx context.Context, m *models.Model) (models.Inputs, error) {
	n := max(1, a.batch)
	switch {
	case a.raw != nil && (a.raw.IDs != nil || a.raw.Tensors != nil || m.IsPart()):
		return *a.raw, suits(a.raw, a.input, m)
	case a.raw != nil:
		if err := suits(a.raw, a.input, m); err != nil {
			return models.Inputs{}, err
		}
		x := a.raw.Pixels
		if a.batch == 0 {
			n = min(x.Shape[0], m.DefaultBatch(x.Shape[2], x.Shape[3]))
		}
		one := len(x.Data) / x.Shape[0]
		return repeat(n, x.Shape[1:], func(i int) []float32 { k := i % x.Shape[0]; return x.Data[k*one : (k+1)*one] }), nil
	case len(a.pictures) == 0:
		return m.Noise(n, 1), nil
	}
	var pixels [][]float32
	var size []int
	for _, path := range a.pictures[:min(n, len(a.pictures))] {
		if err := ctx.Err(); err != nil {
			return models.Inputs{}, err
		}
		p, s, err := a.readPixels(m, path)
		if err != nil {
			return models.Inputs{}, err
		}
		if size != nil && !slices.Equal(size, s) {
			return models.Inputs{}, fmt.Errorf("picture %s: it comes to %s pixels and the one before to %s; give pictures of one size, or -size", path, dims(s), dims(size))
		}
		pixels, size = append(pixels, p), s
	}
	return repeat(n, size, func(i int) []float32 { return pixels[i%len(pixels)] }), nil
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
func repeat(n int, size []int, picture func(i int) []float32) models.Inputs {
	a := models.Array{Shape: append([]int{n}, size...)}
	for i := range n {
		a.Data = append(a.Data, picture(i)...)
	}
	return models.Inputs{Pixels: &a}
}
