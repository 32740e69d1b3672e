package diffusion

import (
	"context"
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/t2iadapter"
	"saccade/models/unet"
	"saccade/ops"
	"saccade/weights"
)

// addAdapter adds a T2I-Adapter among the ControlNets, whose place in requests it takes.
func (p *Pipeline) addAdapter(name string, src weights.Source, config []byte) error {
	c, named, err := t2iadapter.Describe(src, config)
	if err == nil {
		err = p.adapts(c)
	}
	if err != nil {
		return fmt.Errorf("loading the T2I-Adapter %s: %w", name, err)
	}
	p.controls = append(p.controls, &control{name: name, adapter: &c, module: nn.NewModule(p.dev, "t2i_adapter", p.Precision, &nn.Description{Tensors: named, Make: c.Layers})})
	return nil
}

// adapts refuses a T2I-Adapter of another UNet.
func (p *Pipeline) adapts(c t2iadapter.Config) error {
	widths := p.config.Widths()
	shrink := p.Reduction()
	if c.XL {
		shrink *= 2
	}
	if n := len(widths); len(c.Widths) == n+1 { // the last is the middle's
		widths = append(widths, widths[n-1])
	}
	_, moves := p.Moves()
	switch {
	case !p.Prompted() || moves:
		return fmt.Errorf("a pipeline without prompts, or of videos, takes none")
	case fmt.Sprint(c.Widths) != fmt.Sprint(widths) || c.XL != p.xl():
		return fmt.Errorf("it is for another base: its features have the widths %v and the UNet's maps %v; give one for this kind of Stable Diffusion", c.Widths, p.config.Widths())
	case c.Shrink != shrink:
		return fmt.Errorf("its features are of a %dth of the picture's sides; expected a %dth", c.Shrink, shrink)
	case c.In != 1 && c.In != 3:
		return fmt.Errorf("it takes pictures of %d channels; expected 1 or 3", c.In)
	}
	return nil
}

// adapters are the T2I-Adapters among the controls, and nets the others.
func (p *Pipeline) adapters() (adapters, nets []int) {
	for i, c := range p.controls {
		if c.adapter != nil {
			adapters = append(adapters, i)
		} else {
			nets = append(nets, i)
		}
	}
	return adapters, nets
}

// featureSizes are the heights, widths and channels of the features for latents of a size.
func featureSizes(c *t2iadapter.Config, h, w int) (sizes [][3]int) {
	if c.XL {
		h, w = h/2, w/2
	}
	for i, width := range c.Widths {
		if c.XL && i == 2 || !c.XL && i > 0 {
			h, w = (h+1)/2, (w+1)/2
		}
		sizes = append(sizes, [3]int{h, w, width})
	}
	return sizes
}

// givenFeature is the name of the state of feature i of T2I-Adapter k.
func givenFeature(k, i int) string { return fmt.Sprintf("features.%d.%d", k, i) }

// encodeFeatures makes the features of the hints of T2I-Adapters, which do not change from step
// to step.
func (r *Run) encodeFeatures(ctx context.Context) error {
	adapters, _ := r.p.adapters()
	for k, at := range adapters {
		c, q := r.p.controls[at], &r.Request
		hint := q.Controls[at].Hint
		if c.adapter.In == 1 {
			hint = luma(hint)
		}
		out, err := c.module.Forward(ctx, map[string]nn.Array{t2iadapter.Hints: {Shape: []int{1, c.adapter.In, q.Height, q.Width}, Data: hint}}, gpu.Wants{})
		if err != nil {
			return err
		}
		for i := range c.adapter.Widths {
			x := out[t2iadapter.Feature(i)]
			r.given[givenFeature(k, i)] = repeat(channelsLast(x.Data, x.Shape[1], x.Shape[2]*x.Shape[3]), r.loop.evaluations(), len(x.Data))
		}
	}
	return nil
}

// luma is the brightness of a picture [3 H W], as Pillow has it.
func luma(x []float32) []float32 {
	n := len(x) / 3
	grey := make([]float32, n)
	for i := range grey {
		grey[i] = 0.299*x[i] + 0.587*x[n+i] + 0.114*x[2*n+i]
	}
	return grey
}

// adapt adds the features of the T2I-Adapters, by the step's weights, to what the UNet takes.
func (l *loop) adapt(r *gpu.Recorder, in map[string]*gpu.Tensor, factors *gpu.Tensor) {
	if len(l.features) == 0 {
		return
	}
	for i := range l.features[0] {
		var parts []ops.Operand
		for k := range l.features {
			parts = append(parts, ops.Operand{X: l.given[givenFeature(k, i)]})
		}
		in[unet.Feature(i)] = ops.Combine(r, r.Precision, l.evaluations(), factors, rowAdapters, parts...)
	}
}

// pick is the values at places.
func pick(values []float64, at []int) []float64 {
	out := make([]float64, len(at))
	for i, k := range at {
		out[i] = values[k]
	}
	return out
}
