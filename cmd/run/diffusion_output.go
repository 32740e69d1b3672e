package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/picture"
)

// checkPictures finds out before the work whether pictures can be written to a
// file or a folder, which is made.
func checkPictures(path string) error {
	switch {
	case path == "":
		return nil
	case isFolder(path):
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("save %s: %w", path, reason(err))
		}
		return cli.CheckWritable(filepath.Join(path, "picture.png"))
	}
	return cli.CheckWritable(path)
}

// isFolder says that pictures go to a folder: one that is there, or a name without
// an extension.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || filepath.Ext(path) == ""
}

// writePictures writes the pictures of a request: one, several in one picture, or
// each to a folder.
func (w *painter) writePictures(images []*picture.Image, q diffusion.Request) error {
	if w.out == "" {
		for i := range images {
			w.doc.Images = append(w.doc.Images, paintedJSON{Seed: q.Seeds[i]})
		}
		return nil
	}
	if !isFolder(w.out) {
		tiled := images[0]
		if len(images) > 1 {
			tiled = picture.Tile(images, int(math.Ceil(math.Sqrt(float64(len(images))))), gap)
		}
		for i := range images {
			w.doc.Images = append(w.doc.Images, paintedJSON{w.out, q.Seeds[i]})
		}
		return picture.WritePNG(w.out, tiled, w.parameters(q, w.prompt(), q.Seeds...))
	}
	for i, img := range images {
		path := filepath.Join(w.out, fmt.Sprintf("seed-%d.png", q.Seeds[i]))
		prompt := w.prompt()
		if w.promptFile != "" {
			prompt = w.prompts[i]
		}
		if err := w.writePicture(path, img, q, prompt, q.Seeds[i]); err != nil {
			return err
		}
	}
	return nil
}

// writePicture writes a picture of a prompt and a seed.
func (w *painter) writePicture(path string, img *picture.Image, q diffusion.Request, prompt string, seed uint64) error {
	w.doc.Images = append(w.doc.Images, paintedJSON{path, seed})
	return picture.WritePNG(path, img, w.parameters(q, prompt, seed))
}

// gap is between pictures beside each other, pixels.
const gap = 2

// parameters is what pictures were made of, as a text chunk of their file.
func (w *painter) parameters(q diffusion.Request, prompt string, seeds ...uint64) picture.Text {
	if w.forward {
		return w.p.NoiseParameters(q, seeds)
	}
	of := diffusion.Provenance{Prompt: prompt, Seeds: seeds}
	if w.refiner != nil {
		of.Refiner, of.RefinerAt = w.refiner.Name, w.refinerStart
	}
	return w.p.Parameters(q, of)
}

// prompt is what all that is drawn is of: one prompt, from one to another, or many.
func (w *painter) prompt() string {
	if w.promptFile != "" {
		return strings.Join(w.prompts, "; ")
	}
	return strings.Join(w.prompts, " → ")
}

// writeFrames writes a sequence: a GIF, one picture, or each to a folder.
func (w *painter) writeFrames(ctx context.Context, to string, images []*picture.Image, q diffusion.Request) error {
	seed := q.Seeds[0]
	switch {
	case isFolder(to):
		for i, img := range images {
			path := filepath.Join(to, fmt.Sprintf("frame-%03d.png", i))
			if err := w.writePicture(path, img, q, w.prompt(), seed); err != nil {
				return err
			}
		}
		return nil
	case holdsFrames(to):
		w.doc.Images = append(w.doc.Images, paintedJSON{to, seed})
		return w.writeMoving(ctx, to, images)
	}
	const columns = 11
	return w.writePicture(to, picture.Tile(images, min(columns, len(images)), gap), q, w.prompt(), seed)
}

// saveResult writes the raw outputs.
func (w *painter) saveResult(q diffusion.Request, r *diffusion.Result) error {
	outputs := map[string]models.Array{"image": {Shape: []int{q.Items, len(r.Image) / (q.Items * q.Height * q.Width), q.Height, q.Width}, Data: r.Image}}
	if w.p.Latent() {
		h, width := q.Height/w.p.Reduction(), q.Width/w.p.Reduction()
		outputs["latents"] = models.Array{Shape: []int{q.Items, len(r.Latents) / (q.Items * h * width), h, width}, Data: r.Latents}
	}
	s := newSaver()
	s.set(w.input, outputs)
	return s.write(w.save)
}

// end reports what there is, of which an interrupt left out some.
func (w *painter) end(ctx context.Context, q diffusion.Request) error {
	if err := w.report(q); err != nil {
		return err
	}
	return ctx.Err()
}

// report prints what was made, or the document, and the summary.
func (w *painter) report(q diffusion.Request) error {
	d := &w.doc
	d.head = w.heading()
	d.Prompt, d.Negative = w.prompt(), w.negative
	d.Steps, d.Guidance, d.Scheduler, d.Width, d.Height = q.Steps, q.Guidance, w.p.SchedulerName(q.Scheduler), q.Width, q.Height
	if q.Image != nil {
		d.Strength = q.Strength
	}
	if d.Rescale = q.Rescale; w.syntax != diffusion.Plain {
		d.Syntax = w.syntax
	}
	if w.refiner != nil {
		d.Refiner, d.RefinerStart = w.refiner.Name, w.refinerStart
	}
	each := w.steps / time.Duration(max(1, w.done))
	d.MS = paintTimesJSON{milliseconds(w.load), milliseconds(each), milliseconds(w.after)}
	if w.json {
		return w.stdout.document(d)
	}
	seen := map[string]bool{}
	for _, img := range d.Images {
		if img.Path != "" && !seen[img.Path] {
			w.stdout.printf("%s\n", img.Path)
			seen[img.Path] = true
		}
	}
	if d.Explanation != nil {
		d.Explanation.print(w.stdout)
	}
	fmt.Fprintf(w.stderr, "%s (%s), %s, on %s\n", w.model, w.p.Name, w.precision, w.dev.Info())
	fmt.Fprintf(w.stderr, "load %s, %s of %s, decode %s\n", cli.Short(w.load), cli.Count(w.done, "step"), cli.Short(each), cli.Short(w.after))
	return nil
}

// drawFrames makes the frames on the way from one seed or prompt to another.
func (w *painter) drawFrames(ctx context.Context, q diffusion.Request) error {
	ways, err := w.p.Between(ctx, q, w.drawn(w.prompts), uint64(w.toSeed), w.given["to-seed"], w.frames)
	if err != nil {
		return err
	}
	var images []*picture.Image
	for _, way := range ways {
		run, result, err := w.finish(ctx, way)
		if err != nil {
			return err
		}
		run.Close()
		images = append(images, result.Pictures()...)
		if ctx.Err() != nil {
			break
		}
	}
	if err := w.writeFrames(ctx, w.out, images, q); err != nil {
		return err
	}
	return w.end(ctx, q)
}

// drawForward shows how noise takes a picture.
func (w *painter) drawForward(ctx context.Context, q diffusion.Request) error {
	w.load = time.Since(w.began)
	began := time.Now()
	levels, err := w.p.Forward(ctx, q)
	if err != nil {
		return err
	}
	w.after = time.Since(began)
	if err := w.writeFrames(ctx, w.out, diffusion.ToPictures(levels, len(levels)/len(q.Image), q.Height, q.Width), q); err != nil {
		return err
	}
	return w.report(q)
}

// heading is what all documents about a pipeline begin with.
func (w *painter) heading() head {
	return head{Model: w.model, Weights: w.p.Name, Precision: w.precision.String(), Adapter: w.adapterJSON()}
}

// profileStep prints the time of every dispatch of a warm step.
func (w *painter) profileStep(ctx context.Context, q diffusion.Request) error {
	run, err := w.p.Start(ctx, q)
	if err != nil {
		return err
	}
	defer run.Close()
	if err := run.Step(ctx); err != nil { // compiles, fills the caches
		return err
	}
	if !run.Next() {
		if err := run.Restart(ctx); err != nil {
			return err
		}
	}
	timings, err := run.Profile(ctx)
	if err != nil {
		return err
	}
	weights, memory := run.StepMemory()
	return w.showProfile(w.heading(), []int{q.Items, 3, q.Height, q.Width}, timings, weights, memory)
}

// verifyStep recomputes every operation of the first step on the CPU.
func (w *painter) verifyStep(ctx context.Context, q diffusion.Request) error {
	run, err := w.p.Start(ctx, q)
	if err != nil {
		return err
	}
	defer run.Close()
	checks, err := run.Verify(ctx)
	if err != nil {
		return err
	}
	return w.showChecks(w.heading(), checks)
}
