package diffusion

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"saccade/golden"
	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/diffusion/scheduler"
	"saccade/zoo"
)

// goldenF16 is for whole runs: several evaluations follow each other, each of whose
// roundings, about 1e-5, the next take over. Seen: up to 6.7e-5.
var goldenF16 = golden.Tolerance{NMSE: 2e-4, MaxAbs: 5e-2, Why: "several evaluations of a network follow each other"}

// GoldenTolerance is what goldens of pipelines are allowed to differ by.
func GoldenTolerance(precision gpu.DType) golden.Tolerance {
	if precision == gpu.F32 {
		return golden.F32
	}
	return goldenF16
}

// VerifyGolden makes a golden's run on a device and compares the latents after each
// step, and the picture, with diffusers'.
func VerifyGolden(ctx context.Context, dev *gpu.Device, c golden.PipelineCase, precision gpu.DType) (*golden.Report, error) {
	p, q, err := OpenGolden(dev, c, precision)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	tensors, err := c.Load()
	if err != nil {
		return nil, err
	}
	got, err := p.stepByStep(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("golden %s/%s: %w", c.Folder, c.Name, err)
	}
	return golden.CheckPipeline(c, tensors, got, GoldenTolerance(precision)), nil
}

// OpenGolden opens a golden's pipeline with its request, which has the golden's noise.
func OpenGolden(dev *gpu.Device, c golden.PipelineCase, precision gpu.DType) (*Pipeline, Request, error) {
	tensors, err := c.Load()
	if err != nil {
		return nil, Request{}, err
	}
	p, err := openGolden(dev, c, precision)
	if err != nil {
		return nil, Request{}, fmt.Errorf("golden %s/%s: %w", c.Folder, c.Name, err)
	}
	return p, goldenRequest(p, c, tensors), nil
}

// openGolden opens a golden's pipeline with its case's scheduler.
func openGolden(dev *gpu.Device, c golden.PipelineCase, precision gpu.DType) (*Pipeline, error) {
	fsys, err := golden.PipelineFS(c.Folder)
	if c.Weights == embedded {
		fsys = zoo.SD()
	}
	if err != nil {
		return nil, err
	}
	files, err := checkpoint.OpenFS(fsys, cmp.Or(c.Weights, c.Folder))
	if err != nil {
		return nil, err
	}
	family := prompted
	if strings.HasPrefix(files.Class, "DD") {
		family = unprompted
	}
	p, err := newPipeline(dev, files, family, Options{Precision: precision})
	if err != nil || c.SchedulerConfig == nil {
		return p, err
	}
	keys, err := json.Marshal(c.SchedulerConfig)
	if err == nil {
		p.schedule, err = scheduler.Set(p.schedule, string(keys))
	}
	return p, err
}

// goldenRequest is a golden's with its own noise.
func goldenRequest(p *Pipeline, c golden.PipelineCase, in map[string]golden.Tensor) Request {
	q := p.Defaults()
	q.Items, q.Height, q.Width, q.Steps, q.Guidance, q.ClipSkip, q.Scheduler = c.Batch, c.Height, c.Width, c.Steps, c.Guidance, c.ClipSkip, c.Scheduler
	if p.Prompted() {
		q.Prompts = []string{c.Prompt}
	}
	if c.NegativePrompt != "" {
		q.Negative = &c.NegativePrompt
	}
	if c.Strength > 0 {
		q.Strength = c.Strength
	}
	q.Latents, q.Image, q.Mask = in["latents"].Data, in["init_image"].Data, in["mask"].Data
	q.Noise = func(step int) ([]float32, error) { return in[fmt.Sprintf("noise.%d", step)].Data, nil }
	return q
}

// stepByStep makes a request and reads the latents after every step.
func (p *Pipeline) stepByStep(ctx context.Context, q Request) (map[string][]float32, error) {
	r, err := p.Start(ctx, q)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	got := map[string][]float32{}
	for r.Next() {
		if err := r.Step(ctx); err != nil {
			return nil, err
		}
		if got[fmt.Sprintf("step.%d", r.Done()-1)], err = r.Latents(); err != nil {
			return nil, err
		}
	}
	result, err := r.Result(ctx)
	if err != nil {
		return nil, err
	}
	got["latents"], got["image"] = result.Latents, result.Image
	return got, nil
}
