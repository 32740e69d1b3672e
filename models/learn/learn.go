package learn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
	"saccade/ops"
)

// Batch is what a micro-step learns from: inputs of the network by name ("pixel_values"
// [N, C, H, W]), and of a classifier the class of each item.
type Batch struct {
	Inputs map[string]nn.Array
	Labels []int
	// Target, in place of Labels, is what a network that estimates should give of Inputs, such as
	// the noise in a UNet's sample: of the shape of its output.
	Target nn.Array
	// Weights are those of the items' squared errors, such as min-SNR's; nil: all 1.
	Weights []float32
}

// Outcome is what a step did.
type Outcome struct {
	Loss    float64 // the mean of the micro-batches' losses, before the step
	Norm    float64 // of all gradients together, before clipping
	Scale   float64 // that the loss had; 1 in f32
	Skipped bool    // the gradients were not finite: nothing was changed, and Scale was halved
}

// Progress is where a training is, beside the arrays of [Learner.State].
type Progress struct {
	Steps   int     `json:"steps"`   // of the optimizer that were done
	Skipped int     `json:"skipped"` // steps that were not
	InRow   int     `json:"in_row"`  // of those, the last ones
	Scale   float64 `json:"scale"`   // of the next loss
	Good    int     `json:"good"`    // steps since Scale changed
}

// Learner trains a model. Its methods take turns.
type Learner struct {
	options Options
	dev     *gpu.Device
	module  *nn.Module
	network *nn.Network
	loss    loss
	all     []*parameter

	mu       sync.Mutex
	there    bool // on the device
	progress Progress
	programs []*program
}

// ErrDiverged is wrapped by the error of a step that was the tenth in a row without finite
// gradients; the error names the operation that made the first number that is none.
var ErrDiverged = errors.New("the training diverged")

// mostSkipped is how many steps in a row may have no finite gradients.
const mostSkipped = 10

// What torch.amp.GradScaler has by default.
const (
	firstScale = 65536
	growAfter  = 2000 // good steps
)

// New prepares the training of a model that [models.Load] gave, which must stay open. The model
// itself stays as it is; its weights leave the device, until it is used again.
func New(m *models.Model, o Options) (*Learner, error) {
	d, dev := m.Description()
	if d == nil {
		return nil, fmt.Errorf("%s: pipelines are not trained", m.Name)
	}
	m.Rest()
	return Of(dev, m.Name, d, o)
}

// Of prepares the training of a module by its description, whose tensors must stay open.
func Of(dev *gpu.Device, name string, d *nn.Description, o Options) (*Learner, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	l := &Learner{options: o, dev: dev, module: nn.NewModule(dev, name, o.Precision, d), progress: Progress{Scale: 1}}
	if o.Precision == gpu.F16 {
		l.progress.Scale = firstScale
	}
	if err := l.open(); err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// open makes the layers and finds what is trained.
func (l *Learner) open() error {
	layers, err := l.module.Layers()
	if err != nil {
		return err
	}
	if l.options.Context != nil {
		return l.openContext()
	}
	for _, n := range layers.Networks {
		if n.Image != nil && l.network == nil {
			l.network = n
		}
	}
	if layers.Estimate != "" {
		l.network = layers.Networks[0]
	}
	switch {
	case l.network == nil || layers.Estimate == "" && layers.Classes == 0:
		return errors.New("it has no classifier to train, or one of several layers that are not trained")
	case layers.Head == nil && l.options.Head:
		return errors.New("it has no head to train")
	case layers.Estimate != "":
		l.loss = squaredError{output: layers.Estimate}
	default:
		l.loss = crossEntropy{classes: layers.Classes}
	}
	if err := l.adapt(layers); err != nil {
		return err
	}
	return l.prepare()
}

// openContext has a context of texts be trained.
func (l *Learner) openContext() error {
	c := l.options.Context
	network, t, err := l.module.TrainContext(c.Texts, c.Tokens)
	if err != nil {
		return err
	}
	l.network, l.loss = network, crossEntropy{classes: len(c.Texts)}
	l.add(&parameter{value: t.State, begin: func(rng *rand.Rand) []float32 {
		v := make([]float32, elements(t.Shape))
		for i := range v {
			v[i] = float32(0.02 * rng.NormFloat64())
		}
		return v
	}}, piece{name: t.Name, shape: t.Shape})
	return l.prepare()
}

// prepare makes what the optimizer has of each parameter.
func (l *Learner) prepare() error {
	for _, p := range l.all {
		if err := p.reserve(l.dev, l.options.Optimizer); err != nil {
			return err
		}
	}
	return l.checkInit()
}

// bring brings weights and trained values to the device at the first use.
func (l *Learner) bring() error {
	if l.there {
		return nil
	}
	if err := l.module.Upload(); err != nil {
		return err
	}
	for _, p := range l.all {
		for _, t := range p.own() {
			if err := t.Allocate(); err != nil {
				return err
			}
		}
	}
	l.there = true
	return l.begin()
}

// Close frees all memory. The model stays.
func (l *Learner) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.programs {
		p.Close()
	}
	l.programs = nil
	for _, p := range l.all {
		for _, t := range p.own() {
			t.Release()
		}
	}
	l.module.Drop()
}

// Forward runs the network with what was learned, and gives its outputs by name ("logits").
func (l *Learner) Forward(ctx context.Context, in map[string]nn.Array) (map[string]nn.Array, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bring(); err != nil {
		return nil, err
	}
	return l.module.Forward(ctx, in, gpu.Wants{})
}

// Step learns from as many batches as Options.Accumulate says, at a learning rate. A step whose
// ctx ends, or that fails, changes no trained value: it is not broken off on the device.
func (l *Learner) Step(ctx context.Context, rate float64, batches ...Batch) (Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !(rate >= 0) || math.IsInf(rate, 1) {
		return Outcome{}, fmt.Errorf("a step at the learning rate %g, expected a number of 0 or more", rate)
	}
	if err := l.bring(); err != nil {
		return Outcome{}, err
	}
	if len(batches) != l.options.Accumulate {
		return Outcome{}, fmt.Errorf("a step of %d batches, expected %d", len(batches), l.options.Accumulate)
	}
	var all []ready
	for _, b := range batches {
		r, err := l.ready(b)
		if err != nil {
			return Outcome{}, err
		}
		all = append(all, r)
	}
	out := Outcome{Scale: l.progress.Scale}
	for i, r := range all {
		if err := ctx.Err(); err != nil {
			return Outcome{}, err
		}
		got, err := r.run(context.WithoutCancel(ctx), l.settings(rate, i))
		if err != nil {
			return Outcome{}, err
		}
		out.Loss += mean(got["loss"]) / float64(len(all))
		out.Norm = math.Sqrt(float64(got["squares"][0]))
	}
	out.Skipped = math.IsNaN(out.Norm) || math.IsInf(out.Norm, 0)
	l.progress.after(out.Skipped, l.options.Precision)
	if l.progress.InRow >= mostSkipped {
		return out, l.diverged(context.WithoutCancel(ctx), all[len(all)-1], rate)
	}
	return out, nil
}

// after takes a step into account, as torch.amp.GradScaler.update does.
func (p *Progress) after(skipped bool, precision gpu.DType) {
	if skipped {
		p.Skipped++
		p.InRow++
		p.Good = 0
	} else {
		p.Steps++
		p.Good++
		p.InRow = 0
	}
	switch {
	case precision != gpu.F16:
	case skipped:
		p.Scale /= 2
	case p.Good == growAfter:
		p.Scale, p.Good = 2*p.Scale, 0
	}
}

// settings are those of the optimizer for micro-batch i of the next step.
func (l *Learner) settings(rate float64, i int) ops.Settings {
	t := float64(l.progress.Steps + 1)
	betas := l.options.Optimizer.Betas
	return ops.Settings{
		Keep: i > 0, Unscale: 1 / l.progress.Scale, Apply: i == l.options.Accumulate-1, Rate: rate, Clip: l.options.Clip,
		Step: rate / (1 - math.Pow(betas[0], t)), Root: math.Sqrt(1 - math.Pow(betas[1], t)), First: l.progress.Steps == 0,
	}
}

// diverged says where numbers that are not finite come from.
func (l *Learner) diverged(ctx context.Context, r ready, rate float64) error {
	s := l.settings(rate, 0)
	s.Apply = false
	op, err := r.FindNonFinite(ctx, r.values(s))
	if err != nil {
		return err
	}
	if in := r.feed.NonFinite(); in != "" {
		op = "the input " + in
	}
	if op == "" {
		op = "the sum of the micro-batches"
	}
	return fmt.Errorf("%w: %d steps in a row had gradients that are not finite, the first number in %s; try a lower learning rate", ErrDiverged, l.progress.InRow, op)
}

func mean(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x)
	}
	return sum / float64(len(v))
}
