package learn

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// mostPrograms bounds the shapes of batches for which programs are kept.
const mostPrograms = 2

// program is a step for batches of a shape: forward pass, loss, backward pass, optimizer.
type program struct {
	*gpu.Program
	key string
}

// ready is a batch with its program.
type ready struct {
	*program
	feed nn.Feed
	more map[string]any // what the loss takes
	seed float32        // the gradient of the loss
}

// values are the program's inputs.
func (r ready) values(s ops.Settings) map[string]any {
	in := r.feed.Values()
	maps.Copy(in, r.more)
	in["loss_scale"], in["settings"] = []float32{r.seed}, s.Values()
	return in
}

// run does a micro-step.
func (r ready) run(ctx context.Context, s ops.Settings) (map[string][]float32, error) {
	return r.Run(ctx, r.values(s))
}

// ready checks a batch and finds or makes its program.
func (l *Learner) ready(b Batch) (ready, error) {
	f, more, err := l.check(b)
	if err != nil {
		return ready{}, err
	}
	r := ready{feed: f, more: more, seed: float32(l.progress.Scale / float64(l.options.Accumulate))}
	key := f.String()
	if i := slices.IndexFunc(l.programs, func(p *program) bool { return p.key == key }); i >= 0 {
		r.program = l.programs[i]
		l.programs = append(slices.Delete(l.programs, i, i+1), r.program) // the last used stands last
		return r, nil
	}
	if len(l.programs) == mostPrograms {
		l.programs[0].Close()
		l.programs = slices.Delete(l.programs, 0, 1)
	}
	p, err := l.module.Program(l.record(f, b))
	if err != nil {
		return ready{}, fmt.Errorf("a step on inputs %s: %w", f, err)
	}
	r.program = &program{Program: p, key: key}
	l.programs = append(l.programs, r.program)
	return r, nil
}

// check refuses a batch that does not fit the network, and gives what the loss takes of it.
func (l *Learner) check(b Batch) (nn.Feed, map[string]any, error) {
	for name := range b.Inputs {
		if l.network.Input(name) == nil {
			return nn.Feed{}, nil, fmt.Errorf("a batch with an input %s, which the network does not take", name)
		}
	}
	f, err := l.network.Prepare(b.Inputs)
	if err != nil {
		return f, nil, err
	}
	more, err := l.loss.inputs(b, f.Shape(l.network.Inputs[0].Name)[0])
	return f, more, err
}

// record records a step for batches of the shapes of b.
func (l *Learner) record(f nn.Feed, b Batch) *gpu.Recorder {
	r := l.dev.Record(l.options.Precision)
	r.Tape = &gpu.Tape{Checkpoint: l.options.Checkpoint, Compact: l.options.LowMemory}
	in := f.Declare(r)
	seed, settings := r.Input("loss_scale", gpu.F32, 1), r.Input("settings", gpu.F32, ops.SettingsSize)
	loss := l.loss.record(r, b, l.network, in)
	r.Output("loss", loss)
	var trained []*parameter
	var values []*gpu.Tensor
	for _, p := range l.all {
		if !p.statistic {
			trained, values = append(trained, p), append(values, p.value)
		}
	}
	grads := r.Backward(loss, seed, values, func(a, b *gpu.Tensor) *gpu.Tensor { return ops.Add(r, a, b, 1) })
	l.optimize(r, trained, grads, settings)
	return r
}

// optimize records the optimizer's step by the gradients of all parameters. Of a whole network
// those that the loss does not depend on stay as they are, as PyTorch leaves them.
func (l *Learner) optimize(r *gpu.Recorder, trained []*parameter, grads []*gpu.Tensor, settings *gpu.Tensor) {
	var squares *gpu.Tensor
	var moved []*parameter
	for i, p := range trained {
		if r.Err() == nil && grads[i] == nil {
			if l.options.Full {
				continue
			}
			r.Fail(fmt.Errorf("the loss does not depend on %s", p.name))
		}
		if r.Err() != nil {
			return
		}
		moved = append(moved, p)
		r.Enter(p.name)
		ops.Accumulate(r, p.grad, grads[i], settings)
		squares = ops.Squares(r, squares, p.grad)
		r.Leave()
	}
	r.Output("squares", squares)
	o := l.options.Optimizer
	for _, p := range moved {
		r.Enter(p.name)
		switch o.Kind {
		case SGD:
			ops.SGD{Decay: *o.WeightDecay, Momentum: o.Momentum, Dampening: o.Dampening, Nesterov: o.Nesterov}.
				Step(r, p.value, p.moments[0], p.grad, squares, settings)
		default:
			ops.AdamW{Decay: *o.WeightDecay, Beta1: o.Betas[0], Beta2: o.Betas[1], Eps: *o.Eps}.
				Step(r, p.value, p.moments[0], p.moments[1], p.grad, squares, settings)
		}
		r.Leave()
	}
}

// Plan is the device memory of a step on batches of those shapes, which it records and does not
// run: of its program, and of weights, trained values, gradients and moments. It takes no memory
// of the device.
func (l *Learner) Plan(b Batch) (memory gpu.Memory, resident int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, _, err := l.check(b)
	if err != nil {
		return gpu.Memory{}, 0, err
	}
	memory, err = l.record(f, b).Plan()
	resident = l.module.Bytes() // with trained values and what the recording asked for
	for _, p := range l.all {
		for _, t := range p.own() {
			resident += t.Bytes()
		}
	}
	return memory, resident, err
}
