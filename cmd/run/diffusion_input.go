package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/weights"
)

// paintingInput is what files give to a pipeline.
type paintingInput struct {
	image, mask *picture.Image          // or nil
	hints       [][]*picture.Image      // of ControlNets
	shown       []*picture.Image        // of IP-Adapters
	prompts     []string                // of -prompts
	raw         map[string]models.Array // of -input, or nil
}

// The raw inputs of a pipeline. Noise of step N is noise.N.
const (
	rawLatents = "latents"
	rawContext = "encoder_hidden_states"
	rawPooled  = "text_embeds"
	rawSizes   = "time_ids"
	rawNoise   = "noise."
)

var rawInputs = []string{rawLatents, rawContext, rawPooled, rawSizes}

// readPainting reads the files that flags name, before anything is loaded.
func (a *app) readPainting(ctx context.Context) (*paintingInput, error) {
	in := &paintingInput{}
	var err error
	if a.initImage != "" {
		if in.image, err = a.decode(a.initImage); err != nil {
			return nil, err
		}
	}
	if a.mask != "" {
		if in.mask, err = a.decode(a.mask); err != nil {
			return nil, err
		}
		if in.mask.W != in.image.W || in.mask.H != in.image.H {
			return nil, fmt.Errorf("mask %s: it is %dx%d and the picture %s %dx%d (width x height); give one of the picture's size", a.mask, in.mask.W, in.mask.H, a.initImage, in.image.W, in.image.H)
		}
	}
	if in.hints, err = a.readHints(ctx); err != nil {
		return nil, err
	}
	if in.shown, err = a.readShown(); err != nil {
		return nil, err
	}
	if a.input != "" {
		if in.raw, err = readTensors(a.input); err != nil {
			return nil, err
		}
	}
	for _, path := range []string{a.save, a.explain} {
		if path != "" {
			if err := cli.CheckWritable(path); err != nil {
				return nil, err
			}
		}
	}
	if a.promptFile != "" {
		if in.prompts, err = readLines("prompts", a.promptFile); err != nil {
			return nil, err
		}
	}
	prompts := slices.Concat(a.prompts, in.prompts)
	if err := a.promptLoRAs(prompts); err != nil {
		return nil, err
	}
	a.notePlain(prompts)
	return in, errors.Join(checkPictures(a.out), checkPictures(a.record))
}

// readLines reads the lines of a file that are not empty.
func readLines(what, path string) ([]string, error) {
	data, err := weights.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), weights.VocabularyLimit)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, path, reason(err))
	}
	var lines []string
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		n++
		if err := checkUTF8(line); err != nil {
			return nil, fmt.Errorf("%s %s, line %d: %w", what, path, n, err)
		}
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s %s: there is no line in it", what, path)
	}
	return lines, nil
}

// readTensors reads the raw inputs of a pipeline.
func readTensors(path string) (map[string]models.Array, error) {
	all, err := readInput(path)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if known := slices.Contains(rawInputs, name) || strings.HasPrefix(name, rawNoise); !known {
			return nil, fmt.Errorf("input %s: a pipeline has no input %s; it takes %s and %sN", path, name, strings.Join(rawInputs, ", "), rawNoise)
		}
	}
	return all, err
}

// fill puts what files give into a request.
func (in *paintingInput) fill(w *painter, q *diffusion.Request) error {
	if in.image != nil {
		if err := in.fillPicture(w, q); err != nil {
			return err
		}
	}
	if q.Frames > 0 {
		if err := in.fillVideo(w, q); err != nil {
			return err
		}
	} else if latents, ok := in.raw[rawLatents]; ok {
		if len(latents.Shape) != 4 {
			return fmt.Errorf("input %s: %s has shape %v, expected [N C H W]", w.input, rawLatents, latents.Shape)
		}
		q.Latents, q.Items = latents.Data, latents.Shape[0]
		q.Height, q.Width = latents.Shape[2]*w.p.Reduction(), latents.Shape[3]*w.p.Reduction()
	}
	if context, ok := in.raw[rawContext]; ok {
		if len(context.Shape) != 3 {
			return fmt.Errorf("input %s: %s has shape %v, expected [N T D]", w.input, rawContext, context.Shape)
		}
		q.Embeds = &diffusion.Embeds{Hidden: context.Data, Tokens: context.Shape[1]}
		if pooled, ok := in.raw[rawPooled]; ok {
			q.Embeds.Pooled = pooled.Data
		}
	}
	if sizes, ok := in.raw[rawSizes]; ok {
		q.TimeIDs = sizes.Data
	}
	for name := range in.raw {
		if strings.HasPrefix(name, rawNoise) {
			q.Noise = in.noise
		}
	}
	if err := w.fillShown(in.shown, q); err != nil {
		return err
	}
	return w.fillControls(in.hints, q)
}

// noise is the raw input of a step.
func (in *paintingInput) noise(step int) ([]float32, error) {
	name := fmt.Sprintf("%s%d", rawNoise, step)
	if x, ok := in.raw[name]; ok {
		return x.Data, nil
	}
	return nil, fmt.Errorf("input: the scheduler takes noise at step %d and there is no %s", step, name)
}

// fillPicture has the request begin with the pictures of the flags.
func (in *paintingInput) fillPicture(w *painter, q *diffusion.Request) error {
	if q.Strength = w.strength; w.strength != w.strength { // not given
		q.Strength = diffusion.DefaultStrength(in.mask != nil)
	}
	if err := w.p.SetPicture(q, in.image, in.mask, w.height > 0 || w.width > 0); err != nil {
		return err
	}
	if in.image.W != q.Width || in.image.H != q.Height {
		w.note("the picture of %dx%d is brought to %dx%d (width x height)", in.image.W, in.image.H, q.Width, q.Height)
	}
	return nil
}
