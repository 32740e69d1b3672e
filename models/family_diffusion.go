package models

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/unet"
	"saccade/models/vae"
	"saccade/ops"
	"saccade/weights"
	"saccade/zoo"
)

var sdFamily = Family{
	Name:     "sd",
	About:    "pictures of a prompt: Stable Diffusion 1, 2 and XL",
	Weights:  "a folder or hub id of diffusers (StableDiffusionPipeline, StableDiffusionXLPipeline, inpainting, LCM), or a single .safetensors or .ckpt file",
	Pipeline: true,
	embedded: zoo.SD(),
}

var ddpmFamily = Family{
	Name:     "ddpm",
	About:    "pictures without a prompt: DDPM, DDIM",
	Weights:  "a folder or hub id of diffusers (DDPMPipeline, DDIMPipeline)",
	Pipeline: true,
}

var unetFamily = Family{
	Name:    "unet",
	About:   "the denoising network of DDPM and Stable Diffusion, a part of diffusion models",
	Weights: "a folder or hub id of diffusers (UNet2DModel, UNet2DConditionModel), or that of a whole pipeline, or its single file",
	part:    true,

	architectures: unet.StandardNames(),
	standard: func(b *ops.Builder, name string) (opened, error) {
		c, err := unet.Standard(name)
		if err != nil {
			return opened{}, err
		}
		m, err := unet.New(b, c)
		return opened{part: unetPart{m}, layers: m}, err
	},
	open: func(b *ops.Builder, src weights.Source, config []byte, _ string) (opened, error) {
		c, named, err := unet.Describe(src, config)
		if err != nil {
			return opened{}, err
		}
		m, err := unet.New(b, c)
		if err != nil {
			return opened{}, err
		}
		return opened{part: unetPart{m}, layers: m, src: named}, nil
	},
}

var vaeFamily = Family{
	Name:    "vae",
	About:   "the autoencoder of Stable Diffusion, a part of diffusion models",
	Weights: "a folder or hub id of diffusers (AutoencoderKL, AutoencoderTiny), or that of a whole pipeline, or its single file",
	part:    true,

	architectures: vae.StandardNames(),
	standard: func(b *ops.Builder, name string) (opened, error) {
		c, err := vae.Standard(name)
		if err != nil {
			return opened{}, err
		}
		m, err := vae.New(b, c)
		if err != nil {
			return opened{}, err
		}
		return opened{part: vaePart{m, c.Channels, c.Latent, c.Reduction(), m.Tiling().Latent}, layers: m}, nil
	},
	open: openAutoencoder,
}

func openAutoencoder(b *ops.Builder, src weights.Source, config []byte, _ string) (opened, error) {
	d, err := vae.DescribeEither(src, config)
	if err != nil {
		return opened{}, err
	}
	m, err := d.New(b)
	if err != nil {
		return opened{}, err
	}
	return opened{part: vaePart{m, d.Channels, d.Latent, d.Reduction, min(m.Tiling().Latent, exampleSide)}, layers: m, src: d.Source}, nil
}

// exampleSide is the most that the side of the latents is for which a loaded
// autoencoder is made ready: larger pictures may exceed an adapter's binding.
const exampleSide = 16

// The names of raw inputs and outputs of parts, diffusers'.
const (
	inputPixels     = "pixel_values"
	inputSample     = "sample" // a UNet's output too
	inputTime       = "timestep"
	inputContext    = "encoder_hidden_states"
	inputTimeCond   = "timestep_cond"
	inputClass      = "class_labels"
	inputTextEmbeds = "text_embeds"
	inputTimeIDs    = "time_ids"
	inputLatents    = "latents" // an autoencoder's output too
)

// unetPart is a UNet by the names of its inputs.
type unetPart struct{ *unet.Model }

// Takes implements [PartNetwork].
func (u unetPart) Takes(in map[string]Array) (map[string]Array, error) {
	names := []string{inputSample, inputTime}
	if err := expect(in, inputSample, 0, u.In, 0, 0); err != nil {
		return nil, err
	}
	n := in[inputSample].Shape[0]
	t, err := perItem(in, inputTime, n)
	if err != nil {
		return nil, err
	}
	out := map[string]Array{inputSample: in[inputSample], inputTime: t}
	take := func(name string, shape ...int) error {
		names = append(names, name)
		out[name] = in[name]
		return expect(in, name, shape...)
	}
	if u.Context > 0 {
		err = take(inputContext, n, 0, u.Context)
	}
	if err == nil && u.TimeCond > 0 {
		err = take(inputTimeCond, n, u.TimeCond)
	}
	switch {
	case err != nil:
	case u.ClassTime:
		names = append(names, inputClass)
		out[inputClass], err = perItem(in, inputClass, n)
	case u.Config.Class > 0:
		err = take(inputClass, n, u.Config.Class)
	}
	if err == nil && u.Config.Added > 0 {
		if err = take(inputTimeIDs, n, 0); err == nil {
			err = take(inputTextEmbeds, n, u.pooled(in[inputTimeIDs].Shape[1]))
		}
	}
	if err == nil {
		err = only(in, names...)
	}
	return out, err
}

// pooled is the width of SDXL's pooled prompt beside so many sizes of pictures.
func (u unetPart) pooled(sizes int) int { return u.Config.Added - sizes*u.AddedTime }

// ForwardPart implements [PartNetwork].
func (u unetPart) ForwardPart(r *gpu.Recorder, shapes map[string][]int) {
	input := func(name string) *gpu.Tensor {
		if shapes[name] == nil {
			return nil
		}
		return r.Input(name, gpu.F32, shapes[name]...)
	}
	packed := func(name string) *gpu.Tensor {
		if x := input(name); x != nil {
			return ops.Pack(r, x, 1)
		}
		return nil
	}
	in := unet.Inputs{Sample: input(inputSample), Time: input(inputTime), Context: packed(inputContext), TimeCond: packed(inputTimeCond), TextEmbeds: packed(inputTextEmbeds), TimeIDs: input(inputTimeIDs)}
	if in.Class = input(inputClass); in.Class != nil && !u.ClassTime {
		in.Class = ops.Pack(r, in.Class, 1)
	}
	r.OutputNCHW("sample", u.Forward(r, in))
}

// Example implements [PartNetwork]; a prompt has 77 tokens.
func (u unetPart) Example(n int) map[string][]int {
	h, w := u.Size[0], u.Size[1]
	if h < 1 {
		h = 1 << (len(u.Config.Down) + 2)
		w = h
	}
	shapes := map[string][]int{inputSample: {n, u.In, h, w}, inputTime: {n, 1}}
	if u.Context > 0 {
		shapes[inputContext] = []int{n, 77, u.Context}
	}
	if u.TimeCond > 0 {
		shapes[inputTimeCond] = []int{n, u.TimeCond}
	}
	switch {
	case u.ClassTime:
		shapes[inputClass] = []int{n, 1}
	case u.Config.Class > 0:
		shapes[inputClass] = []int{n, u.Config.Class}
	}
	if u.Config.Added > 0 { // two sizes and a corner, or with SDXL's refiner a score in place of one
		sizes := 6
		for sizes > 1 && u.pooled(sizes) < 1 {
			sizes--
		}
		shapes[inputTimeIDs], shapes[inputTextEmbeds] = []int{n, sizes}, []int{n, u.pooled(sizes)}
	}
	return shapes
}

// vaePart is an autoencoder by the names of its inputs: it encodes, decodes, or both.
type vaePart struct {
	vae.Autoencoder
	channels, latent int
	reduction        int // pixels of a picture's side for one of the latents'
	side             int // of the latents of an example
}

// Takes implements [PartNetwork].
func (v vaePart) Takes(in map[string]Array) (map[string]Array, error) {
	if len(in) == 0 {
		return nil, fmt.Errorf("there is no input; the autoencoder takes %s or %s", inputPixels, inputLatents)
	}
	if err := only(in, inputPixels, inputLatents); err != nil {
		return nil, err
	}
	if _, ok := in[inputPixels]; ok {
		if err := expect(in, inputPixels, 0, v.channels, 0, 0); err != nil {
			return nil, err
		}
		if h, w := in[inputPixels].Shape[2], in[inputPixels].Shape[3]; min(h, w) < v.reduction {
			return nil, fmt.Errorf("pictures of %dx%d (height x width) are too small, the autoencoder takes at least %d pixels each way", h, w, v.reduction)
		}
	}
	if _, ok := in[inputLatents]; ok {
		if err := expect(in, inputLatents, 0, v.latent, 0, 0); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// ForwardPart implements [PartNetwork].
func (v vaePart) ForwardPart(r *gpu.Recorder, shapes map[string][]int) {
	if s := shapes[inputPixels]; s != nil {
		r.OutputNCHW("latents", v.Encode(r, r.Input(inputPixels, gpu.F32, s...)))
	}
	if s := shapes[inputLatents]; s != nil {
		r.OutputNCHW("image", v.Decode(r, r.Input(inputLatents, gpu.F32, s...)))
	}
}

// Example implements [PartNetwork].
func (v vaePart) Example(n int) map[string][]int {
	return map[string][]int{inputLatents: {n, v.latent, v.side, v.side}}
}
