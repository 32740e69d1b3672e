package models

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/models/diffusion"
	"saccade/models/gan"
	"saccade/picture"
)

// ErrNoGenerator is wrapped when images of noise are asked for of a network that makes none.
var ErrNoGenerator = errors.New("the network makes no images of noise")

// ErrNoStyles is wrapped when a style is asked of a generator that has none.
var ErrNoStyles = errors.New("the generator has no styles to draw towards their mean or to mix; a StyleGAN2 has")

// Generator makes images of noise.
type Generator struct {
	Size   int // values of the noise of an image
	Layers int // that take a style each; 0: there are no styles

	m    *Model
	mean []float32 // style, once it was asked for
}

// Generator is that of a model which makes images of noise.
func (m *Model) Generator() (*Generator, error) {
	inputs, err := m.Takes()
	if err != nil {
		return nil, err
	}
	if inputs[0].Name != gan.Z {
		return nil, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNoGenerator)
	}
	g := &Generator{m: m, Size: inputs[0].Dims[1].Size}
	if len(inputs) > 1 {
		g.Layers = inputs[1].Dims[1].Size
	}
	return g, nil
}

// Noise is that of a seed, the same on every machine: see [diffusion.Noise].
func (g *Generator) Noise(seed uint64) []float32 {
	z := make([]float32, g.Size)
	diffusion.Noise(z, seed, 0)
	return z
}

// input is rows of noise as the network takes them.
func (g *Generator) input(z [][]float32) map[string]Array {
	a := Array{Shape: []int{len(z), g.Size}}
	if g.Layers == 0 {
		a.Shape = []int{len(z), g.Size, 1, 1}
	}
	for _, row := range z {
		a.Data = append(a.Data, row...)
	}
	return map[string]Array{gan.Z: a}
}

// Styles are w of rows of noise. With a truncation below 1 they are drawn towards the mean style
// by that part, which makes images that are more alike and have fewer flaws.
func (g *Generator) Styles(ctx context.Context, z [][]float32, truncation float64) ([][]float32, error) {
	if g.Layers == 0 {
		return nil, fmt.Errorf("%s: %w", g.m.Name, ErrNoStyles)
	}
	out, err := g.m.Forward(ctx, g.input(z), gan.W)
	if err != nil {
		return nil, err
	}
	if truncation != 1 {
		if err := g.findMean(ctx); err != nil {
			return nil, err
		}
	}
	w := make([][]float32, len(z))
	for i := range w {
		if w[i] = out[gan.W].Data[i*g.Size:][:g.Size]; truncation != 1 {
			w[i] = diffusion.Lerp(g.mean, w[i], truncation)
		}
	}
	return w, nil
}

// findMean finds the mean style of many rows of noise, as StyleGAN2's PyTorch version does.
func (g *Generator) findMean(ctx context.Context) error {
	const rows = 4096
	if g.mean != nil {
		return nil
	}
	noise := make([]float32, rows*g.Size)
	diffusion.Noise(noise, 0, 1)
	out, err := g.m.Forward(ctx, map[string]Array{gan.Z: {Shape: []int{rows, g.Size}, Data: noise}}, gan.W)
	if err != nil {
		return err
	}
	sum := make([]float64, g.Size)
	for i, v := range out[gan.W].Data {
		sum[i%g.Size] += float64(v)
	}
	g.mean = make([]float32, g.Size)
	for i, v := range sum {
		g.mean[i] = float32(v / rows)
	}
	return nil
}

// Draw makes images [N, C, H, W], about −1 to 1, of rows of noise, with their styles truncated.
func (g *Generator) Draw(ctx context.Context, z [][]float32, truncation float64) (Array, error) {
	if g.Layers == 0 && truncation != 1 {
		return Array{}, fmt.Errorf("%s: %w", g.m.Name, ErrNoStyles)
	}
	if truncation == 1 {
		return g.each(ctx, len(z), func(from, to int) (map[string]Array, error) { return g.input(z[from:to]), nil })
	}
	w, err := g.Styles(ctx, z, truncation)
	if err != nil {
		return Array{}, err
	}
	whole := make([][]int, len(w))
	for i := range whole {
		whole[i] = slices.Repeat([]int{i}, g.Layers)
	}
	return g.Mix(ctx, w, whole...)
}

// Mix makes an image for each of layers, which say for each layer of the network which of the
// styles it takes: the first layers say what is there and how it stands, the last how it looks.
func (g *Generator) Mix(ctx context.Context, styles [][]float32, layers ...[]int) (Array, error) {
	for _, of := range layers {
		if len(of) != g.Layers || len(of) == 0 {
			return Array{}, fmt.Errorf("styles of %d layers; %s has %d", len(of), g.m.Name, g.Layers)
		}
	}
	return g.each(ctx, len(layers), func(from, to int) (map[string]Array, error) {
		a := Array{Shape: []int{to - from, g.Layers, g.Size}}
		for _, of := range layers[from:to] {
			for _, k := range of {
				a.Data = append(a.Data, styles[k]...)
			}
		}
		return map[string]Array{gan.W: a}, nil
	})
}

// each makes n images, a few at once.
func (g *Generator) each(ctx context.Context, n int, input func(from, to int) (map[string]Array, error)) (Array, error) {
	const atOnce = 4
	var all Array
	for from := 0; from < n; from += atOnce {
		in, err := input(from, min(from+atOnce, n))
		if err != nil {
			return Array{}, err
		}
		out, err := g.m.Forward(ctx, in)
		if err != nil {
			return Array{}, err
		}
		if all.Shape == nil {
			all.Shape = append([]int{}, out[gan.Image].Shape...)
			all.Shape[0] = n
		}
		all.Data = append(all.Data, out[gan.Image].Data...)
	}
	return all, nil
}

// Walk is rows of noise on great circles from each of some to the next, so many frames in all with
// both ends among them.
func Walk(ends [][]float32, frames int) [][]float32 {
	rows := make([][]float32, frames)
	for i := range rows {
		at := float64(i) * float64(len(ends)-1) / float64(max(frames-1, 1))
		k := min(int(at), len(ends)-2)
		rows[i] = diffusion.Slerp(ends[k], ends[k+1], at-float64(k))
	}
	return rows
}

// Drawn are images [N, 3, H, W] in [−1, 1] as pictures, values beyond cut off.
func Drawn(images Array) ([]*picture.Image, error) {
	s := images.Shape
	if len(s) != 4 || s[1] != 3 {
		return nil, fmt.Errorf("images of shape %v; expected [N 3 H W]", s)
	}
	return diffusion.ToPictures(images.Data, s[0], s[2], s[3]), nil
}
