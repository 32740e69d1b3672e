package main

import (
	"cmp"
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
	"saccade/picture"
	"saccade/viewer"
	"saccade/weights"
	"saccade/zoo"
)

// paintingJSON is the document of what a pipeline drew.
type paintingJSON struct {
	head
	Prompt            string                `json:"prompt,omitempty"`
	Negative          string                `json:"negative_prompt,omitempty"`
	Syntax            diffusion.Syntax      `json:"prompt_syntax,omitempty"` // but plain
	Steps             int                   `json:"steps"`
	Guidance          float64               `json:"guidance"`
	Rescale           float64               `json:"guidance_rescale,omitempty"`
	Refiner           string                `json:"refiner,omitempty"`
	RefinerStart      float64               `json:"refiner_start,omitempty"`
	Scheduler         string                `json:"scheduler"`
	Strength          float64               `json:"strength,omitempty"`
	Width             int                   `json:"width"`
	Height            int                   `json:"height"`
	Images            []paintedJSON         `json:"images"`
	Motion            string                `json:"motion,omitempty"`    // the adapter of a video
	Frames            int                   `json:"frames,omitempty"`    // of that
	Truncated         string                `json:"truncated,omitempty"` // of the prompt
	TruncatedNegative string                `json:"truncated_negative,omitempty"`
	Words             []wordJSON            `json:"words,omitempty"` // with -explain
	Explanation       *writtenJSON          `json:"explanation,omitempty"`
	Upscale           *enlargedJSON         `json:"upscale,omitempty"` // the network, and the size that it gave
	Memory            *diffusion.MemoryPlan `json:"memory,omitempty"`
	MS                paintTimesJSON        `json:"ms"`
}

// paintedJSON is one picture and where it is.
type paintedJSON struct {
	Path string `json:"path,omitempty"`
	Seed uint64 `json:"seed"`
}

// paintTimesJSON is what the parts of a call took, in milliseconds.
type paintTimesJSON struct {
	Load   float64 `json:"load"`   // configurations, prompt, weights, compilation
	Step   float64 `json:"step"`   // the mean of one
	Decode float64 `json:"decode"` // of all pictures
}

// painter is one call with a diffusion pipeline.
type painter struct {
	*app
	hub *weights.Hub
	p   *diffusion.Pipeline
	// refiner does the last steps, and enlarger makes pictures larger, if they are not nil.
	refiner  *diffusion.Pipeline
	enlarger *models.Model
	began    time.Time
	load     time.Duration // to the first step
	steps    time.Duration // of all steps
	after    time.Duration // decoding
	done     int           // steps of all runs
	doc      paintingJSON

	recorded []*picture.Image // with -record, after each step
}

// paint is what the flags ask for of a pipeline.
func (a *app) paint(ctx context.Context) error {
	w := &painter{app: a, began: time.Now(), hub: weights.HubFromEnv()}
	in, err := a.readPainting(ctx)
	if err != nil {
		return err
	}
	if err := a.open(); err != nil {
		return err
	}
	m, err := a.loadModel(ctx, a.model, a.weights, models.Options{Precision: a.precision, Hub: w.hub, Embedded: zoo.All(), Tokenizer: a.tokenizer, VAE: a.vae, Embeddings: a.embeddings,
		PredictionType: a.prediction, LoRA: a.loras, LowMemory: a.lowMemory, Tiled: a.tiled, Motion: a.motion})
	if err != nil {
		return usageOf(err)
	}
	defer m.Close()
	w.p = m.Pipeline.(*diffusion.Pipeline) // as isPipeline says
	for _, l := range w.p.LoRAs() {
		if n := len(l.Unmatched); n > 0 {
			a.note("LoRA %s: %s changed; %s of it the pipeline does not have, such as %s", l.File, cli.Count(l.Layers, "layer"), cli.Count(n, "layer"), l.Unmatched[0])
		}
		if n := len(l.Orphans); n > 0 {
			a.note("LoRA %s: %s of it have an alpha and nothing to scale, such as %s", l.File, cli.Count(n, "layer"), l.Orphans[0])
		}
		if n := len(l.Unread); n > 0 {
			a.note("LoRA %s: %s of it are left out, as diffusers leaves them out, such as %s", l.File, cli.Count(n, "tensor"), l.Unread[0])
		}
	}
	if tokens := w.p.Tokens(); len(tokens) > 0 {
		a.note("a prompt may name %s", strings.Join(tokens, ", "))
	}
	if err := w.makeDepths(ctx, in.hints); err != nil {
		return err
	}
	if err := w.openControls(ctx); err != nil {
		return err
	}
	if err := w.openIPAdapters(ctx); err != nil {
		return err
	}
	closeRefiner, err := w.openRefiner(ctx)
	if err != nil {
		return err
	}
	defer closeRefiner()
	closeEnlarger, err := w.openEnlarger(ctx)
	if err != nil {
		return err
	}
	defer closeEnlarger()
	q, err := w.request(in)
	switch {
	case err != nil:
	case in.prompts != nil:
		err = w.drawEach(ctx, q, in.prompts)
	default:
		err = w.do(ctx, q)
	}
	return usageOf(err)
}

// usageOf makes of what a pipeline can't do a mistake in the flags.
func usageOf(err error) error {
	var bad *diffusion.RequestError
	if errors.As(err, &bad) {
		return cli.Usage(err)
	}
	return err
}

// do is one of what there is to do with a request.
func (w *painter) do(ctx context.Context, q diffusion.Request) error {
	switch {
	case w.verify:
		return w.verifyStep(ctx, q)
	case w.profile:
		return w.profileStep(ctx, q)
	case w.forward:
		return w.drawForward(ctx, q)
	case w.view:
		return w.showRun(ctx, q)
	case q.Frames > 0:
		return w.drawVideo(ctx, q)
	case w.frames > 0:
		return w.drawFrames(ctx, q)
	}
	return w.drawPictures(ctx, q)
}

// request makes the flags' request to the pipeline.
func (w *painter) request(in *paintingInput) (diffusion.Request, error) {
	q := w.p.Defaults()
	if w.batch > 0 {
		if err := gpu.HostFits([]int{w.batch, 3, max(q.Height, w.height), max(q.Width, w.width)}, 4); err != nil {
			return q, cli.Usagef("-batch %d: %w", w.batch, err)
		}
		q.Items = w.batch
	}
	for _, set := range []struct {
		to    *int
		value int
	}{{&q.Height, w.height}, {&q.Width, w.width}, {&q.Steps, w.painting.steps}} {
		if set.value > 0 {
			*set.to = set.value
		}
	}
	if q.Frames > 0 && w.frames > 0 {
		q.Frames = w.frames
	}
	if q.Frames > 0 {
		if err := gpu.HostFits([]int{q.Frames, 3, q.Height, q.Width}, 4); err != nil {
			return q, cli.Usagef("-frames %d: %w", q.Frames, err)
		}
	}
	if !math.IsNaN(w.guidance) {
		if w.guidance > 1 && !w.p.Prompted() {
			return q, cli.Usagef("-guidance %g: %s takes no prompt to weigh; leave it out", w.guidance, w.p.Class)
		}
		q.Guidance = w.guidance
	}
	q.Context, q.Stride = w.painting.context, w.stride
	q.Prompts, q.Scheduler, q.ClipSkip, q.Watch = w.drawn(w.prompts), w.scheduler, w.clipSkip, w.explain != ""
	if len(q.Prompts) > 1 {
		q.Prompts = q.Prompts[:1]
	}
	if w.given["negative-prompt"] {
		q.Negative = &w.negative
	}
	if err := in.fill(w, &q); err != nil {
		return q, err
	}
	q.Syntax, q.Rescale = w.syntax, w.rescale
	if w.refiner != nil {
		q.To = w.refinerStart
		if err := w.refiner.Continues(w.p, q); err != nil {
			return q, err
		}
	}
	q.Seeds = diffusion.Seeds(w.seed, q.Items)
	if w.seed < 0 {
		fmt.Fprintf(w.stderr, "seed %d\n", q.Seeds[0])
	}
	return q, nil
}

// finish runs a request to its end, with a bar. An interrupt ends it early; with
// -partial there is a result then too.
func (w *painter) finish(ctx context.Context, q diffusion.Request) (*diffusion.Run, *diffusion.Result, error) {
	run, err := w.start(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	w.load += time.Since(w.began)
	if err := w.step(ctx, run); err != nil && !(w.partial && ctx.Err() != nil && run.Done() > 0) {
		run.Close()
		return nil, nil, err
	}
	if run, err = w.refine(ctx, run); err != nil {
		return nil, nil, err
	}
	began := time.Now()
	result, err := run.Result(context.WithoutCancel(ctx))
	w.after += time.Since(began)
	w.began = time.Now()
	if err != nil {
		run.Close()
		return nil, nil, err
	}
	if result.Fallback {
		w.note("the decoder's halves overflowed; it ran in f32")
	}
	return run, result, nil
}

// start plans a run, tells once what it takes on the device, begins it, and tells
// what it leaves out.
func (w *painter) start(ctx context.Context, q diffusion.Request) (*diffusion.Run, error) {
	run, err := w.p.Plan(q)
	if err != nil {
		return nil, err
	}
	if w.doc.Memory == nil {
		fmt.Fprintf(w.stderr, "memory: %s\n", run.Memory)
		w.doc.Memory = run.Memory
	}
	if err := run.Start(ctx); err != nil {
		run.Close()
		return nil, err
	}
	w.warn(run)
	return run, nil
}

// step does all steps.
func (w *painter) step(ctx context.Context, run *diffusion.Run) error {
	bar, began := w.progress(), time.Now()
	defer func() {
		bar.clear()
		w.steps += time.Since(began)
		w.done += run.Done()
	}()
	for run.Next() {
		if err := run.Step(ctx); err != nil {
			return err
		}
		bar.steps(run.Done(), run.Steps(), time.Since(began))
		if w.record != "" {
			images, err := run.Preview(ctx, nil)
			if err != nil {
				return err
			}
			w.recorded = append(w.recorded, images[0])
		}
	}
	return nil
}

// drawPictures makes the request's pictures, and writes them.
func (w *painter) drawPictures(ctx context.Context, q diffusion.Request) error {
	run, result, err := w.finish(ctx, q)
	if err != nil {
		return err
	}
	defer run.Close()
	if err := w.keep(ctx, run, result); err != nil {
		return err
	}
	return w.end(ctx, q)
}

// keep writes what the flags name of a run at its end.
func (w *painter) keep(ctx context.Context, run *diffusion.Run, result *diffusion.Result) error {
	drawn, q := result.Pictures(), run.Request
	images, err := w.enlarge(ctx, drawn)
	if err != nil {
		return err
	}
	if err := w.writePictures(images, q); err != nil {
		return err
	}
	if w.record != "" {
		if err := w.writeFrames(ctx, w.record, w.recorded, q); err != nil {
			return err
		}
	}
	if w.explain != "" {
		if err := w.explainPrompt(run, drawn[0]); err != nil {
			return err
		}
	}
	if w.save != "" {
		return w.saveResult(q, result)
	}
	return nil
}

// drawEach draws one picture of each prompt, some of them at once, in one picture or
// a folder.
func (w *painter) drawEach(ctx context.Context, q diffusion.Request, prompts []string) error {
	const atOnce = 8
	all := diffusion.Seeds(int64(q.Seeds[0]), len(prompts))
	each := cmp.Or(w.batch, atOnce)
	var images []*picture.Image
	for at := 0; at < len(prompts); at += each {
		some := q
		some.Items = min(each, len(prompts)-at)
		some.Prompts, some.Seeds = w.drawn(prompts[at:at+some.Items]), all[at:at+some.Items]
		run, result, err := w.finish(ctx, some)
		if err != nil {
			return err
		}
		run.Close()
		more, err := w.enlarge(ctx, result.Pictures())
		if err != nil {
			return err
		}
		images = append(images, more...)
	}
	q.Seeds, w.prompts = all, prompts
	if err := w.writePictures(images, q); err != nil {
		return err
	}
	return w.report(q)
}

// showRun shows a request in a window. What -o, -record and -save name is written
// when the run ends for the first time.
func (w *painter) showRun(ctx context.Context, q diffusion.Request) error {
	o := live.DiffusionOptions{Name: w.prompt(), Preview: w.preview, Every: w.viewEvery, Start: w.start, Done: w.ended, Save: w.saveStep, FPS: w.fps}
	if w.tinyWeights != "" {
		var err error
		if o.Tiny, err = w.p.OpenTiny(ctx, w.tinyWeights, w.hub); err != nil {
			return err
		}
		defer o.Tiny.Close()
	}
	session, err := live.NewDiffusion(ctx, w.p, q, o)
	if err != nil {
		return err
	}
	err = viewer.New(session, viewer.Options{Smooth: true}).Run(ctx, w.dev)
	return errors.Join(err, session.Close())
}

// ended writes what the flags name of a run that a window shows.
func (w *painter) ended(ctx context.Context, run *diffusion.Run, steps []*diffusion.Snapshot) error {
	if w.record != "" {
		for _, s := range steps {
			images, err := run.Preview(ctx, s)
			if err != nil {
				return err
			}
			w.recorded = append(w.recorded, images[0])
		}
	}
	if w.out == "" && w.save == "" && w.record == "" {
		return nil
	}
	result, err := run.Result(ctx)
	switch {
	case err != nil:
		return err
	case run.Request.Frames > 0:
		return w.keepVideo(ctx, run, result)
	}
	return w.keep(ctx, run, result)
}

// saveStep writes the images of a request after a step to new files, a video's frames to one.
func (w *painter) saveStep(q diffusion.Request, step int, images []*picture.Image) (string, error) {
	name := func(i int) string { return fmt.Sprintf("saccade-%d-step-%d", q.Seeds[i], step) }
	if q.Frames > 0 {
		path := filepath.Join(filepath.Dir(w.out), name(0)+".gif")
		return path, picture.WriteGIF(path, images, w.fps)
	}
	var paths []string
	for i, img := range images {
		paths = append(paths, filepath.Join(filepath.Dir(w.out), name(i)+".png"))
		if err := picture.WritePNG(paths[i], img, w.parameters(q, w.prompt(), q.Seeds[i])); err != nil {
			return "", err
		}
	}
	return strings.Join(paths, ", "), nil
}
