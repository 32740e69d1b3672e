package diffusion

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/vae"
	"saccade/ops"
	"saccade/weights"
)

// Preview is how latents are shown while a run is under way.
type Preview string

// The previews: by the autoencoder itself, by a small one, by the linear function
// of the latents that comes nearest to the autoencoder's colours, and the first
// three channels as red, green and blue.
const (
	PreviewVAE    Preview = "vae"
	PreviewTiny   Preview = "tiny"
	PreviewLinear Preview = "linear"
	PreviewLatent Preview = "latent"
)

// Previews lists them.
func Previews() []Preview { return []Preview{PreviewVAE, PreviewTiny, PreviewLinear, PreviewLatent} }

// Previewer makes pictures of latents that stay on the device.
type Previewer struct {
	Kind Preview

	p        *Pipeline
	b        *ops.Builder // owns the states and the linear function
	latents  *gpu.Tensor
	pictures []*gpu.Tensor
	program  *gpu.Program
}

// NewPreviewer makes a previewer of a run's latents. tiny is the small autoencoder
// of [PreviewTiny], nil otherwise.
func (r *Run) NewPreviewer(ctx context.Context, kind Preview, tiny *Tiny) (*Previewer, error) {
	if r.p.vae == nil {
		kind = PreviewLatent // the latents are the picture
	}
	v := &Previewer{Kind: kind, p: r.p, b: ops.NewBuilder(r.p.dev, r.p.Precision)}
	if err := v.make(ctx, r, tiny); err != nil {
		v.Close()
		return nil, fmt.Errorf("preview %s: %w", kind, err)
	}
	return v, nil
}

func (v *Previewer) make(ctx context.Context, r *Run, tiny *Tiny) (err error) {
	l := r.loop.latents
	if v.latents, err = v.b.State("shown", l.Type, 1, l.Shape...); err != nil {
		return err
	}
	rec, decoder := v.p.dev.Record(v.p.Precision), (*nn.Module)(nil)
	factors := rec.Input(inFactors, gpu.F32, 1, ops.CombineFactors)
	if decodes := v.Kind == PreviewVAE || v.Kind == PreviewTiny; decodes && v.p.xl() && v.p.vae.Scaling.Mean != nil {
		return requestErrorf("latents with a latents_mean are shown by linear or latent")
	}
	var matrix []float32
	switch v.Kind {
	case PreviewVAE:
		if r.Memory.LowMemory {
			return requestErrorf("the autoencoder does not stay on the device, as memory is short; linear needs none")
		}
		decoder = v.p.vae.module
	case PreviewTiny:
		if tiny == nil {
			return requestErrorf("there is no tiny autoencoder; give its weights")
		}
		decoder = tiny.Module
	case PreviewLinear:
		if matrix, err = v.p.colours(ctx); err != nil {
			return err
		}
	case PreviewLatent:
		matrix = firstChannels(l.Width())
	default:
		return requestErrorf("it is unknown; expected one of %s", names(Previews()))
	}
	size := l.Shape[0] // of what is made at once
	if decoder != nil && r.Request.Frames > 0 {
		size = 1
	}
	for first := 0; first < l.Shape[0]; first += size {
		x := ops.Combine(rec, rec.Precision, size, factors, 0, ops.Operand{X: v.latents, First: first})
		if decoder != nil {
			x, err = decoded(decoder, rec, x)
		} else {
			x, err = v.linear(rec, x, matrix)
		}
		if err == nil {
			err = v.keep(rec, x)
		}
		if err != nil {
			return err
		}
	}
	if err := v.b.Upload(); err != nil {
		return err
	}
	if decoder != nil {
		v.program, err = decoder.Program(rec)
	} else {
		v.program, err = rec.Finish()
	}
	return err
}

// keep records that x is shown.
func (v *Previewer) keep(r *gpu.Recorder, x *gpu.Tensor) error {
	t, err := v.b.State("preview", x.Type, x.Groups, x.Shape...)
	if err != nil {
		return err
	}
	ops.Keep(r, t, x)
	v.pictures = append(v.pictures, t)
	return nil
}

// decoded records an autoencoder's images [N H W C] of latents x [N h w C].
func decoded(m *nn.Module, r *gpu.Recorder, x *gpu.Tensor) (*gpu.Tensor, error) {
	net, err := m.Network(vae.Decode)
	if err != nil {
		return nil, err
	}
	out := r.Capture(gpu.Wants{}, func() { net.Record(r, map[string]*gpu.Tensor{vae.Latents: x}) })
	return out[vae.Image], r.Err()
}

func names(previews []Preview) string {
	var all []string
	for _, p := range previews {
		all = append(all, string(p))
	}
	return strings.Join(all, ", ")
}

// linear records the colours of latents: matrix [3 C + 1], the last column added.
func (v *Previewer) linear(r *gpu.Recorder, x *gpu.Tensor, matrix []float32) (*gpu.Tensor, error) {
	channels := x.Width()
	var model struct {
		Colour ops.Linear `w:"colour"`
	}
	model.Colour = v.b.Linear(channels, 3, true)
	w, bias := make([]float32, 0, 3*channels), make([]float32, 3)
	for c := range 3 {
		row := matrix[c*(channels+1) : (c+1)*(channels+1)]
		w, bias[c] = append(w, row[:channels]...), row[channels]
	}
	weight, err := weights.FromFloat32s("colour.weight", w, 3, channels)
	if err != nil {
		return nil, err
	}
	added, err := weights.FromFloat32s("colour.bias", bias, 3)
	if err != nil {
		return nil, err
	}
	if err := v.b.Bind(&model, named{weight.Name: weight, added.Name: added}); err != nil {
		return nil, err
	}
	return model.Colour.Forward(r, x), nil
}

// named are tensors made here.
type named map[string]*weights.Tensor

// Names implements [weights.Source].
func (n named) Names() []string { return slices.Sorted(maps.Keys(n)) }

// Tensor implements [weights.Source].
func (n named) Tensor(name string) (*weights.Tensor, bool) { t, ok := n[name]; return t, ok }

// firstChannels shows three channels, within about two deviations; one is grey.
func firstChannels(channels int) []float32 {
	m := make([]float32, 3*(channels+1))
	share := float32(0.5)
	if channels <= 3 { // pixels
		share = 1
	}
	for c := range 3 {
		m[c*(channels+1)+min(c, channels-1)] = share
	}
	return m
}

// Show makes the picture of a snapshot, or with nil of the run as it is.
func (v *Previewer) Show(ctx context.Context, r *Run, s *Snapshot) error {
	from, done := r.loop.latents, r.step
	if s != nil {
		from, done = s.tensors[0], s.Done
	}
	if err := v.p.dev.Copy(v.latents, from); err != nil {
		return err
	}
	scale := r.plan.EndScale
	if done < len(r.plan.Steps) {
		scale = r.plan.Steps[done].InputScale
	}
	if v.Kind == PreviewVAE || v.Kind == PreviewTiny {
		scale /= v.p.vae.Scaling.Scale
	}
	_, err := v.program.Run(ctx, map[string]any{inFactors: factorRow(scale)})
	return err
}

// Pictures are what Show writes, in −1…1: all in one tensor [N H W C], or the frames of a video
// that an autoencoder decodes after each other in one each.
func (v *Previewer) Pictures() []*gpu.Tensor { return v.pictures }

// Cost is the arithmetic of a preview as a share of a step's.
func (v *Previewer) Cost(r *Run) float64 {
	own, saved := v.program.FLOPs()
	step, stepSaved := r.loop.program.FLOPs()
	return (own - saved) / max(1, step-stepSaved)
}

// Close frees the memory.
func (v *Previewer) Close() {
	if v.program != nil {
		v.program.Close()
	}
	v.b.Close()
}
