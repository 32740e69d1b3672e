package main

import (
	"context"
	"fmt"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
)

// moves says that the flags ask for a video, of a pipeline that draws nothing else or by a motion
// adapter.
func (o *options) moves() bool { return o.motion != "" || o.model == diffusion.Video.Name }

// checkVideo finds what does not go with a video.
func (o *options) checkVideo() error {
	g := &o.painting
	switch {
	case g.motion == "" && (g.context > 0 || g.stride > 0):
		return cli.Usagef("-context-length and -context-stride go with -motion, of whose frames they are")
	case !o.moves():
		return nil
	case g.stride > 0 && g.context == 0:
		return cli.Usagef("-context-stride goes with -context-length, the frames that are seen at once")
	case o.model == diffusion.Unconditional.Name:
		return cli.Usagef("-motion goes with -model %s or %s", diffusion.Video.Name, diffusion.Family.Name)
	}
	for name, given := range map[string]bool{"to-seed": o.given["to-seed"], "batch": o.given["batch"], "prompts": g.promptFile != "", "a second -prompt": len(g.prompts) > 1, "init-image": g.initImage != "", "forward": g.forward,
		"refiner": g.refinerSource != "", "record": g.record != "", "explain": o.explain != ""} {
		if given {
			return cli.Usagef("a video is one, of one prompt: -%s does not go with it", name)
		}
	}
	return nil
}

// drawVideo draws the frames of a video.
func (w *painter) drawVideo(ctx context.Context, q diffusion.Request) error {
	run, result, err := w.finish(ctx, q)
	if err != nil {
		return err
	}
	defer run.Close()
	if err := w.keepVideo(ctx, run, result); err != nil {
		return err
	}
	return w.end(ctx, q)
}

// keepVideo writes what the flags name of a video at its end.
func (w *painter) keepVideo(ctx context.Context, run *diffusion.Run, result *diffusion.Result) error {
	q := run.Request
	w.doc.Motion, w.doc.Frames = w.motion, q.Frames
	images, err := w.enlarge(ctx, result.Pictures())
	if err != nil {
		return err
	}
	if w.out != "" {
		if err := w.writeFrames(ctx, w.out, images, q); err != nil {
			return err
		}
	}
	if w.save != "" {
		return w.saveVideo(q, result)
	}
	return nil
}

// saveVideo writes the raw outputs: latents [1, C, F, h, w] and frames [1, F, 3, H, W].
func (w *painter) saveVideo(q diffusion.Request, r *diffusion.Result) error {
	h, width := q.Height/w.p.Reduction(), q.Width/w.p.Reduction()
	channels := len(r.Latents) / (q.Frames * h * width)
	s := newSaver()
	s.set(w.input, map[string]models.Array{
		"latents": {Shape: []int{1, channels, q.Frames, h, width}, Data: diffusion.FramesFirst(r.Latents, q.Frames, channels, h*width)},
		"frames":  {Shape: []int{1, q.Frames, len(r.Image) / (q.Frames * q.Height * q.Width), q.Height, q.Width}, Data: r.Image},
	})
	return s.write(w.save)
}

// fillVideo puts raw latents [1, C, F, h, w] into a request.
func (in *paintingInput) fillVideo(w *painter, q *diffusion.Request) error {
	latents, ok := in.raw[rawLatents]
	if !ok {
		return nil
	}
	s := latents.Shape
	if len(s) != 5 || s[0] != 1 || w.frames > 0 && s[2] != w.frames {
		return fmt.Errorf("input %s: %s has shape %v, expected [1 C F H W], of -frames where that is given", w.input, rawLatents, s)
	}
	q.Frames, q.Height, q.Width = s[2], s[3]*w.p.Reduction(), s[4]*w.p.Reduction()
	q.Latents = diffusion.FramesFirst(latents.Data, s[1], s[2], s[3]*s[4])
	return nil
}
