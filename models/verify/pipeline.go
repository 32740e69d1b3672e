package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"saccade/golden"
	"saccade/gpu"
	"saccade/models/diffusion"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/weights"
	"saccade/zoo"
)

// Pipeline makes a golden's run on a device and compares the latents after each
// step, and the image, with diffusers'.
func Pipeline(ctx context.Context, dev *gpu.Device, c golden.PipelineCase, precision gpu.DType) (*golden.Report, error) {
	o := nn.Options{Precision: precision}
	p, q, err := OpenPipeline(dev, c, o)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var base *diffusion.Pipeline
	if c.Base != "" {
		if base, err = open(dev, golden.PipelineCase{Folder: c.Base, Name: c.Name}, o); err != nil {
			return nil, fmt.Errorf("golden %s/%s: %w", c.Folder, c.Name, err)
		}
		defer base.Close()
		q.To = c.RefinerStart
	}
	tensors, err := c.Load()
	if err != nil {
		return nil, err
	}
	family := diffusion.Unconditional.Name
	if p.Prompted() {
		family = diffusion.Family.Name
	}
	tolerance, err := Tolerance(family, precision)
	if err != nil {
		return nil, err
	}
	got, err := steps(ctx, base, p, q)
	if err != nil {
		return nil, fmt.Errorf("golden %s/%s: %w", c.Folder, c.Name, err)
	}
	return golden.CheckPipeline(c, tensors, got, tolerance), nil
}

// OpenPipeline opens a golden's pipeline, with its case's scheduler, and gives its
// request, which has the golden's noise.
func OpenPipeline(dev *gpu.Device, c golden.PipelineCase, o nn.Options) (*diffusion.Pipeline, diffusion.Request, error) {
	tensors, err := c.Load()
	if err != nil {
		return nil, diffusion.Request{}, err
	}
	p, err := open(dev, c, o)
	if err != nil {
		return nil, diffusion.Request{}, fmt.Errorf("golden %s/%s: %w", c.Folder, c.Name, err)
	}
	return p, request(p, c, tensors), nil
}

func open(dev *gpu.Device, c golden.PipelineCase, o nn.Options) (*diffusion.Pipeline, error) {
	fsys, err := golden.PipelineFS(c.Folder)
	if other, ok := strings.CutPrefix(c.Weights, "golden/pipelines/"); ok {
		fsys, err = golden.PipelineFS(other)
	} else if c.Weights != "" {
		fsys, err = fs.Sub(zoo.SD(), "sd")
	}
	if err != nil {
		return nil, err
	}
	files, err := checkpoint.OpenFS(fsys, cmp.Or(c.Weights, c.Folder))
	if err != nil {
		return nil, err
	}
	if c.Motion != "" {
		if err := addMotion(files, c); err != nil {
			return nil, errors.Join(err, files.Close())
		}
	}
	if c.LoRA != "" {
		path, remove, err := onDisk(c.Folder, c.LoRA)
		if err != nil {
			return nil, errors.Join(err, files.Close())
		}
		defer remove()
		o.LoRA = []nn.LoRA{{File: path, Scale: c.LoRAScale}}
	}
	p, err := diffusion.New(dev, files, o)
	if err != nil {
		return nil, err
	}
	for _, k := range c.Controls {
		if err := addControl(p, cmp.Or(c.Nets, c.Folder), k.Net); err != nil {
			p.Close()
			return nil, err
		}
	}
	if len(c.IPAdapters) > 0 {
		if err := addIPAdapters(p, c); err != nil {
			p.Close()
			return nil, err
		}
	}
	if c.SchedulerConfig == nil {
		return p, nil
	}
	keys, err := json.Marshal(c.SchedulerConfig)
	if err == nil {
		err = p.SetScheduler(string(keys))
	}
	return p, err
}

// addIPAdapters adds those of a golden's folder, with the image tower there.
func addIPAdapters(p *diffusion.Pipeline, c golden.PipelineCase) error {
	fsys, err := golden.PipelineFS(c.Folder)
	if err != nil {
		return err
	}
	config, err := fs.ReadFile(fsys, "image_encoder/config.json")
	if err != nil {
		return err
	}
	tower, err := weights.OpenFS(fsys, "image_encoder/model.safetensors")
	if err != nil {
		return err
	}
	if err := p.SetImageTower("image_encoder", tower, config); err != nil {
		return err
	}
	for _, a := range c.IPAdapters {
		src, err := weights.OpenFS(fsys, a.File)
		if err != nil {
			return err
		}
		if err := p.AddIPAdapter(a.File, src, a.Weight); err != nil {
			return err
		}
	}
	return nil
}

// addMotion adds the motion adapter of a golden's folder.
func addMotion(files *checkpoint.Pipeline, c golden.PipelineCase) error {
	fsys, err := golden.PipelineFS(c.Folder)
	if err != nil {
		return err
	}
	config, err := fs.ReadFile(fsys, c.Motion+"/config.json")
	if err != nil {
		return err
	}
	src, err := weights.OpenFS(fsys, c.Motion+"/diffusion_pytorch_model.safetensors")
	if err != nil {
		return err
	}
	files.Motion = &checkpoint.Motion{Name: c.Motion, Source: src, Config: config, Close: src.Close}
	return nil
}

// onDisk writes a file of a golden's folder to the disk, and gives what removes it.
func onDisk(pipeline, name string) (path string, remove func(), err error) {
	fsys, err := golden.PipelineFS(pipeline)
	if err != nil {
		return "", nil, err
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "", nil, err
	}
	f, err := os.CreateTemp("", "golden-*"+filepath.Ext(name))
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.Remove(f.Name()) }
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		remove()
		return "", nil, err
	}
	return f.Name(), remove, nil
}

// addControl adds a ControlNet of a golden's folder.
func addControl(p *diffusion.Pipeline, pipeline, net string) error {
	fsys, err := golden.PipelineFS(pipeline)
	if err != nil {
		return err
	}
	config, err := fs.ReadFile(fsys, net+"/config.json")
	if err != nil {
		return err
	}
	src, err := weights.OpenFS(fsys, net+"/diffusion_pytorch_model.safetensors")
	if err != nil {
		return err
	}
	return p.AddControl(net, src, config)
}

// request is a golden's with its own noise.
func request(p *diffusion.Pipeline, c golden.PipelineCase, in map[string]golden.Tensor) diffusion.Request {
	q := p.Defaults()
	q.Items, q.Height, q.Width, q.Steps, q.Guidance, q.ClipSkip, q.Scheduler = c.Batch, c.Height, c.Width, c.Steps, c.Guidance, c.ClipSkip, c.Scheduler
	q.Frames, q.Context, q.Stride = c.Frames, c.ContextLength, c.ContextStride
	if p.Prompted() {
		q.Prompts = []string{c.Prompt}
	}
	if c.NegativePrompt != "" {
		q.Negative = &c.NegativePrompt
	}
	if c.Strength > 0 {
		q.Strength = c.Strength
	}
	q.Syntax, q.Rescale = diffusion.Syntax(c.PromptSyntax), c.GuidanceRescale
	q.Latents, q.Image, q.Mask = in["latents"].Data, in["init_image"].Data, in["mask"].Data
	for i, k := range c.Controls {
		q.Controls = append(q.Controls, diffusion.Control{Hint: in[fmt.Sprintf("hint.%d", i)].Data, Weight: k.Weight, From: k.From, To: k.To})
	}
	for i := range c.IPAdapters {
		q.ImagePrompts = append(q.ImagePrompts, in[fmt.Sprintf("ip_image.%d", i)].Data)
	}
	q.Noise = func(step int) ([]float32, error) { return in[fmt.Sprintf("noise.%d", step)].Data, nil }
	return q
}

// Steps makes a request: the latents after every step as step.0 and so on, and at
// the end latents and image.
func Steps(ctx context.Context, p *diffusion.Pipeline, q diffusion.Request) (map[string][]float32, error) {
	return steps(ctx, nil, p, q)
}

// steps is Steps of a pipeline that goes on from a base, if there is one.
func steps(ctx context.Context, base, p *diffusion.Pipeline, q diffusion.Request) (map[string][]float32, error) {
	got := map[string][]float32{}
	first := p
	if base != nil {
		first = base
	}
	r, err := first.Start(ctx, q)
	if err != nil {
		return nil, err
	}
	defer func() { r.Close() }()
	if err := walk(ctx, r, got); err != nil {
		return nil, err
	}
	if base != nil {
		next, err := p.Continue(ctx, r)
		if err != nil {
			return nil, err
		}
		r = next
		if err := walk(ctx, r, got); err != nil {
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

// walk does all steps of a run, and keeps the latents after each behind those of the
// steps that there are.
func walk(ctx context.Context, r *diffusion.Run, got map[string][]float32) (err error) {
	for r.Next() {
		if err := r.Step(ctx); err != nil {
			return err
		}
		if got[fmt.Sprintf("step.%d", len(got))], err = r.Latents(); err != nil {
			return err
		}
	}
	return nil
}
