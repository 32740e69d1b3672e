package checkpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/original"
	"saccade/weights"
)

// The prefixes of the parts of a single file.
const (
	unetPrefix = "model.diffusion_model."
	vaePrefix  = original.Prefix
)

// tower is a text encoder of a single file.
type tower struct {
	part, tokenizer, prefix string
	class                   string
	openCLIP                bool // of OpenCLIP's names, else of transformers'
	penultimate             bool // without its last layer
}

// publication is a kind of network whose pipelines come as single files.
type publication struct {
	name, class, inpaint string
	towers               []tower
	side                 int     // of the pictures that it was trained on, pixels
	scale                float64 // of the latents
	scheduler            string  // its class, which diffusers gives it
	prediction           string
}

// publications are told by the prefixes of their text encoders. The sides,
// scales and schedulers are those of the pipelines whose configurations diffusers
// 0.42.1 takes in from_single_file: stable-diffusion-v1-5, stable-diffusion-2-1,
// stable-diffusion-xl-base-1.0 and stable-diffusion-xl-refiner-1.0.
var publications = []publication{
	{name: "Stable Diffusion 1", class: "StableDiffusionPipeline", inpaint: "StableDiffusionInpaintPipeline",
		towers: []tower{{part: TextEncoder, tokenizer: Tokenizer, prefix: "cond_stage_model.transformer.", class: "CLIPTextModel"}},
		side:   512, scale: 0.18215, scheduler: "PNDMScheduler", prediction: "epsilon"},
	{name: "Stable Diffusion 2", class: "StableDiffusionPipeline", inpaint: "StableDiffusionInpaintPipeline",
		towers: []tower{{part: TextEncoder, tokenizer: Tokenizer, prefix: "cond_stage_model.model.", class: "CLIPTextModel", openCLIP: true, penultimate: true}},
		side:   768, scale: 0.18215, scheduler: "DDIMScheduler", prediction: "v_prediction"},
	{name: "Stable Diffusion XL", class: "StableDiffusionXLPipeline", inpaint: "StableDiffusionXLInpaintPipeline",
		towers: []tower{{part: TextEncoder, tokenizer: Tokenizer, prefix: "conditioner.embedders.0.transformer.", class: "CLIPTextModel"},
			{part: TextEncoder2, tokenizer: Tokenizer2, prefix: "conditioner.embedders.1.model.", class: "CLIPTextModelWithProjection", openCLIP: true}},
		side: 1024, scale: 0.13025, scheduler: "EulerDiscreteScheduler", prediction: "epsilon"},
	{name: "Stable Diffusion XL's refiner", class: "StableDiffusionXLImg2ImgPipeline",
		towers: []tower{{part: TextEncoder2, tokenizer: Tokenizer2, prefix: "conditioner.embedders.0.model.", class: "CLIPTextModelWithProjection", openCLIP: true}},
		side:   1024, scale: 0.13025, scheduler: "EulerDiscreteScheduler", prediction: "epsilon"},
}

// single is a pipeline in one file, with the names of the networks' first
// publication.
type single struct {
	publication
	src       weights.Source
	unet      *originalUNet
	inpaint   bool
	zeroSNR   bool
	tokenizer func() (layout, error)
}

// defaultTokenizer is the model whose vocabulary all CLIPs of these pipelines have.
const defaultTokenizer = "openai/clip-vit-large-patch14"

// openSingle opens a file.
func openSingle(ctx context.Context, path, name string, hub *weights.Hub, o Options) (*Pipeline, error) {
	c, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := describe(c, o.VAE != "")
	if err != nil {
		c.Close()
		return nil, err
	}
	if o.PredictionType != "" {
		s.prediction = o.PredictionType
	}
	s.tokenizer = sync.OnceValues(func() (layout, error) {
		t, err := openTokenizer(ctx, defaultTokenizer, hub)
		if err != nil {
			return nil, fmt.Errorf("a single file has no tokenizer; give the folder of one (-tokenizer FOLDER): %w", err)
		}
		return t, nil
	})
	p := &Pipeline{Name: name, layout: s, closers: []func() error{c.Close}}
	if p.Index, err = s.index(); err == nil {
		_, err = p.parse(false, o.VAE != "")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return p, nil
}

// hasPart says that a file has tensors of a part, by its prefix.
func hasPart(src weights.Source, prefix string) bool {
	return slices.ContainsFunc(src.Names(), func(name string) bool { return strings.HasPrefix(name, prefix) })
}

// towerPrefixes are those of all text encoders.
func towerPrefixes() []string {
	var prefixes []string
	for _, p := range publications {
		for _, t := range p.towers {
			prefixes = append(prefixes, t.prefix)
		}
	}
	return prefixes
}

// describe tells which publication a file is of. withVAE says that it needs no
// autoencoder, which comes from elsewhere.
func describe(src weights.Source, withVAE bool) (*single, error) {
	s := &single{src: src}
	i := slices.IndexFunc(publications, func(p publication) bool {
		return !slices.ContainsFunc(p.towers, func(t tower) bool { return !hasPart(src, t.prefix) })
	})
	if hasPart(src, unetPrefix) && i >= 0 && !withVAE && !hasPart(src, vaePrefix) {
		return nil, fmt.Errorf("it is a pipeline without an autoencoder: among its %d tensors is no %s…; give one of its kind (-vae SOURCE)", len(src.Names()), vaePrefix)
	}
	if !hasPart(src, unetPrefix) || i < 0 {
		return nil, unknown(src)
	}
	s.publication = publications[i]
	var err error
	if s.unet, err = readUNet(src, s.name); err != nil {
		return nil, err
	}
	switch s.unet.in {
	case 4:
	case 9:
		if s.inpaint = s.publication.inpaint != ""; s.inpaint {
			s.class, s.prediction = s.publication.inpaint, "epsilon"
			break
		}
		fallthrough
	default:
		return nil, fmt.Errorf("its UNet, of %s, takes %d channels; 4 are supported, or 9 for inpainting (InstructPix2Pix, upscalers and depth to picture are not)", s.name, s.unet.in)
	}
	if checkpoint.Has(src, "edm_mean") {
		return nil, fmt.Errorf("it has edm_mean, as Playground 2.5 does, whose latents and noise are others than those of %s; that is not supported", s.name)
	}
	// Trainers mark networks of v-prediction by tensors of these names.
	if checkpoint.Has(src, "v_pred") {
		s.prediction, s.zeroSNR = "v_prediction", checkpoint.Has(src, "ztsnr")
	}
	return s, nil
}

// foreignFiles are tensors by which single files of other pipelines are known.
var foreignFiles = []struct{ part, what string }{
	{"lora_", "a LoRA, which is merged into a pipeline (-lora)"},
	{".lora", "a LoRA, which is merged into a pipeline (-lora)"},
	{"joint_blocks.", "Stable Diffusion 3"},
	{"double_blocks.", "Flux"},
	{"control_model.", "a ControlNet"},
	{"motion_modules.", "AnimateDiff"},
}

// unknown is the error for a file that is no pipeline: what was found in it.
func unknown(src weights.Source) error {
	names := src.Names()
	for _, f := range foreignFiles {
		for _, name := range names {
			if strings.HasPrefix(name, f.part) || strings.Contains(name, "."+strings.TrimPrefix(f.part, ".")) {
				return fmt.Errorf("it is no pipeline of Stable Diffusion 1, 2 or XL: among its %d tensors is %s, as in %s", len(names), name, f.what)
			}
		}
	}
	var lacks []string
	for _, part := range []struct{ prefix, what string }{{unetPrefix, "the UNet"}, {vaePrefix, "the autoencoder"}} {
		if !hasPart(src, part.prefix) {
			lacks = append(lacks, part.prefix+"… ("+part.what+")")
		}
	}
	if len(lacks) == 0 {
		lacks = append(lacks, "text encoder ("+strings.Join(towerPrefixes(), "…, ")+"…)")
	}
	return fmt.Errorf("it is no pipeline in a single file: among its %d tensors is no %s; its first are [%s]", len(names), strings.Join(lacks, ", no "), strings.Join(names[:min(3, len(names))], ", "))
}

// classes implements layout.
func (s *single) classes() map[string]string {
	of := map[string]string{UNet: "UNet2DConditionModel", VAE: "AutoencoderKL", Scheduler: s.scheduler}
	for _, t := range s.towers {
		of[t.part], of[t.tokenizer] = t.class, "CLIPTokenizer"
	}
	return of
}

// openCLIP implements layout.
func (s *single) openCLIP(tokenizer string) bool {
	return slices.ContainsFunc(s.towers, func(t tower) bool { return t.tokenizer == tokenizer && t.openCLIP })
}

// index is the model_index.json that a folder of the pipeline would have.
func (s *single) index() ([]byte, error) {
	index := map[string]any{"_class_name": s.class}
	for part, class := range s.classes() {
		library := "diffusers"
		if strings.HasPrefix(class, "CLIP") {
			library = "transformers"
		}
		index[part] = []string{library, class}
	}
	if s.class == "StableDiffusionXLImg2ImgPipeline" {
		index["force_zeros_for_empty_prompt"], index["requires_aesthetics_score"] = false, true
	}
	return json.MarshalIndent(index, "", "  ")
}

// open implements layout.
func (s *single) open(name string) (*Part, error) {
	part := &Part{Name: name}
	var config map[string]any
	var err error
	switch name {
	case UNet:
		part.Source = s.unet.source(s.src)
		config = s.unet.config(s.side / 8)
	case VAE:
		part.Source, config, err = original.Autoencoder(below(s.src, vaePrefix), s.side, s.scale)
	case Scheduler:
		config = s.schedulerConfig()
	default:
		return s.openText(name)
	}
	if err != nil {
		return nil, err
	}
	part.Config, err = json.MarshalIndent(config, "", "  ")
	return part, err
}

// openText opens a text encoder or its tokenizer.
func (s *single) openText(name string) (*Part, error) {
	for _, t := range s.towers {
		switch name {
		case t.part:
			src, config, err := openTower(s.src, t)
			if err != nil {
				return nil, err
			}
			text, err := json.MarshalIndent(config, "", "  ")
			return &Part{Source: src, Config: text}, err
		case t.tokenizer:
			from, err := s.tokenizer()
			if err != nil {
				return nil, err
			}
			part, err := from.open(name)
			if err == nil && t.openCLIP {
				part.FS = padded{part.FS, openCLIPPad}
			}
			return part, err
		}
	}
	return nil, fmt.Errorf("a file of %s has no such part", s.name)
}

// schedulerConfig is scheduler_config.json.
func (s *single) schedulerConfig() map[string]any {
	c := map[string]any{
		"_class_name": s.scheduler, "num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
		"clip_sample": false, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "prediction_type": s.prediction,
		"timestep_spacing": "leading", "trained_betas": nil,
	}
	if s.zeroSNR {
		c["rescale_betas_zero_snr"] = true
	}
	return c
}
