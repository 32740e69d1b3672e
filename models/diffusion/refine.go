package diffusion

import (
	"context"
	"errors"

	"saccade/gpu"
)

// Continue begins a run that goes on where a run of another pipeline has ended before
// the picture was there ([Request.To]), as SDXL's refiner does after the base: with
// the same request but for the pipeline's own scheduler, text towers and networks, and
// with neither noise of its own nor the first's ControlNets. That run is closed; if memory is
// short, the parts of its pipeline are taken from the device.
func (p *Pipeline) Continue(ctx context.Context, base *Run) (*Run, error) {
	defer base.Close()
	q := base.Request
	if err := p.Continues(base.p, q); err != nil {
		return nil, err
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
	q.Latents, q.From, q.To, q.Watch, q.Controls = latents, q.To, 1, false, nil
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

// Continues says whether the pipeline can go on with a request that base does up to
// [Request.To]; the error says why not.
func (p *Pipeline) Continues(base *Pipeline, q Request) error {
	switch {
	case q.Embeds != nil || q.TimeIDs != nil:
		return requestErrorf("a refiner encodes prompts by its own text towers and is told other sizes; give prompts as texts, and no encoder_hidden_states, text_embeds or time_ids")
	case p.latentChannels() != base.latentChannels() || p.Reduction() != base.Reduction() || p.inpaints():
		return requestErrorf("%s makes latents of %d channels, 1/%d of the size, and %s takes %d, 1/%d; expected the same, as SDXL's refiner has", base.Name, base.latentChannels(), base.Reduction(), p.Name, p.config.In, p.Reduction())
	}
	q.From, q.To = q.To, 1
	_, err := p.steps(&q)
	return err
}
