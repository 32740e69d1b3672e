package serve

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"saccade/models"
	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/serve/queue"
)

// painting is images that a pipeline is to make.
type painting struct {
	prompt   string
	negative *string
	syntax   diffusion.Syntax
	clipSkip int

	n             int
	seed          int64 // less than 0: random
	width, height int   // 0: the pipeline's, or the image's
	steps         int   // 0: the pipeline's
	guidance      *float64
	rescale       float64
	scheduler     string

	image, mask *picture.Image // or nil
	strength    *float64

	partial int         // previews of each image at most
	wanted  func() bool // in place of partial: whether one is wanted after a step; or nil
}

// painted is an image, or a preview of it.
type painted struct {
	png     []byte
	seed    uint64
	item    int
	preview int // its number, of previews; −1: it is done
	step    int
	steps   int
	request diffusion.Request
	sampler string // of the scheduler
	told    string // of an image: its parameters, as the file has them
}

// request makes a painting a pipeline's.
func (q *painting) request(p *diffusion.Pipeline, l Limits) (diffusion.Request, error) {
	r := p.Defaults()
	if q.width > 0 || q.height > 0 {
		r.Width, r.Height = q.width, q.height
	}
	if q.steps > 0 {
		r.Steps = q.steps
	}
	if q.guidance != nil {
		r.Guidance = *q.guidance
	}
	if q.guidance != nil && *q.guidance > 1 && !p.Prompted() {
		return r, refusef("guidance", "guidance %g: %s takes no prompt to weigh", *q.guidance, p.Class)
	}
	if p.Prompted() || q.prompt != "" {
		r.Prompts = []string{q.prompt}
	}
	r.Negative, r.Syntax, r.ClipSkip, r.Rescale, r.Scheduler = q.negative, q.syntax, q.clipSkip, q.rescale, q.scheduler
	if _, known := diffusion.KnownScheduler(q.scheduler); q.scheduler != "" && !known {
		return r, refusef("scheduler", "scheduler %q is unknown; the nearest is %q", q.scheduler, models.Nearest(q.scheduler, diffusion.Schedulers()))
	}
	switch {
	case r.Steps > l.Steps:
		return r, refusef("steps", "%d steps; at most %d are done", r.Steps, l.Steps)
	case r.Width > 1<<16 || r.Height > 1<<16 || r.Width*r.Height > l.Painted:
		return r, refusef("size", "an image of %dx%d; at most %d pixels are painted", r.Width, r.Height, l.Painted)
	case q.n > l.Images:
		return r, refusef("n", "%d images; at most %d are made at once", q.n, l.Images)
	}
	if q.image != nil {
		r.Strength = diffusion.DefaultStrength(q.mask != nil)
		if q.strength != nil {
			r.Strength = *q.strength
		}
		if err := p.SetPicture(&r, q.image, q.mask, q.width > 0 || q.height > 0); err != nil {
			return r, err
		}
		if r.Width*r.Height > l.Painted {
			return r, refusef("size", "an image of %dx%d; at most %d pixels are painted; give a size", r.Width, r.Height, l.Painted)
		}
	}
	return r, nil
}

// paint makes the images of a painting one after the other, each as run makes it of its
// seed, and tells of each, and of previews of it.
func (s *Server) paint(ctx context.Context, m *queue.Model, q *painting, told *events[painted]) error {
	preview := func(x painted) bool { return x.preview != done }
	tell := func(x painted) {
		if preview(x) {
			told.tellLast(x, preview)
			return
		}
		told.tell(x)
	}
	return m.Do(ctx, func(ctx context.Context, loaded *models.Model, t *queue.Turn) error {
		p := loaded.Pipeline.(*diffusion.Pipeline) // as canPaint says
		request, err := q.request(p, s.Limits)
		if err != nil {
			return err
		}
		if err := t.Take(ctx); err != nil {
			return err
		}
		for i, seed := range diffusion.Seeds(q.seed, q.n) {
			request.Seeds = []uint64{seed}
			one := painted{item: i, seed: seed, request: request}
			if err := s.paintOne(ctx, p, q, one, t, tell); err != nil {
				return err
			}
		}
		return nil
	})
}

// paintOne makes one image.
func (s *Server) paintOne(ctx context.Context, p *diffusion.Pipeline, q *painting, one painted, t *queue.Turn, tell func(painted)) error {
	run, err := p.Plan(one.request)
	if err != nil {
		return err
	}
	defer run.Close()
	if err := s.queue.CheckBudget(fmt.Sprintf("an image of %dx%d", run.Request.Width, run.Request.Height), run.Memory.Peak); err != nil {
		return err
	}
	if err := run.Start(ctx); err != nil {
		return err
	}
	if rest := run.Truncated; len(rest) > 0 && rest[0] != "" {
		return refusef("prompt", "the prompt is too long: the model does not see its end, %q", rest[0])
	}
	if run.TruncatedNegative != "" {
		return refusef("negative_prompt", "the negative prompt is too long: the model does not see its end, %q", run.TruncatedNegative)
	}
	v := previews{most: q.partial, wanted: q.wanted}
	one.steps, one.request = run.Steps(), run.Request
	for run.Next() {
		if err := run.Step(ctx); err != nil {
			return err
		}
		one.step = run.Done()
		if one.preview, one.png, err = v.after(ctx, run); err != nil {
			return err
		}
		tell(one) // without an image too: how far it is
		if err := t.Yield(ctx); err != nil {
			return err
		}
	}
	result, err := run.Result(ctx)
	if err != nil {
		return err
	}
	about := p.Parameters(run.Request, diffusion.Provenance{Prompt: q.prompt, Seeds: run.Request.Seeds})
	one.preview, one.sampler, one.told = done, p.SchedulerName(run.Request.Scheduler), about.Value
	if one.png, err = encode(result.Pictures()[0], about); err != nil {
		return err
	}
	tell(one)
	return nil
}

// done marks an image that is no preview.
const done = -1

// previews are images of a run under way, so many at most.
type previews struct {
	most, made int
	wanted     func() bool
}

// after is a preview behind a step, if one is due: they are spread over the steps.
func (v *previews) after(ctx context.Context, run *diffusion.Run) (number int, png []byte, err error) {
	due := v.made < v.most && run.Done()*(v.most+1) >= (v.made+1)*run.Steps()
	if v.wanted != nil {
		due = v.wanted()
	}
	if !due || !run.Next() {
		return v.made, nil, nil
	}
	images, err := run.Preview(ctx, nil)
	if err == nil {
		png, err = encode(images[0])
	}
	v.made++
	return v.made - 1, png, err
}

// encode is an image as a PNG.
func encode(img *picture.Image, texts ...picture.Text) ([]byte, error) {
	var b bytes.Buffer
	err := picture.EncodePNG(&b, img, texts...)
	return b.Bytes(), err
}

// painter is the pipeline of a name.
func (s *Server) painter(name string) (*queue.Model, *diffusion.Pipeline, error) {
	m, err := s.find(name, canPaint, "makes images")
	if err != nil {
		return nil, nil, err
	}
	p, ok := m.Front().Pipeline.(*diffusion.Pipeline)
	if !ok {
		return nil, nil, errorf(http.StatusBadRequest, "model %q makes images in another way", m.ID)
	}
	return m, p, nil
}
