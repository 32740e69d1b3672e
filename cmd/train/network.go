package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/fit"
	"saccade/models/learn"
	"saccade/models/lora"
	"saccade/models/nn"
	"saccade/picture"
)

// trainNetwork trains adapters, and the last layer too where -head says so, or all.
func (a *app) trainNetwork(ctx context.Context) error {
	if a.lora == 0 {
		a.init = a.checkpoint.SavedNames(a.init)
	}
	m, err := a.load()
	if err != nil {
		return err
	}
	defer m.Close()
	print, err := m.Fingerprint()
	if err != nil {
		return err
	}
	l, err := learn.New(m, a.learning())
	if err != nil {
		return err
	}
	defer l.Close()
	from := a.batches(m, a.data, a.augment)
	if err := a.plan(ctx, l, from); err != nil {
		return err
	}
	if a.verify {
		return a.verifyGradients(ctx, l, from)
	}
	t := &training{app: a, m: m, l: l, from: from, perEpoch: from.perEpoch(), print: print, data: a.data.print(), write: func(folder string, values map[string]nn.Array) error {
		if a.lora == 0 {
			return a.checkpoint.Write(folder, values)
		}
		return a.writeAdapter(folder, l, values)
	}}
	t.readProbe = func(ctx context.Context, e *examples) (map[string]nn.Array, error) {
		img, err := picture.Open(e.paths[0], picture.DecodeOptions{})
		if err != nil {
			return nil, err
		}
		pixels, h, w, err := m.Preprocess(img)
		return map[string]nn.Array{nn.PixelValues: {Shape: []int{1, len(pixels) / max(1, h*w), h, w}, Data: pixels}}, err
	}
	t.train = func(ctx context.Context) (fit.Score, error) {
		return a.batches(m, a.data, picture.Augment{}).score(ctx, l)
	}
	if a.validated != nil {
		t.score = func(ctx context.Context) (fit.Score, error) {
			return a.batches(m, a.validated, picture.Augment{}).score(ctx, l)
		}
	}
	return t.run(ctx)
}

// plan tells the memory of a step.
func (a *app) plan(ctx context.Context, l *learn.Learner, from *pictures) error {
	b, err := from.Batch(ctx, 0)
	if err != nil {
		return err
	}
	if len(b.Labels) == 0 {
		return fmt.Errorf("folder %s: none of the first %s can be read", a.data.from, cli.Count(a.batch, "picture"))
	}
	program, resident, err := l.Plan(b)
	if err == nil {
		a.tellMemory(resident, program)
	}
	return err
}

// pictures are batches of pictures as the network takes them.
type pictures struct {
	*examples
	a       *app
	m       *models.Model
	order   *fit.Order
	augment picture.Augment
	mu      sync.Mutex // of what is complained of
}

func (a *app) batches(m *models.Model, e *examples, augment picture.Augment) *pictures {
	return &pictures{examples: e, a: a, m: m, augment: augment, order: &fit.Order{N: len(e.paths), Size: a.batch, Seed: a.seed}}
}

// perEpoch is the batches in an epoch.
func (p *pictures) perEpoch() int {
	if p.examples.batches != nil {
		return len(p.examples.batches)
	}
	return p.order.PerEpoch()
}

// Batch implements [fit.Batches].
func (p *pictures) Batch(ctx context.Context, micro int) (learn.Batch, error) {
	if all := p.examples.batches; all != nil {
		return all[micro%len(all)], nil
	}
	chosen, epoch := p.order.Batch(micro)
	return p.read(ctx, chosen, epoch)
}

// read reads pictures in as many goroutines as there are processors; those that can't be
// read are left out.
func (p *pictures) read(ctx context.Context, chosen []int, epoch int) (learn.Batch, error) {
	type one struct {
		pixels []float32
		shape  []int
		err    error
	}
	all, busy := make([]one, len(chosen)), make(chan struct{}, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for k, i := range chosen {
		wait.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			if all[k].err = ctx.Err(); all[k].err == nil {
				all[k].pixels, all[k].shape, all[k].err = p.pixels(i, epoch)
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return learn.Batch{}, err
	}
	x := nn.Array{}
	b := learn.Batch{}
	for k, r := range all {
		path := p.paths[chosen[k]]
		if r.err != nil {
			p.mu.Lock()
			p.a.bad(path, r.err)
			p.mu.Unlock()
			continue
		}
		if x.Shape != nil && !slices.Equal(x.Shape[1:], r.shape) {
			return b, fmt.Errorf("picture %s: it comes to %s pixels and others to %s; the network's preprocessing keeps sizes, give pictures of one size", path, cli.Dims(r.shape), cli.Dims(x.Shape[1:]))
		}
		x.Shape = append([]int{len(b.Labels) + 1}, r.shape...)
		x.Data, b.Labels = append(x.Data, r.pixels...), append(b.Labels, p.classes[chosen[k]])
	}
	b.Inputs = map[string]nn.Array{nn.PixelValues: x}
	return b, nil
}

// pixels reads picture i as it is in an epoch; shape is C, H, W.
func (p *pictures) pixels(i, epoch int) (pixels []float32, shape []int, err error) {
	img, err := picture.Open(p.paths[i], picture.DecodeOptions{})
	if err != nil {
		return nil, nil, err
	}
	img = p.augment.Apply(img, rand.New(rand.NewPCG(p.a.seed, uint64(epoch)<<32|uint64(i))))
	pixels, h, w, err := p.m.Preprocess(img)
	if err != nil {
		return nil, nil, err
	}
	return pixels, []int{len(pixels) / (h * w), h, w}, nil
}

// score tells how good the network is on all examples.
func (p *pictures) score(ctx context.Context, l *learn.Learner) (fit.Score, error) {
	c := newCounter(len(p.a.labels))
	add := func(b learn.Batch) error {
		if len(b.Labels) == 0 {
			return nil
		}
		out, err := l.Forward(ctx, b.Inputs)
		if err != nil {
			return err
		}
		logits := out["logits"]
		for i, class := range b.Labels {
			c.add(logits.Data[i*logits.Shape[1]:(i+1)*logits.Shape[1]], class)
		}
		return nil
	}
	for _, b := range p.examples.batches {
		if err := add(b); err != nil {
			return fit.Score{}, err
		}
	}
	for first := 0; first < len(p.paths); first += p.a.batch {
		var chosen []int
		for i := first; i < min(first+p.a.batch, len(p.paths)); i++ {
			chosen = append(chosen, i)
		}
		b, err := p.read(ctx, chosen, 0)
		if err == nil {
			err = add(b)
		}
		if err != nil {
			return fit.Score{}, err
		}
	}
	if c.n == 0 {
		return fit.Score{}, fmt.Errorf("folder %s: none of its pictures could be read", p.from)
	}
	return c.score(), nil
}

// writeAdapter writes PEFT's folder, and with -merge a checkpoint of the sum.
func (a *app) writeAdapter(folder string, l *learn.Learner, values map[string]nn.Array) error {
	tensors, err := tensorsOf("", values)
	if err != nil {
		return err
	}
	targets, head := l.Targets()
	c := lora.Config{Base: a.weights, Rank: a.lora, Alpha: a.alpha, RSLoRA: a.rslora, Targets: targets}
	metadata := map[string]string{}
	if head != "" {
		c.Saved = []string{head}
		index := map[string]string{}
		for i, label := range a.labels {
			index[strconv.Itoa(i)] = label
		}
		text, err := json.Marshal(index)
		if err != nil {
			return err
		}
		metadata[models.LabelsKey] = string(text)
	}
	if err := lora.Write(folder, c, tensors, metadata); err != nil {
		return err
	}
	if !a.merge {
		return nil
	}
	return a.checkpoint.WriteMerged(filepath.Join(folder, "merged"), folder)
}

// The most that a verification's figures may differ, as a part of the larger: a slope is
// of losses in f32, each with some millionths of error.
const slopeTolerance = 0.01

// verifyGradients recomputes a step on the CPU, and compares the gradients with
// differences of the loss.
func (a *app) verifyGradients(ctx context.Context, l *learn.Learner, from fit.Batches) error {
	b, err := from.Batch(ctx, 0)
	if err != nil {
		return err
	}
	checks, err := l.Verify(ctx, b, false)
	if err != nil {
		return err
	}
	wrong := 0
	for _, c := range checks {
		if c.Err != nil {
			wrong++
			fmt.Fprintf(a.stdout, "wrong  %s\n", cli.OneLine(c.Err))
		}
	}
	fmt.Fprintf(a.stdout, "%s of a step recomputed on the CPU, %d wrong\n", cli.Count(len(checks), "operation"), wrong)
	for seed := range uint64(3) {
		measured, computed, err := l.Slope(ctx, b, a.seed+seed)
		if err != nil {
			return err
		}
		off := math.Abs(measured-computed) / max(math.Abs(measured), math.Abs(computed), 1e-30)
		word := "ok"
		if !(off <= slopeTolerance) {
			word = "wrong"
			wrong++
		}
		fmt.Fprintf(a.stdout, "%-5s  slope of the loss: measured %.6g, by the gradients %.6g, %.2g %% apart\n", word, measured, computed, 100*off)
	}
	if wrong > 0 {
		return fmt.Errorf("%w: %d of the checks of the gradients on %s", cli.ErrMismatch, wrong, a.dev.Info())
	}
	return nil
}
