package diffusion

import (
	"context"
	"errors"

	"saccade/gpu"
)

// Continue begins a run that goes on where a run of another pipeline has ended before
// the picture was there ([Request.To]), as SDXL's refiner does after the base: with
// the same request but for the pipeline's own scheduler, text towers and networks, and
// with no noise of its own. The first run is closed; if memory is short, the parts of
// its pipeline are taken from the device.
func (p *Pipeline) Continue(ctx context.Context, base *Run) (*Run, error) {
	defer base.Close()
	q := base.Request
	switch {
	case q.Embeds != nil || q.TimeIDs != nil:
		return nil, requestErrorf("the second pipeline encodes prompts by its own towers and is told other sizes; give prompts as texts, and no time_ids")
	case p.latentChannels() != base.p.latentChannels() || p.Reduction() != base.p.Reduction():
		return nil, requestErrorf("the latents of %s have %d channels at 1/%d of the size and those of %s %d at 1/%d; they do not go on from each other", base.p.Name, base.p.latentChannels(), base.p.Reduction(), p.Name, p.latentChannels(), p.Reduction())
	}
	latents, err := base.Latents()
	if err != nil {
		return nil, err
	}
	if !gpu.Finite(latents) {
		return nil, base.diagnose(ctx)
	}
	base.Close()
	if base.Memory.LowMemory {
		base.p.drop()
	}
	q.Latents, q.From, q.To, q.Watch = latents, q.To, 1, false
	r, err := p.Plan(q)
	if errors.Is(err, gpu.ErrOutOfMemory) || err == nil && r.Memory.LowMemory {
		if err == nil {
			r.Close()
		}
		base.p.drop()
		r, err = p.Plan(q)
	}
	if err != nil {
		return nil, err
	}
	r.before = base.before + base.Steps()
	if err := r.Start(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}
