package diffusion

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/models/diffusion/scheduler"
	blocks "saccade/models/internal/diffusion"
	"saccade/models/nn"
	"saccade/models/unet"
	"saccade/ops"
)

// The rows of a step's factors before those of the updates.
const (
	rowInput    = iota // the model's input, of the latents
	rowGuidance        // the output, of those without and with the prompt
	rowKnown           // what inpainting keeps, of the picture and the noise
	rowWords           // the attention to the words so far and of the step
	rowCond            // the output with the prompt alone
	rowRescale         // of what guidance added to the spread, the part to take off
	rowControls        // the residuals of each ControlNet
	rowAdapters        // the features of each T2I-Adapter
	rowUpdates
)

// shape is what a loop is recorded for.
type shape struct {
	items         int          // pictures made at once
	video         blocks.Video // that the items are, or none
	h, w          int          // of the latents
	channels      int          // of the latents
	guided        bool
	rescaled      bool  // the spread that guidance adds is taken off
	tokens        int   // of the prompts, 0 without
	imageTokens   []int // of what each IP-Adapter sees
	pooled, sizes int   // SDXL's: width of the pooled prompt, number of the sizes
	blend         bool
	words         bool // sum up the attention to the words
	extra         int  // channels beside the latents in the model's input: an inpainting model's
}

// evaluations are the items that the model sees at once: with guidance those
// without the prompt, then those with it.
func (s shape) evaluations() int {
	if s.guided {
		return 2 * s.items
	}
	return s.items
}

// loop is one step of a plan as a program: an evaluation of the model and the
// scheduler's updates, on states that stay on the device.
type loop struct {
	shape
	unet     *nn.Module
	net      *unet.Model // of unet
	controls []controlled
	features [][][3]int // sizes of those of each T2I-Adapter
	adapters []int      // their places in requests
	timeCond int        // width of what a distilled model is told of the guidance, 0: nothing
	plan     *scheduler.Plan
	operands [][]scheduler.Tensor
	b        *ops.Builder // owns the states

	latents  *gpu.Tensor // f32 [items h w channels]
	kept     []*gpu.Tensor
	given    map[string]*gpu.Tensor // what does not change from step to step, by input
	watched  []watched
	recorder *gpu.Recorder
	program  *gpu.Program // nil before start
}

// controlled is a ControlNet of a loop.
type controlled struct {
	module *nn.Module
	net    *nn.Network
	at     int // its place in requests
}

// watched is the attention of a layer to the words, summed over the steps: f32
// [items heads h·w tokens].
type watched struct {
	sum  *gpu.Tensor
	h, w int
}

// The inputs of a step's program, but for those of the UNet.
const (
	inFactors = "factors"
	inNoise   = "noise"
)

// What is given before the first step.
const (
	givenContext = unet.Context
	givenPooled  = unet.TextEmbeds
	givenSizes   = unet.TimeIDs
	givenExtra   = "mask and masked picture"
	givenImage   = "picture"
	givenStart   = "first noise"
	givenMask    = "mask"
)

// newLoop names the states and records the step, without taking memory of the
// device.
func newLoop(p *Pipeline, plan *scheduler.Plan, s shape) (*loop, error) {
	layers, err := p.unet.Layers()
	if err != nil {
		return nil, err
	}
	net, ok := layers.Parameters.(*unet.Model)
	if !ok {
		return nil, fmt.Errorf("the layers are %T; expected a UNet's", layers.Parameters)
	}
	l := &loop{shape: s, unet: p.unet, net: net, timeCond: p.config.TimeCond, plan: plan, operands: plan.Operands(),
		b: ops.NewBuilder(p.dev, p.Precision), given: map[string]*gpu.Tensor{}, recorder: p.dev.Record(p.Precision)}
	adapters, nets := p.adapters()
	for _, i := range nets {
		net, err := p.controls[i].module.Network("")
		if err != nil {
			return nil, err
		}
		l.controls = append(l.controls, controlled{p.controls[i].module, net, i})
	}
	for _, i := range adapters {
		l.features, l.adapters = append(l.features, featureSizes(p.controls[i].adapter, s.h, s.w)), append(l.adapters, i)
	}
	if err := l.nameStates(p.Precision, p.config.Context, p.Reduction()); err != nil {
		return nil, err
	}
	l.record(l.recorder)
	return l, l.recorder.Err()
}

// start takes the memory of the states and makes the program.
func (l *loop) start() (err error) {
	if err := l.b.Prepare(); err != nil {
		return err
	}
	for _, c := range l.controls {
		if err := c.module.Upload(); err != nil {
			return fmt.Errorf("controlnet: %w", err)
		}
	}
	if l.program, err = l.unet.Program(l.recorder); err != nil {
		return fmt.Errorf("unet: %w", err)
	}
	return nil
}

func (l *loop) nameStates(precision gpu.DType, width, reduction int) (err error) {
	state := func(name string, typ gpu.DType, shape ...int) *gpu.Tensor {
		if err != nil {
			return nil
		}
		var t *gpu.Tensor
		t, err = l.b.State(name, typ, 1, shape...)
		return t
	}
	like := func(name string) *gpu.Tensor { return state(name, gpu.F32, l.items, l.h, l.w, l.channels) }
	l.latents = like("latents")
	for i := range l.plan.Kept {
		l.kept = append(l.kept, like(fmt.Sprintf("kept.%d", i)))
	}
	batch := l.evaluations()
	if l.tokens > 0 {
		l.given[givenContext] = state(givenContext, precision, batch, l.tokens, width)
	}
	for i, n := range l.imageTokens {
		l.given[unet.Images(i)] = state(unet.Images(i), precision, batch, n, width)
	}
	if l.pooled > 0 {
		l.given[givenPooled] = state(givenPooled, precision, batch, l.pooled)
	}
	if l.extra > 0 {
		l.given[givenExtra] = state(givenExtra, precision, batch, l.h, l.w, l.extra)
	}
	for i := range l.controls {
		l.given[givenHint(i)] = state(givenHint(i), precision, batch, reduction*l.h, reduction*l.w, 3)
	}
	for k, sizes := range l.features {
		for i, n := range sizes {
			l.given[givenFeature(k, i)] = state(givenFeature(k, i), precision, batch, n[0], n[1], n[2])
		}
	}
	if l.blend {
		for _, name := range []string{givenImage, givenStart, givenMask} {
			l.given[name] = like(name)
		}
	}
	return err
}

// record takes down one step.
func (l *loop) record(r *gpu.Recorder) {
	batch := l.evaluations()
	factors := r.Input(inFactors, gpu.F32, rowUpdates+len(l.operands), ops.CombineFactors)
	in := map[string]*gpu.Tensor{unet.Timestep: r.Input(unet.Timestep, gpu.F32, batch, 1)}
	for _, name := range []string{givenContext, givenPooled} {
		if x, ok := l.given[name]; ok {
			in[name] = x
		}
	}
	for i := range l.imageTokens {
		in[unet.Images(i)] = l.given[unet.Images(i)]
	}
	if l.sizes > 0 {
		in[givenSizes] = r.Input(givenSizes, gpu.F32, batch, l.sizes)
	}
	if l.timeCond > 0 {
		in[unet.TimeCond] = r.Input(unet.TimeCond, gpu.F32, batch, l.timeCond)
	}
	in[unet.Sample] = ops.Combine(r, r.Precision, batch, factors, rowInput, ops.Operand{X: l.latents})
	l.control(r, in, factors)
	l.adapt(r, in, factors)
	if l.extra > 0 {
		in[unet.Sample] = ops.Concat(r, in[unet.Sample], l.given[givenExtra])
	}
	out := l.evaluate(r, in, factors)
	if r.Err() != nil { // of which nothing was captured
		return
	}
	parts := []ops.Operand{{X: out}}
	if l.guided {
		parts = append(parts, ops.Operand{X: out, First: l.items})
	}
	output := ops.Combine(r, gpu.F32, l.items, factors, rowGuidance, parts...)
	if l.rescaled {
		output = ops.RescaleGuidance(r, output, ops.Combine(r, gpu.F32, l.items, factors, rowCond, parts[1]), factors, rowRescale)
	}
	l.update(r, factors, output)
}

// evaluate records the UNet, and the sums of its attention to the words where those
// are watched.
func (l *loop) evaluate(r *gpu.Recorder, in map[string]*gpu.Tensor, factors *gpu.Tensor) *gpu.Tensor {
	var wants gpu.Wants
	if l.words {
		wants.Names = []string{unet.CrossAttentions}
	}
	r.Enter("unet")
	out := r.Capture(wants, func() { l.net.Record(r, in, l.video) })
	r.Leave()
	estimate := out[unet.Sample]
	delete(out, unet.Sample)
	for _, name := range slices.Sorted(maps.Keys(out)) {
		l.watch(r, out[name], factors)
	}
	return estimate
}

// watch records the sum of the attention of a layer, of the evaluations with the
// prompt, over the steps.
func (l *loop) watch(r *gpu.Recorder, probs, factors *gpu.Tensor) {
	sum, err := l.b.State(probs.Name, gpu.F32, 1, append([]int{l.items}, probs.Shape[1:]...)...)
	if err != nil {
		r.Fail(err)
		return
	}
	h, w := l.level(probs.Shape[2])
	l.watched = append(l.watched, watched{sum, h, w})
	step := ops.Operand{X: probs, First: l.evaluations() - l.items}
	ops.Keep(r, sum, ops.Combine(r, gpu.F32, l.items, factors, rowWords, ops.Operand{X: sum}, step))
}

// level is the height and width of the map of so many pixels on the way down, each
// of which has half the sides of the one before, rounded up.
func (l *loop) level(pixels int) (h, w int) {
	for h, w = l.h, l.w; h*w > pixels; h, w = (h+1)/2, (w+1)/2 {
	}
	return h, w
}

// update records what follows an evaluation.
func (l *loop) update(r *gpu.Recorder, factors, output *gpu.Tensor) {
	r.Enter("scheduler")
	defer r.Leave()
	tensors := map[scheduler.Tensor]*gpu.Tensor{scheduler.Latents: l.latents, scheduler.Output: output}
	for i, t := range l.kept {
		tensors[scheduler.Kept+scheduler.Tensor(i)] = t
	}
	if l.noisy() {
		tensors[scheduler.Noise] = r.Input(inNoise, gpu.F32, l.items, l.h, l.w, l.channels)
	}
	updated := map[scheduler.Tensor]bool{}
	for k, u := range l.plan.Steps[0].Updates {
		var xs []ops.Operand
		for _, of := range l.operands[k] {
			xs = append(xs, ops.Operand{X: tensors[of]})
		}
		tensors[u.To] = ops.Combine(r, gpu.F32, l.items, factors, rowUpdates+k, xs...)
		updated[u.To] = true
	}
	if l.blend {
		known := ops.Combine(r, gpu.F32, l.items, factors, rowKnown, ops.Operand{X: l.given[givenImage]}, ops.Operand{X: l.given[givenStart]})
		tensors[scheduler.Latents] = ops.Blend(r, tensors[scheduler.Latents], known, l.given[givenMask])
	}
	ops.Keep(r, l.latents, tensors[scheduler.Latents])
	for i, t := range l.kept {
		if of := scheduler.Kept + scheduler.Tensor(i); updated[of] {
			ops.Keep(r, t, tensors[of])
		}
	}
}

// noisy says that some step takes noise.
func (l *loop) noisy() bool {
	for _, s := range l.plan.Steps {
		if s.Noise {
			return true
		}
	}
	return false
}

// begin brings to the device what all steps take, by input, and the latents: the
// sum of first, the noise and with a picture that one, times the factors. What is
// of an item is [items, …] or of the evaluations, in PyTorch's order but for maps,
// whose channels are last.
func (l *loop) begin(ctx context.Context, dev *gpu.Device, precision gpu.DType, given map[string][]float32, noise, image []float32, level scheduler.Level) error {
	r := dev.Record(precision)
	in := map[string]any{inNoise: noise, "image": image, inFactors: factorRow(level.Noise, level.Image)}
	factors := r.Input(inFactors, gpu.F32, 1, ops.CombineFactors)
	dims := []int{l.items, l.h, l.w, l.channels}
	first := ops.Operand{X: r.Input(inNoise, gpu.F32, dims...)}
	ops.Keep(r, l.latents, ops.Combine(r, gpu.F32, l.items, factors, 0, first, ops.Operand{X: r.Input("image", gpu.F32, dims...)}))
	one := r.Input("one", gpu.F32, 1, ops.CombineFactors)
	in["one"] = factorRow(1)
	for name, state := range l.given {
		x := r.Input(name, gpu.F32, state.Shape...)
		in[name] = given[name]
		ops.Keep(r, state, ops.Combine(r, state.Type, state.Shape[0], one, 0, ops.Operand{X: x}))
	}
	p, err := r.Finish()
	if err != nil {
		return fmt.Errorf("preparing the latents: %w", err)
	}
	defer p.Close()
	_, err = p.Run(ctx, in)
	return err
}

// factorRow is the factors of one combination.
func factorRow(f ...float64) []float32 {
	row := make([]float32, ops.CombineFactors)
	for i, v := range f {
		row[i] = float32(v)
	}
	return row
}

// inputs are those of step i; noise [items h w channels] is unread where no step
// takes any.
func (l *loop) inputs(i int, guidance, rescale float64, controls []Control, sizes, noise []float32) map[string]any {
	s := l.plan.Steps[i]
	next := scheduler.Level{Image: 1}
	if i+1 < len(l.plan.Steps) {
		next = l.plan.Steps[i+1].Known
	}
	output := factorRow(1)
	if l.guided {
		output = factorRow(scheduler.Guidance(guidance))
	}
	words := factorRow(1, 1)
	if i == 0 {
		words = factorRow(0, 1)
	}
	weights := controlWeights(controls, i, len(l.plan.Steps))
	factors := slices.Concat(factorRow(s.InputScale), output, factorRow(next.Image, next.Noise), words, factorRow(1), factorRow(rescale), factorRow(pick(weights, l.netPlaces())...), factorRow(pick(weights, l.adapters)...))
	for k, u := range s.Updates {
		row := factorRow(u.Factors(l.operands[k])...)
		row[ops.MostCombined] = float32(u.Clip)
		factors = append(factors, row...)
	}
	times := make([]float32, l.evaluations())
	for k := range times {
		times[k] = float32(s.Timestep)
	}
	in := map[string]any{inFactors: factors, unet.Timestep: times}
	if l.sizes > 0 {
		in[givenSizes] = sizes
	}
	if l.timeCond > 0 {
		in[unet.TimeCond] = repeat(guidanceEmbedding(guidance, l.timeCond), l.evaluations(), l.timeCond)
	}
	if l.noisy() {
		in[inNoise] = noise
	}
	return in
}

// netPlaces are the places of the ControlNets in requests.
func (l *loop) netPlaces() (at []int) {
	for _, c := range l.controls {
		at = append(at, c.at)
	}
	return at
}

// guidanceEmbedding is how models distilled with guidance are told its weight
// (Meng et al. 2023; get_guidance_scale_embedding of diffusers): sines, then
// cosines, of a thousand times it less 1.
func guidanceEmbedding(guidance float64, width int) []float32 {
	out, half := make([]float32, width), width/2
	for i := range half {
		angle := 1000 * (guidance - 1) * math.Exp(-math.Log(10000)*float64(i)/float64(half-1))
		out[i], out[half+i] = float32(math.Sin(angle)), float32(math.Cos(angle))
	}
	return out
}

func (l *loop) close() {
	if l.program != nil {
		l.program.Close()
	}
	l.b.Close()
}
