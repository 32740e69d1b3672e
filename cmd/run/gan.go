package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/live"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/gan"
	"saccade/picture"
	"saccade/viewer"
)

// generatedJSON is the document of images of noise.
type generatedJSON struct {
	head
	Truncation float64       `json:"truncation,omitempty"`
	Frames     int           `json:"frames,omitempty"`
	Width      int           `json:"width"`
	Height     int           `json:"height"`
	Images     []paintedJSON `json:"images"`
	MS         timesJSON     `json:"ms"`
}

// drawNoise makes images of seeds, a walk between two of them, or images of raw inputs.
func (a *app) drawNoise(ctx context.Context, m *models.Model) error {
	if err := checkPictures(a.out); err != nil {
		return err
	}
	doc := generatedJSON{head: a.head(m), Frames: a.frames, Images: []paintedJSON{}}
	var z [][]float32
	var seeds []uint64
	g, err := m.Generator()
	if err == nil && a.raw == nil {
		z, seeds, err = a.noises(g)
	}
	if err != nil {
		return err
	}
	if a.view {
		return a.mixNoise(ctx, g, seeds)
	}
	began := time.Now()
	var drawn models.Array
	if a.raw == nil {
		drawn, err = g.Draw(ctx, z, a.truncation)
	} else {
		drawn, seeds, err = a.ofRaw(ctx, m)
	}
	if errors.Is(err, models.ErrNoStyles) {
		return cli.Usagef("-truncation %g: %w", a.truncation, err)
	}
	if err != nil {
		return a.ofInput(err)
	}
	forward := time.Since(began)
	images, err := models.Drawn(drawn)
	if err != nil {
		return err
	}
	doc.Width, doc.Height = images[0].W, images[0].H
	if a.truncation != 1 {
		doc.Truncation = a.truncation
	}
	if doc.Images, err = a.writeGenerated(ctx, images, seeds); err != nil {
		return err
	}
	if a.save != "" {
		s := newSaver()
		s.set(a.input, map[string]models.Array{gan.Image: drawn})
		if err := s.write(a.save); err != nil {
			return err
		}
	}
	doc.MS = times(m, forward)
	if a.json {
		return a.stdout.document(doc)
	}
	for _, img := range doc.Images {
		if img.Path != "" {
			a.stdout.printf("%s\n", img.Path)
		}
	}
	return nil
}

// mixNoise shows images of seeds in a window, and mixes their styles.
func (a *app) mixNoise(ctx context.Context, g *models.Generator, seeds []uint64) error {
	if g.Layers == 0 && a.truncation != 1 {
		return cli.Usagef("-truncation %g: %w", a.truncation, models.ErrNoStyles)
	}
	s, err := live.NewMixing(ctx, g, live.MixingOptions{Name: filepath.Base(a.weights), Seeds: seeds, Truncation: a.truncation, Save: a.saveMixture})
	if err != nil {
		return err
	}
	defer s.Close()
	return viewer.New(s, viewer.Options{Smooth: true}).Run(ctx, a.dev)
}

// saveMixture writes an image of mixed styles to a new file.
func (a *app) saveMixture(img *picture.Image, made live.Mixture) (string, error) {
	file := freeName("saccade_mix")
	return file, picture.WritePNG(file, img, picture.Text{Key: "parameters", Value: fmt.Sprintf("%s, Size: %dx%d, Model: %s", made, img.W, img.H, filepath.Base(a.weights))})
}

// noises are rows of noise: those of the seeds, or those between two of them, with the seeds.
func (a *app) noises(g *models.Generator) (z [][]float32, seeds []uint64, err error) {
	n := max(a.batch, 1)
	if a.view && a.batch == 0 {
		n = mixedSeeds
	}
	if err := gpu.HostFits([]int{n, g.Size}, 4); err != nil {
		return nil, nil, cli.Usagef("-batch %d: %w", n, err)
	}
	if a.frames > 0 {
		n = 2
	}
	seeds = diffusion.Seeds(a.painting.seed, n)
	if a.given["to-seed"] {
		seeds[n-1] = uint64(a.toSeed)
	}
	if a.painting.seed < 0 {
		fmt.Fprintf(a.stderr, "seed %d\n", seeds[0])
	}
	for _, seed := range seeds {
		z = append(z, g.Noise(seed))
	}
	if a.frames > 0 {
		z = models.Walk(z, a.frames)
	}
	return z, seeds, nil
}

// ofRaw makes images of raw inputs.
func (a *app) ofRaw(ctx context.Context, m *models.Model) (models.Array, []uint64, error) {
	out, err := m.Forward(ctx, a.raw)
	if err != nil {
		return models.Array{}, nil, err
	}
	drawn := out[gan.Image]
	return drawn, make([]uint64, drawn.Shape[0]), nil
}

// writeGenerated writes images: one, several in one picture, each to a folder, or as frames.
func (a *app) writeGenerated(ctx context.Context, images []*picture.Image, seeds []uint64) (written []paintedJSON, err error) {
	switch {
	case a.out == "":
		return nil, nil
	case isFolder(a.out):
		for i, img := range images {
			path := filepath.Join(a.out, a.generatedName(i, seeds))
			seed := seeds[min(i, len(seeds)-1)]
			written = append(written, paintedJSON{path, seed})
			if err := picture.WritePNG(path, img, a.madeOf(img, seed)...); err != nil {
				return nil, err
			}
		}
		return written, nil
	case holdsFrames(a.out):
		return []paintedJSON{{a.out, seeds[0]}}, a.writeMoving(ctx, a.out, images)
	}
	tiled := images[0]
	if len(images) > 1 {
		tiled = picture.Tile(images, int(math.Ceil(math.Sqrt(float64(len(images))))), gap)
	}
	return []paintedJSON{{a.out, seeds[0]}}, picture.WritePNG(a.out, tiled, a.madeOf(images[0], seeds...)...)
}

// generatedName is that of image i in a folder.
func (a *app) generatedName(i int, seeds []uint64) string {
	switch {
	case a.raw != nil:
		return fmt.Sprintf("image-%03d.png", i)
	case a.frames > 0:
		return fmt.Sprintf("frame-%03d.png", i)
	}
	return fmt.Sprintf("seed-%d.png", seeds[i])
}

// madeOf is what images of seeds were made of, as a text chunk of their file; of raw inputs there
// is none.
func (a *app) madeOf(img *picture.Image, seeds ...uint64) []picture.Text {
	if a.raw != nil {
		return nil
	}
	parts := []string{"Seed: " + strings.Trim(strings.ReplaceAll(fmt.Sprint(seeds), " ", ", "), "[]")}
	if a.frames > 0 {
		parts = append(parts, fmt.Sprintf("Frames: %d", a.frames))
	}
	if a.truncation != 1 {
		parts = append(parts, fmt.Sprintf("Truncation: %g", a.truncation))
	}
	parts = append(parts, fmt.Sprintf("Size: %dx%d, Model: %s", img.W, img.H, filepath.Base(a.weights)))
	return []picture.Text{{Key: "parameters", Value: strings.Join(parts, ", ")}}
}
