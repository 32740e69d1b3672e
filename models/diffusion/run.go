package diffusion

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/diffusion/scheduler"
	"saccade/models/nn"
	"saccade/picture"
)

// Run is a request under way: latents on the device, and how many steps they have
// gone.
type Run struct {
	Request   Request
	Truncated []string // what the text towers did not see of each prompt, "" for most
	// TruncatedNegative is that of the negative prompt.
	TruncatedNegative string
	Words             [][]Word // of each prompt
	Memory            *MemoryPlan

	p      *Pipeline
	plan   *scheduler.Plan
	loop   *loop
	step   int
	before int // steps of the run that this one goes on from
	chunks int // of tokens that the prompts take
	sizes  []float32
	given  map[string][]float32
	image  []float32 // the picture's latents, channels last, or nil
}

// newRun checks a request, plans its steps and records one, without taking memory.
func (p *Pipeline) newRun(q Request) (*Run, error) {
	if err := p.validate(&q); err != nil {
		return nil, err
	}
	plan, err := p.steps(&q)
	if err != nil {
		return nil, err
	}
	r := &Run{Request: q, p: p, plan: plan, given: map[string][]float32{}}
	if r.chunks, err = p.promptChunks(&q); err != nil {
		return nil, err
	}
	if r.loop, err = newLoop(p, plan, r.shape()); err != nil {
		return nil, err
	}
	return r, nil
}

// steps plans those of a request.
func (p *Pipeline) steps(q *Request) (*scheduler.Plan, error) {
	config, err := p.scheduler(q.Scheduler, q.Mask != nil)
	if err != nil {
		return nil, err
	}
	var plan *scheduler.Plan
	switch {
	case q.From > 0 || q.To < 1:
		plan, err = config.PlanPart(q.Steps, q.From, q.To)
	case q.Image != nil:
		plan, err = config.Plan(q.Steps, q.Strength)
	default:
		plan, err = config.Plan(q.Steps, 1)
	}
	if err != nil {
		return nil, &RequestError{err.Error()}
	}
	return plan, nil
}

// Start is [Pipeline.Plan] and [Run.Start].
func (p *Pipeline) Start(ctx context.Context, q Request) (*Run, error) {
	r, err := p.Plan(q)
	if err != nil {
		return nil, err
	}
	if err := r.Start(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Start encodes what the request gives and puts the first latents on the device, of
// a run that was planned. Close frees the run, also after an error.
func (r *Run) Start(ctx context.Context) error {
	if err := r.encode(ctx); err != nil {
		return err
	}
	if r.Memory.LowMemory { // what was recorded is gone with the layers
		r.p.drop()
		r.loop.close()
		var err error
		if r.loop, err = newLoop(r.p, r.plan, r.shape()); err != nil {
			return err
		}
	}
	if err := r.loop.start(); err != nil {
		return err
	}
	return r.Restart(ctx)
}

// guided says that the model is asked without the prompt too, which one that is
// told the guidance is not.
func (r *Run) guided() bool { return r.p.guided(&r.Request) }

func (p *Pipeline) guided(q *Request) bool {
	return p.Prompted() && q.Guidance > 1 && p.config.TimeCond == 0
}

// encode makes of prompts and pictures what the loop takes.
func (r *Run) encode(ctx context.Context) error {
	if r.p.Prompted() {
		if err := r.encodePrompts(ctx); err != nil {
			return err
		}
	}
	if err := r.encodeImages(ctx); err != nil {
		return err
	}
	for i, c := range r.loop.controls {
		hint := r.Request.Controls[c.at].Hint
		size := 3 * r.Request.Height * r.Request.Width
		times := r.loop.evaluations() / (len(hint) / size) // of one hint, or of one for each frame
		r.given[givenHint(i)] = slices.Repeat(channelsLast(hint, 3, size/3), times)
	}
	if err := r.encodeFeatures(ctx); err != nil {
		return err
	}
	if r.Request.Image != nil {
		if err := r.encodePictures(ctx); err != nil {
			return err
		}
	}
	return nil
}

// encodePrompts embeds the prompts, behind the negative one where there is guidance.
func (r *Run) encodePrompts(ctx context.Context) error {
	q, n := &r.Request, r.Request.Items
	with := q.Embeds
	if with == nil {
		var err error
		if with, err = r.p.Encode(ctx, q.Prompts, Reading{Syntax: q.Syntax, ClipSkip: q.ClipSkip, Chunks: r.chunks}); err != nil {
			return err
		}
	}
	r.Truncated, r.Words = with.Truncated, with.Words
	width := with.Tokens * r.p.config.Context
	hidden, pooled := repeat(with.Hidden, n, width), with.Pooled
	if pooled != nil {
		pooled = repeat(pooled, n, r.p.pooled())
	}
	if r.guided() {
		without, err := r.negative(ctx)
		if err != nil {
			return err
		}
		r.TruncatedNegative = without.Truncated[0]
		hidden = append(repeat(without.Hidden, n, width), hidden...)
		if pooled != nil {
			pooled = append(repeat(without.Pooled, n, r.p.pooled()), pooled...)
		}
	}
	r.given[givenContext] = hidden
	if r.p.xl() {
		r.given[givenPooled] = pooled
		r.sizes = repeat(r.told(aestheticScore), n, r.p.sizes())
		if r.guided() {
			r.sizes = append(repeat(r.told(negativeAestheticScore), n, r.p.sizes()), r.sizes...)
		}
	}
	return nil
}

// told is what SDXL's UNet is told of the image: sizes, and the refiner a score.
func (r *Run) told(score float32) []float32 {
	q, h, w := &r.Request, float32(r.Request.Height), float32(r.Request.Width)
	switch {
	case q.TimeIDs != nil:
		return q.TimeIDs
	case r.p.files.Aesthetics:
		return []float32{h, w, 0, 0, score}
	}
	return []float32{h, w, 0, 0, h, w}
}

// pooled is the width of SDXL's pooled prompt.
func (p *Pipeline) pooled() int {
	if !p.xl() {
		return 0
	}
	return p.config.Pooled(p.sizes())
}

// negative embeds the negative prompt, for which diffusers leaves out no block.
// SDXL's absent one is zeros.
func (r *Run) negative(ctx context.Context) (*Embeds, error) {
	p, q := r.p, &r.Request
	e, err := p.Encode(ctx, []string{q.negative()}, Reading{Syntax: q.Syntax, Chunks: r.chunks})
	if err == nil && p.xl() && q.Negative == nil && p.files.ForceZeros {
		clear(e.Hidden)
		clear(e.Pooled)
	}
	return e, err
}

// encodePictures makes latents of the picture and of the mask.
func (r *Run) encodePictures(ctx context.Context) error {
	q, p := &r.Request, r.p
	h, w := q.Height/p.Reduction(), q.Width/p.Reduction()
	latents, err := p.encodePicture(ctx, q.Image, q.Height, q.Width, r.Memory.Tiled)
	if err != nil {
		return err
	}
	n, channels := q.Items, p.latentChannels()
	r.image = channelsLast(repeat(latents, n, channels*h*w), channels, h*w)
	if q.Mask == nil {
		return nil
	}
	mask := nearest(q.Mask, q.Height, q.Width, h, w)
	if !p.inpaints() {
		r.given[givenImage] = r.image
		r.given[givenMask] = repeat(spread(mask, channels), n, h*w*channels)
		return nil
	}
	if latents, err = p.encodePicture(ctx, masked(q.Image, q.Mask), q.Height, q.Width, r.Memory.Tiled); err != nil {
		return err
	}
	kept := channelsLast(repeat(latents, n, channels*h*w), channels, h*w)
	extra := beside(repeat(mask, n, h*w), kept, channels)
	if r.guided() {
		extra = append(extra, extra...)
	}
	r.given[givenExtra] = extra
	return nil
}

// shape is what the loop is recorded for.
func (r *Run) shape() shape {
	q, p := &r.Request, r.p
	s := shape{items: q.Items, video: q.video(), h: q.Height / p.Reduction(), w: q.Width / p.Reduction(), channels: p.latentChannels(), guided: r.guided(),
		pooled: p.pooled(), blend: q.Mask != nil && !p.inpaints(), words: q.Watch && p.Prompted()}
	for _, a := range p.images {
		s.imageTokens = append(s.imageTokens, a.config.Tokens)
	}
	s.rescaled = s.guided && q.Rescale > 0
	if p.Prompted() {
		s.tokens = r.chunks * p.encoders[0].length
	}
	if p.xl() {
		s.sizes = r.p.sizes()
	}
	if p.inpaints() {
		s.extra = p.config.In - p.config.Out
	}
	return s
}

// Restart puts the first latents on the device: those of the request's seeds, or
// its own.
func (r *Run) Restart(ctx context.Context) error {
	noise, err := r.noise(-1)
	if err != nil {
		return err
	}
	image, level := noise, scheduler.Level{Noise: r.plan.InitSigma}
	if r.Request.From > 0 { // the latents have their noise
		level = scheduler.Level{Noise: 1}
	}
	if r.image != nil && (r.Request.Strength < 1 || r.Request.Mask == nil) {
		image, level = r.image, r.plan.Steps[0].Level
	}
	given := map[string][]float32{givenStart: noise}
	for name, v := range r.given {
		given[name] = v
	}
	r.step = 0
	return r.loop.begin(ctx, r.p.dev, r.p.Precision, given, noise, image, level)
}

// noise is that of a step, or before the first of step −1, channels last. The steps
// are counted from those of the run that this one goes on from.
func (r *Run) noise(step int) ([]float32, error) {
	q, l := &r.Request, r.loop
	size := l.channels * l.h * l.w
	all := make([]float32, q.Items*size)
	switch {
	case step < 0 && q.Latents != nil:
		copy(all, q.Latents)
	case step >= 0 && q.Noise != nil:
		given, err := q.Noise(r.before + step)
		if err != nil {
			return nil, err
		}
		if len(given) != len(all) {
			return nil, requestErrorf("noise of step %d has %d values; expected %d, as many as the latents", r.before+step, len(given), len(all))
		}
		copy(all, given)
	case q.Frames > 0: // of the whole video, [C frames h w] as diffusers has it
		Noise(all, q.Seeds[0], r.before+step+1)
		all = FramesFirst(all, l.channels, q.Frames, l.h*l.w)
		if step < 0 {
			shuffleFrames(all, q, size)
		}
	default:
		for i := range q.Items {
			seed := uint64(i)
			if i < len(q.Seeds) {
				seed = q.Seeds[i]
			}
			Noise(all[i*size:(i+1)*size], seed, r.before+step+1)
		}
	}
	return channelsLast(all, l.channels, l.h*l.w), nil
}

// Steps is the number of evaluations of the model, Done how many of them are done.
func (r *Run) Steps() int { return len(r.plan.Steps) }

// Done is the number of steps that are done.
func (r *Run) Done() int { return r.step }

// Next says that there is a step left.
func (r *Run) Next() bool { return r.step < len(r.plan.Steps) }

// Timestep is that of the next step, or of the last where none is left.
func (r *Run) Timestep() float64 { return r.plan.Steps[min(r.step, len(r.plan.Steps)-1)].Timestep }

// Step does the next step. After an error that ends ctx the step can be done
// again only from [Run.Restart] on.
func (r *Run) Step(ctx context.Context) error {
	in, err := r.stepInputs()
	if err != nil {
		return err
	}
	if _, err := r.loop.program.Run(ctx, in); err != nil {
		return err
	}
	r.step++
	return nil
}

func (r *Run) stepInputs() (map[string]any, error) {
	var noise []float32
	if r.loop.noisy() {
		noise = make([]float32, r.Request.Items*r.loop.channels*r.loop.h*r.loop.w)
		if r.plan.Steps[r.step].Noise {
			var err error
			if noise, err = r.noise(r.step); err != nil {
				return nil, err
			}
		}
	}
	return r.loop.inputs(r.step, r.Request.Guidance, r.Request.Rescale, r.Request.Controls, r.sizes, noise), nil
}

// Profile times every dispatch of the next step, which it does.
func (r *Run) Profile(ctx context.Context) ([]gpu.Timing, error) {
	in, err := r.stepInputs()
	if err != nil {
		return nil, err
	}
	t, err := r.loop.program.Profile(ctx, in)
	r.step++
	return t, err
}

// Verify does the next step operation by operation and compares each with the CPU.
func (r *Run) Verify(ctx context.Context) ([]gpu.OpCheck, error) {
	in, err := r.stepInputs()
	if err != nil {
		return nil, err
	}
	checks, err := r.loop.program.Verify(ctx, in, false)
	r.step++
	return checks, err
}

// StepMemory is what the parts' weights and a step take on the device, in bytes.
func (r *Run) StepMemory() (weights int64, step gpu.Memory) {
	return r.p.weightBytes(), r.loop.program.Memory()
}

// Latents reads the latents of all items, [items C h w].
func (r *Run) Latents() ([]float32, error) {
	x, err := r.loop.latents.Read()
	if err != nil {
		return nil, err
	}
	return channelsFirst(x, r.loop.channels, r.loop.h*r.loop.w), nil
}

// Result is what a run made.
type Result struct {
	Latents  []float32 // [items C h w], before division by the autoencoder's scaling factor
	Image    []float32 // [items C Height Width], in [−1, 1] but for what goes beyond
	Fallback bool      // the decoder's halves overflowed, so that it ran in f32

	items, h, w int // of Image
}

// Result decodes the latents as they are: after the last step, or before it.
func (r *Run) Result(ctx context.Context) (*Result, error) {
	latents, err := r.Latents()
	if err != nil {
		return nil, err
	}
	if !gpu.Finite(latents) {
		return nil, r.diagnose(ctx)
	}
	if r.Memory.LowMemory {
		r.Close()
		r.p.drop()
	}
	out := &Result{Latents: latents, items: r.Request.Items, h: r.Request.Height, w: r.Request.Width}
	out.Image, out.Fallback, err = r.p.decodeLatents(ctx, latents, r.loop.h, r.loop.w, r.Memory.Tiled)
	return out, err
}

// Preview is the pictures of a snapshot, or with nil of the run as it is: of latents
// with the noise that is left in them. It reads back.
func (r *Run) Preview(ctx context.Context, s *Snapshot) ([]*picture.Image, error) {
	from, done := r.loop.latents, r.step
	if s != nil {
		from, done = s.tensors[0], s.Done
	}
	x, err := from.Read()
	if err != nil {
		return nil, err
	}
	scale := r.plan.EndScale
	if done < len(r.plan.Steps) { // to the variance that the model sees
		scale = r.plan.Steps[done].InputScale
	}
	latents := scaled(channelsFirst(x, r.loop.channels, r.loop.h*r.loop.w), scale, 0)
	pictures, _, err := r.p.decodeLatents(ctx, latents, r.loop.h, r.loop.w, r.Memory.Tiled)
	if err != nil {
		return nil, err
	}
	return ToPictures(pictures, r.Request.Items, r.Request.Height, r.Request.Width), nil
}

// diagnose runs again from the beginning, operation by operation, and names the
// first that makes NaN or Inf.
func (r *Run) diagnose(ctx context.Context) error {
	if !gpu.Finite(r.Request.Latents) {
		return &nn.NonFiniteError{What: "the latents hold NaN or Inf", Input: "latents"}
	}
	if err := r.Restart(ctx); err != nil {
		return err
	}
	for ; r.Next(); r.step++ {
		in, err := r.stepInputs()
		if err != nil {
			return err
		}
		op, err := r.loop.program.FindNonFinite(ctx, in)
		if err != nil {
			return err
		}
		if op != "" {
			return &nn.NonFiniteError{What: fmt.Sprintf("the latents hold NaN or Inf from step %d on", r.step+1), Op: op, F16: r.p.Precision == gpu.F16}
		}
	}
	return errors.New("the latents held NaN or Inf, and did not when the steps were done again")
}

// Close frees the memory of the loop. The pipeline's weights stay.
func (r *Run) Close() {
	r.loop.close()
}
