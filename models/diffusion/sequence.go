package diffusion

import (
	"context"
	"fmt"
)

// Between gives requests of one picture each on the way from q to another seed, if
// there is one, and from the first to the second of two prompts: frames of them,
// both ends among them. Noise goes on the great circle, prompts straight.
func (p *Pipeline) Between(ctx context.Context, q Request, prompts []string, seed uint64, toSeed bool, frames int) ([]Request, error) {
	if err := p.validate(&q); err != nil {
		return nil, err
	}
	if frames < 2 || q.Items != 1 {
		return nil, requestErrorf("%d frames of %d pictures; expected two or more of one", frames, q.Items)
	}
	var ends [2]*Embeds
	if len(prompts) == 2 {
		q.Prompts = prompts // of which the longest says how many tokens all have
		chunks, err := p.promptChunks(&q)
		if err != nil {
			return nil, err
		}
		for i, text := range prompts {
			if ends[i], err = p.Encode(ctx, []string{text}, Reading{Syntax: q.Syntax, ClipSkip: q.ClipSkip, Chunks: chunks}); err != nil {
				return nil, err
			}
		}
	}
	from := make([]float32, p.latentChannels()*q.Height*q.Width/(p.Reduction()*p.Reduction()))
	to := make([]float32, len(from))
	Noise(from, q.Seeds[0], 0)
	if q.Latents != nil {
		from = q.Latents
	}
	Noise(to, seed, 0)
	out := make([]Request, frames)
	for i := range out {
		t := float64(i) / float64(frames-1)
		out[i] = q
		if toSeed {
			out[i].Latents = Slerp(from, to, t)
		}
		if ends[0] != nil {
			e := *ends[0]
			e.Hidden = Lerp(ends[0].Hidden, ends[1].Hidden, t)
			if e.Pooled != nil {
				e.Pooled = Lerp(ends[0].Pooled, ends[1].Pooled, t)
			}
			out[i].Embeds = &e
		}
	}
	return out, nil
}

// Forward is the forward process: the request's picture with more and more of its
// noise, at the levels of the scheduler's steps from the least to the most, decoded
// [1 + Steps, C, Height, Width]; the first is the picture as the autoencoder has it.
func (p *Pipeline) Forward(ctx context.Context, q Request) ([]float32, error) {
	q.Prompts = []string{""}
	if !p.Prompted() {
		q.Prompts = nil
	}
	if err := p.validate(&q); err != nil {
		return nil, err
	}
	if q.Image == nil {
		return nil, requestErrorf("no picture for noise to take")
	}
	config, err := p.scheduler(q.Scheduler, false)
	if err != nil {
		return nil, err
	}
	plan, err := config.Plan(q.Steps, 1)
	if err != nil {
		return nil, &RequestError{err.Error()}
	}
	latents, err := p.EncodePicture(ctx, q.Image, q.Height, q.Width)
	if err != nil {
		return nil, err
	}
	noise := make([]float32, len(latents))
	Noise(noise, q.Seeds[0], 0)
	all := append([]float32{}, latents...)
	for i := len(plan.Steps) - 1; i >= 0; i-- {
		level, input := plan.Steps[i].Level, plan.Steps[i].InputScale
		all = append(all, mix(latents, noise, level.Image*input, level.Noise*input)...)
	}
	pictures, _, err := p.DecodeLatents(ctx, all, q.Height/p.Reduction(), q.Width/p.Reduction())
	if err != nil {
		return nil, fmt.Errorf("the picture in noise: %w", err)
	}
	return pictures, nil
}

// SchedulerName is the class of a request's scheduler, the checkpoint's for "".
func (p *Pipeline) SchedulerName(name string) string {
	c, err := p.scheduler(name, false)
	if err != nil {
		return name
	}
	return c.Class
}
