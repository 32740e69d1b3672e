package diffusion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"saccade/gpu"
	"saccade/models/controlnet"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/models/t2iadapter"
	"saccade/models/unet"
	"saccade/ops"
	"saccade/weights"
)

// Control is what a request asks of one of the pipeline's ControlNets.
type Control struct {
	Hint     []float32 // [3 Height Width] in [0, 1], or one for each frame of a video: what the network was trained to see, such as white edges on black
	Weight   float64   // of its residuals (controlnet_conditioning_scale)
	From, To float64   // the part of the steps in which it counts (control_guidance_start and control_guidance_end)
}

// control is a ControlNet of a pipeline.
type control struct {
	name    string
	module  *nn.Module
	adapter *t2iadapter.Config // of a T2I-Adapter, else nil
	close   func() error
}

// OpenControl adds a ControlNet or T2I-Adapter to the pipeline: a folder or hub id of diffusers, or
// of a ControlNet a file of its authors'. Requests have a [Control] for each, in the order in which they were added.
func (p *Pipeline) OpenControl(ctx context.Context, src string, hub *weights.Hub) error {
	path, err := weights.Resolve(ctx, src, hub, "config.json")
	if err != nil {
		return err
	}
	file, err := weights.Open(path)
	if err != nil {
		return err
	}
	if err := p.openControl(src, file); err != nil {
		return errors.Join(err, file.Close())
	}
	p.controls[len(p.controls)-1].close = file.Close
	return nil
}

// OpenControlFS is OpenControl of a folder of a file system, such as an embedded one.
func (p *Pipeline) OpenControlFS(name string, fsys fs.FS) error {
	file, err := weights.FindFS(fsys)
	if err != nil {
		return err
	}
	c, err := weights.OpenFS(fsys, file)
	if err != nil {
		return err
	}
	config, err := fs.ReadFile(fsys, "config.json")
	if err != nil {
		return err
	}
	return p.AddControl(name, c, config)
}

func (p *Pipeline) openControl(src string, file *weights.Checkpoint) error {
	named, config, original, err := checkpoint.OriginalControl(file)
	switch {
	case err != nil:
		return fmt.Errorf("loading the ControlNet %s: %w", src, err)
	case original:
		return p.AddControl(src, named, config)
	}
	config, err = os.ReadFile(filepath.Join(filepath.Dir(file.Path()), "config.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return p.AddControl(src, file, config)
}

// AddControl is OpenControl of tensors, which must stay open, and a config.json.
func (p *Pipeline) AddControl(name string, src weights.Source, config []byte) error {
	if len(p.controls) == ops.MostCombined {
		return fmt.Errorf("loading the ControlNet %s: there are %d already, and more do not go together", name, ops.MostCombined)
	}
	if t2iadapter.Is(src) {
		return p.addAdapter(name, src, config)
	}
	c, named, err := controlnet.Describe(src, config)
	if err == nil {
		err = p.fits(c)
	}
	if err != nil {
		return fmt.Errorf("loading the ControlNet %s: %w", name, err)
	}
	p.controls = append(p.controls, &control{name: name, module: nn.NewModule(p.dev, "controlnet", p.Precision, &nn.Description{Tensors: named, Make: c.Layers})})
	return nil
}

// fits refuses a ControlNet of another UNet.
func (p *Pipeline) fits(c controlnet.Config) error {
	u := p.config
	blocks := func(levels []unet.Level) (all []int) {
		for _, l := range levels {
			all = append(all, l.Width, l.Blocks)
		}
		return all
	}
	switch {
	case !p.Prompted() || u.Frames > 0:
		return fmt.Errorf("a %s takes none", p.Class)
	case c.Context != u.Context || c.Added != u.Added:
		return fmt.Errorf("it is for another base: its prompts are of width %d and the pipeline's of %d; give one that was trained for this kind of Stable Diffusion", c.Context, u.Context)
	case !slices.Equal(blocks(c.Down), blocks(u.Down)) || (c.Middle.Blocks == 0) != (u.Middle.Blocks == 0):
		return fmt.Errorf("it is for another base: its blocks have the widths and numbers %v and the UNet's %v", blocks(c.Down), blocks(u.Down))
	case c.In != p.latentChannels():
		return fmt.Errorf("it takes maps of %d channels; the pipeline's have %d", c.In, p.latentChannels())
	case c.Hint[0] != 3 || c.Reduction() != p.Reduction():
		return fmt.Errorf("it takes pictures of %d channels, %d times as large as its maps; expected 3 and %d", c.Hint[0], c.Reduction(), p.Reduction())
	}
	return nil
}

// checkControls refuses what does not belong to the pipeline's ControlNets.
func (p *Pipeline) checkControls(q *Request) error {
	if len(q.Controls) != len(p.controls) {
		return requestErrorf("%d pictures of hints for %d ControlNets; expected one for each", len(q.Controls), len(p.controls))
	}
	for i, c := range q.Controls {
		a := p.controls[i].adapter
		switch {
		case a != nil && (q.Height%a.Shrink != 0 || q.Width%a.Shrink != 0):
			return requestErrorf("a picture of %dx%d (width x height) for a T2I-Adapter; expected multiples of %d", q.Width, q.Height, a.Shrink)
		case !(c.From >= 0 && c.From < c.To && c.To <= 1):
			return requestErrorf("a ControlNet from %v to %v of the steps; expected parts from 0 to 1, the first less than the second", c.From, c.To)
		case q.Frames > 0 && len(c.Hint) == q.Frames*3*q.Height*q.Width:
		case len(c.Hint) != 3*q.Height*q.Width:
			return requestErrorf("pictures of hints of %d values; expected %d, of the size that is drawn, or of a video as many for each frame", len(c.Hint), 3*q.Height*q.Width)
		}
	}
	return nil
}

// givenHint is the name of the state of the hints of a ControlNet.
func givenHint(i int) string { return fmt.Sprintf("hint.%d", i) }

// control records the ControlNets on what the UNet takes, and adds their residuals to that. The
// sums are of the step's weights.
func (l *loop) control(r *gpu.Recorder, in map[string]*gpu.Tensor, factors *gpu.Tensor) {
	var sums [][]ops.Operand // of each map, one of each network
	for k, c := range l.controls {
		hinted := map[string]*gpu.Tensor{controlnet.Hints: l.given[givenHint(k)]}
		for name, x := range in {
			hinted[name] = x
		}
		r.Enter(fmt.Sprintf("controlnet.%d", k))
		out := r.Capture(gpu.Wants{}, func() { c.net.Record(r, hinted) })
		r.Leave()
		if r.Err() != nil {
			return
		}
		for i := range len(out) {
			if k == 0 {
				sums = append(sums, nil)
			}
			sums[i] = append(sums[i], ops.Operand{X: out[controlnet.Residual(i, len(out))]})
		}
	}
	for i, parts := range sums {
		in[unet.Residual(i)] = ops.Combine(r, r.Precision, l.evaluations(), factors, rowControls, parts...)
	}
}

// controlWeights are the factors of the ControlNets in step i of n.
func controlWeights(controls []Control, i, n int) []float64 {
	all := make([]float64, len(controls))
	for k, c := range controls {
		if float64(i)/float64(n) >= c.From && float64(i+1)/float64(n) <= c.To {
			all[k] = c.Weight
		}
	}
	return all
}
