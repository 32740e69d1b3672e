package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"saccade/golden"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/nn"
	"saccade/models/verify"
)

// pipelineNames are what -pipelines takes: small diffusion pipelines inside the
// program, whose runs have goldens.
func pipelineNames() []string {
	var names []string
	for _, folder := range golden.Pipelines() {
		cases, err := golden.PipelineCases(folder)
		if err != nil {
			continue // the folders are embedded, and tested
		}
		names = append(names, folder)
		for _, c := range cases {
			names = append(names, folder+"/"+c.Name)
		}
	}
	return names
}

// pipelineCase finds the golden of a name; a pipeline's first is its alone too.
func pipelineCase(name string) (golden.PipelineCase, error) {
	folder, want, _ := strings.Cut(name, "/")
	cases, err := golden.PipelineCases(folder)
	if err == nil {
		for _, c := range cases {
			if want == "" || c.Name == want {
				return c, nil
			}
		}
	}
	names := pipelineNames()
	return golden.PipelineCase{}, fmt.Errorf("pipeline %q is unknown to bench; the nearest is %q (-list prints all)", name, models.Nearest(name, names))
}

// openPipeline opens a pipeline for a step or for whole runs.
func (s spec) openPipeline(ctx context.Context, dev *gpu.Device, precision gpu.DType) (*subject, error) {
	c, err := pipelineCase(s.Name)
	if err != nil {
		return nil, err
	}
	p, q, err := verify.OpenPipeline(dev, c, nn.Options{Precision: precision})
	if err != nil {
		return nil, err
	}
	s.Name, s.Batch = c.Folder+"/"+c.Name, q.Items
	x := &subject{spec: s, dev: dev, close: p.Close}
	if s.Kind == kindStep {
		err = x.openStep(ctx, p, q)
	} else {
		err = x.openWhole(p, q, c, precision)
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return x, nil
}

// openStep makes the subject of one step, of a run that begins again after its last.
func (x *subject) openStep(ctx context.Context, p *diffusion.Pipeline, q diffusion.Request) error {
	run, err := p.Start(ctx, q)
	if err != nil {
		return err
	}
	weights, memory := run.StepMemory()
	x.weights, x.activations = weights, memory.Arena+memory.IO
	x.Shape = fmt.Sprintf("%dx%d", q.Height, q.Width)
	x.ready = func(ctx context.Context) error {
		if run.Next() {
			return nil
		}
		return run.Restart(ctx)
	}
	x.run = run.Step
	x.profile = func(ctx context.Context) ([]gpu.Timing, error) {
		if err := x.ready(ctx); err != nil {
			return nil, err
		}
		return run.Profile(ctx)
	}
	x.verify = func(ctx context.Context, _ bool) (verdict, error) {
		if err := run.Restart(ctx); err != nil {
			return verdict{}, err
		}
		checks, err := run.Verify(ctx)
		return x.judge(checks), err
	}
	x.close = func() { run.Close(); p.Close() }
	return nil
}

// openWhole makes the subject of whole runs: the prompt, all steps, the picture.
func (x *subject) openWhole(p *diffusion.Pipeline, q diffusion.Request, c golden.PipelineCase, precision gpu.DType) error {
	planned, err := p.Plan(q)
	if err != nil {
		return err
	}
	for _, stage := range planned.Memory.Stages {
		x.weights += stage.Weights
	}
	x.activations = max(0, planned.Memory.Peak-x.weights)
	planned.Close()
	x.Shape = fmt.Sprintf("%dx%d, %d steps", q.Height, q.Width, q.Steps)
	x.run = func(ctx context.Context) error {
		run, err := p.Start(ctx, q)
		if err != nil {
			return err
		}
		defer run.Close()
		for run.Next() {
			if err := run.Step(ctx); err != nil {
				return err
			}
		}
		_, err = run.Result(ctx)
		return err
	}
	x.verify = func(ctx context.Context, _ bool) (verdict, error) {
		report, err := verify.Pipeline(ctx, x.dev, c, precision)
		if err != nil {
			return verdict{}, err
		}
		return x.judgeGolden(report), nil
	}
	return nil
}

// judgeGolden is the verdict on a run that has a golden.
func (x *subject) judgeGolden(report *golden.Report) verdict {
	v := verdict{verified: len(report.Results) > 0}
	for _, r := range report.Results {
		v.nmse = max(v.nmse, r.NMSE) // NaN stays
		if !r.OK() && v.mismatch == nil {
			v.verified, v.mismatch = false, fmt.Errorf("%s: %w", x, errors.New(r.String()))
		}
	}
	return v
}
