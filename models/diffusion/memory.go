package diffusion

import (
	"errors"
	"fmt"
	"strings"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/vae"
)

// Stage is what a part of a run takes on the device, in bytes.
type Stage struct {
	Name        string `json:"name"`
	Weights     int64  `json:"weights"`
	Activations int64  `json:"activations"` // with inputs and outputs
	Binding     int64  `json:"binding"`     // the largest window that a dispatch has of a tensor
}

// MemoryPlan is what a run takes, part by part in the order of use.
type MemoryPlan struct {
	Stages []Stage `json:"stages"`
	// LowMemory says that parts are dropped after use, Tiled that the autoencoder
	// works in tiles.
	LowMemory bool  `json:"low_memory"`
	Tiled     bool  `json:"tiled"`
	Peak      int64 `json:"peak"`
}

// String is the plan in one line.
func (m *MemoryPlan) String() string {
	var s strings.Builder
	var binding int64
	for _, stage := range m.Stages {
		fmt.Fprintf(&s, "%s %s + %s, ", stage.Name, gpu.MiB(stage.Weights), gpu.MiB(stage.Activations))
		binding = max(binding, stage.Binding)
	}
	fmt.Fprintf(&s, "peak %s, largest binding %s", gpu.MiB(m.Peak), gpu.MiB(binding))
	if m.LowMemory {
		s.WriteString("; parts are dropped after use")
	}
	if m.Tiled {
		s.WriteString("; the autoencoder works in tiles")
	}
	return s.String()
}

// Plan records a request's step and finds out what the run takes, without taking
// it, and how it can be done: with all parts on the device, else dropping each after
// its use, else with the autoencoder in tiles. It refuses what does not fit, and says
// what would: [gpu.ErrOutOfMemory].
func (p *Pipeline) Plan(q Request) (*Run, error) {
	r, err := p.plan(q)
	var bad *RequestError
	if err == nil || errors.As(err, &bad) {
		return r, err
	}
	if fits := p.fitting(q); fits != "" {
		what := "an image"
		if q.Frames > 0 {
			what = fmt.Sprintf("a video of %d frames", q.Frames)
		}
		err = fmt.Errorf("%s of %dx%d (width x height): %w; %s", what, q.Width, q.Height, err, fits)
	}
	return nil, err
}

func (p *Pipeline) plan(q Request) (*Run, error) {
	r, err := p.newRun(q)
	if err != nil {
		return nil, err
	}
	var last error
	for _, way := range [][2]bool{{false, false}, {true, false}, {true, true}} {
		m := &MemoryPlan{LowMemory: way[0] || p.lowMemory, Tiled: way[1] || p.tiled}
		if m.Stages, err = r.stages(m.Tiled); err != nil {
			last = err
			continue
		}
		var weights, most int64
		for _, s := range m.Stages {
			weights += s.Weights
			m.Peak, most = max(m.Peak, s.Weights+s.Activations), max(most, s.Activations)
		}
		if !m.LowMemory {
			m.Peak = weights + most
		}
		if last = p.dev.Fits(m.Peak - p.weightBytes()); last == nil {
			r.Memory = m
			return r, nil
		}
	}
	return nil, last
}

// stages plans the parts of a run in the order of their use.
func (r *Run) stages(tiled bool) ([]Stage, error) {
	var all []Stage
	add := func(name string, weights int64, m gpu.Memory, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, Stage{name, weights, m.Arena + m.IO, m.Binding})
		return nil
	}
	p, q := r.p, &r.Request
	for i, e := range p.encoders {
		h, err := p.hidden(e, i, q.ClipSkip)
		if err != nil {
			return nil, err
		}
		rows, err := e.batch([]string{""}, q.Syntax, r.chunks)
		if err != nil {
			return nil, err
		}
		m, err := e.Plan(map[string]nn.Array{nn.InputIDs: e.ids(rows)}, h.wants())
		if err := add(e.Name, e.Bytes(), m, err); err != nil {
			return nil, err
		}
	}
	if p.tower != nil {
		side := p.tower.config.Image
		m, err := p.tower.module.Plan(nn.Images(nn.Array{Shape: []int{1, 3, side[0], side[1]}, Data: make([]float32, 3*side[0]*side[1])}), gpu.Wants{})
		if err := add(besideAdapter, p.tower.module.Bytes(), m, err); err != nil {
			return nil, err
		}
	}
	code := func(name, input string, h, w int) error {
		m, err := p.vae.Plan(p.vae.module, input, h, w, p.vae.tiles(tiled))
		return add(name, p.vae.module.Bytes(), m, err)
	}
	if p.vae != nil && q.Image != nil {
		if err := code("encoder", nn.PixelValues, q.Height, q.Width); err != nil {
			return nil, err
		}
	}
	bytes := p.unet.Bytes() + r.loop.b.Bytes()
	for _, c := range p.controls {
		bytes += c.module.Bytes()
	}
	m, err := r.loop.recorder.Plan()
	if err := add("unet", bytes, m, err); err != nil || p.vae == nil {
		return all, err
	}
	return all, code("decoder", vae.Latents, q.Height/p.Reduction(), q.Width/p.Reduction())
}

// fitting says what of a request that does not fit would, "" if nothing does.
func (p *Pipeline) fitting(q Request) string {
	try := func(change func(*Request)) bool {
		other := q
		other.Latents, other.Noise, other.Mask = nil, nil, nil
		other.Seeds = make([]uint64, max(1, other.Items))
		change(&other)
		_, err := p.plan(other)
		return err == nil
	}
	if q.Items > 1 && try(func(o *Request) { o.Items, o.Seeds = 1, o.Seeds[:1] }) {
		return "one image at a time fits"
	}
	for n := q.Frames / 2; n > 0; n /= 2 {
		if try(func(o *Request) { o.Frames, o.Context, o.Stride = n, 0, 0 }) {
			return fmt.Sprintf("%d frames fit", n)
		}
	}
	unit := p.Reduction()
	for h, w := q.Height/2, q.Width/2; h >= unit && w >= unit; h, w = h/2, w/2 {
		h, w := h/unit*unit, w/unit*unit
		if q.Image == nil && try(func(o *Request) { o.Height, o.Width, o.Items, o.Seeds = h, w, 1, o.Seeds[:1] }) {
			return fmt.Sprintf("%dx%d (width x height) fits", w, h)
		}
	}
	return ""
}
