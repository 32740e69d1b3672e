package diffusion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/diffusion/scheduler"
	"saccade/models/nn"
	"saccade/models/unet"
	"saccade/weights"
)

// Pipeline is the parts of a checkpoint: text towers, UNet, autoencoder and the
// scheduler's configuration. Weights come to the device when a run needs them.
type Pipeline struct {
	Name      string // folder, file, hub id or the embedded zoo
	Class     string // as diffusers names it
	Precision gpu.DType

	dev        *gpu.Device
	files      *checkpoint.Pipeline
	encoders   []*encoder // none, one, or SDXL's two
	unet       *nn.Module
	config     unet.Config
	vae        *autoencoder   // nil in pipelines of pixels
	motion     *motionConfig  // of a pipeline of videos, or nil
	images     []*imagePrompt // IP-Adapters
	tower      *imageTower    // that sees their images, or nil
	unetSource weights.Source
	controls   []*control // ControlNets
	tokens     []string   // of textual inversions
	schedule   []byte     // scheduler_config.json
	colour     []float32  // see colours; nil until it is asked for
	lowMemory  bool
	tiled      bool
}

// The names of the families.
const (
	ofPrompts = "sd"
	ofVideos  = "video"
	ofNoise   = "ddpm"
)

// Family is the pipelines that draw a prompt.
var Family = nn.Family{
	Name:     ofPrompts,
	About:    "images of a prompt: Stable Diffusion 1, 2 and XL",
	Weights:  "a folder or hub id of diffusers (StableDiffusionPipeline, StableDiffusionXLPipeline, inpainting, LCM), or a single .safetensors or .ckpt file",
	Embedded: "sd",
	Open:     opener(ofPrompts),
}

// Unconditional is those that draw without one.
var Unconditional = nn.Family{
	Name:    ofNoise,
	About:   "images without a prompt: DDPM, DDIM",
	Weights: "a folder or hub id of diffusers (DDPMPipeline, DDIMPipeline)",
	Open:    opener(ofNoise),
}

// FamilyOf is the name of the family that draws the pipeline src, by the class that its index names.
func FamilyOf(ctx context.Context, src string, hub *weights.Hub) string {
	switch class := checkpoint.ClassOf(ctx, src, hub); {
	case class == checkpoint.TextToVideo:
		return ofVideos
	case checkpoint.Unconditional(class):
		return ofNoise
	}
	return ofPrompts
}

// embedded is the name of the pipeline inside the program.
const embedded = "zoo/sd"

// opener opens a pipeline of a family: a folder of diffusers, a single file, or a hub id; "" is
// the embedded one.
func opener(family string) func(context.Context, *gpu.Device, string, nn.Options) (nn.Pipeline, error) {
	return func(ctx context.Context, dev *gpu.Device, src string, o nn.Options) (nn.Pipeline, error) {
		files, err := open(ctx, src, o)
		if err != nil {
			return nil, err
		}
		if err := openMotion(ctx, files, o); err != nil {
			return nil, errors.Join(fmt.Errorf("loading the motion adapter %s: %w", o.Motion, err), files.Close())
		}
		p, err := New(dev, files, o)
		if err != nil {
			return nil, err
		}
		if err := p.belongs(family); err != nil {
			p.Close()
			return nil, fmt.Errorf("loading the pipeline %s: %w", p.Name, err)
		}
		return p, nil
	}
}

// belongs refuses a pipeline of another family: one of videos draws those alone, and one of images
// videos by a motion adapter.
func (p *Pipeline) belongs(family string) error {
	_, moves := p.Moves()
	other := ""
	switch {
	case family == ofVideos && p.Prompted() && !moves:
		return requestErrorf("it is a %s, which draws images: give -motion SOURCE, an adapter, or -model %s", p.Class, ofPrompts)
	case family != ofNoise && !p.Prompted():
		other = ofNoise
	case family != ofVideos && p.config.Frames > 0:
		other = ofVideos
	case family == ofNoise && p.Prompted():
		other = ofPrompts
	default:
		return nil
	}
	return fmt.Errorf("it is a %s, which is not of %s; give -model %s", p.Class, family, other)
}

func open(ctx context.Context, src string, o nn.Options) (*checkpoint.Pipeline, error) {
	if src == "" {
		files, err := fs.Sub(o.Embedded, "sd")
		if err != nil {
			return nil, err
		}
		return checkpoint.OpenFS(files, embedded)
	}
	return checkpoint.Open(ctx, src, o.Hub, checkpoint.Options{Tokenizer: o.Tokenizer, PredictionType: o.PredictionType, VAE: o.VAE})
}

// New makes a pipeline of its files, which it takes over; it closes them on an error.
func New(dev *gpu.Device, files *checkpoint.Pipeline, o nn.Options) (*Pipeline, error) {
	p := &Pipeline{Name: files.Name, Class: files.Class, Precision: o.Precision, dev: dev, files: files, lowMemory: o.LowMemory, tiled: o.Tiled}
	if err := p.describe(o); err != nil {
		return nil, errors.Join(fmt.Errorf("loading the pipeline %s: %w", p.Name, err), files.Close())
	}
	return p, nil
}

// Source implements [nn.Pipeline].
func (p *Pipeline) Source() string { return p.Name }

// Device is the one that it runs on.
func (p *Pipeline) Device() *gpu.Device { return p.dev }

// Modules implements [nn.Pipeline].
func (p *Pipeline) Modules() []*nn.Module {
	var all []*nn.Module
	for _, e := range p.encoders {
		all = append(all, e.Module)
	}
	for _, c := range p.controls {
		all = append(all, c.module)
	}
	for _, a := range p.images {
		all = append(all, a.module)
	}
	if p.tower != nil {
		all = append(all, p.tower.module)
	}
	all = append(all, p.unet)
	if p.vae != nil {
		all = append(all, p.vae.module)
	}
	return all
}

// SetScheduler changes keys of the scheduler's configuration, given as JSON.
func (p *Pipeline) SetScheduler(keys string) (err error) {
	p.schedule, err = scheduler.Set(p.schedule, keys)
	return err
}

// describe reads the configurations of all parts.
func (p *Pipeline) describe(o nn.Options) error {
	if err := p.addMotion(); err != nil {
		return err
	}
	for _, d := range o.LoRA {
		if err := p.files.Merge(d.File, d.Scale); err != nil {
			return err
		}
	}
	inversions, err := p.inversions(o.Embeddings)
	if err != nil {
		return err
	}
	for _, name := range [][2]string{{checkpoint.TextEncoder, checkpoint.Tokenizer}, {checkpoint.TextEncoder2, checkpoint.Tokenizer2}} {
		if !p.files.Has(name[0]) {
			continue
		}
		e, err := openEncoder(p.dev, p.Precision, p.files, name[0], name[1], inversions)
		if err != nil {
			return err
		}
		p.encoders = append(p.encoders, e)
	}
	if err := p.describeUNet(); err != nil {
		return err
	}
	if p.files.Has(checkpoint.VAE) {
		var err error
		if p.vae, err = openAutoencoder(p.dev, p.Precision, p.files); err != nil {
			return err
		}
	}
	in, err := p.files.Part(checkpoint.Scheduler)
	if err != nil {
		return err
	}
	p.schedule = in.Config
	if p.motion != nil { // the noise that all adapters were trained with
		if err := p.SetScheduler(`{"beta_schedule":"linear"}`); err != nil {
			return err
		}
	}
	return p.check()
}

func (p *Pipeline) describeUNet() error {
	in, err := p.files.Part(checkpoint.UNet)
	if err != nil {
		return err
	}
	config, src, err := unet.Describe(in.Source, in.Config)
	if err != nil {
		return fmt.Errorf("unet: %w", err)
	}
	config.Motion = p.motion
	p.setUNet(config, src)
	return nil
}

func (p *Pipeline) setUNet(config unet.Config, src weights.Source) {
	p.config, p.unetSource = config, src
	p.unet = nn.NewModule(p.dev, checkpoint.UNet, p.Precision, &nn.Description{Tensors: src, Make: config.Layers})
}

// check finds parts that do not fit each other.
func (p *Pipeline) check() error {
	c, width := p.config, 0
	for _, e := range p.encoders {
		width += e.config.Block.Width
	}
	switch {
	case c.Context != width:
		return fmt.Errorf("the UNet takes prompts of width %d and the text towers give %d; they are not of one pipeline", c.Context, width)
	case (c.Frames > 0) != (p.Class == checkpoint.TextToVideo):
		return fmt.Errorf("the UNet is of %s, which a %s does not draw; they are not of one pipeline", map[bool]string{true: "videos", false: "images"}[c.Frames > 0], p.Class)
	case c.Frames > 0 && c.TimeCond > 0:
		return fmt.Errorf("the UNet takes the guidance beside the time (time_cond_proj_dim), which a %s does not tell it; run it alone with -model unet -input", p.Class)
	case c.Class > 0:
		return errors.New("the UNet takes classes, as those of unCLIP do, which pipelines here do not; run it alone with -model unet -input")
	case p.xl() && (len(p.encoders) == 0 || p.encoders[len(p.encoders)-1].config.Projection != p.pooled()):
		return fmt.Errorf("the UNet takes a pooled prompt of width %d beside %d sizes, which the text towers do not give", p.pooled(), p.sizes())
	case p.vae == nil:
	case c.Out != p.vae.Latent || c.In != c.Out && !p.inpaints():
		return fmt.Errorf("the UNet takes %d channels and gives %d, the autoencoder's latents have %d; expected as many, or of an inpainting model %d more to take", c.In, c.Out, p.vae.Latent, p.vae.Latent+1)
	}
	return nil
}

// xl says that the UNet takes a pooled prompt and sizes.
func (p *Pipeline) xl() bool { return p.config.Added > 0 }

// xlSizes are SDXL's: height and width of the original, of the crop's corner and of
// the target.
const xlSizes = 6

// sizes is how many numbers SDXL's UNet is told: its refiner has a score in place of
// the wanted height and width.
func (p *Pipeline) sizes() int {
	if p.files.Aesthetics {
		return xlSizes - 1
	}
	return xlSizes
}

// The scores that diffusers tells the refiner, with the prompt and without.
const (
	aestheticScore         = 6
	negativeAestheticScore = 2.5
)

// inpaints says that the UNet takes a mask and a masked picture too.
func (p *Pipeline) inpaints() bool { return p.vae != nil && p.config.In == 2*p.vae.Latent+1 }

// LoRAs are those that were merged, with what of them the pipeline does not have.
func (p *Pipeline) LoRAs() []checkpoint.LoRA { return p.files.LoRAs() }

// Prompted says that the pipeline takes prompts.
func (p *Pipeline) Prompted() bool { return len(p.encoders) > 0 }

// Latent says that the pipeline works on an autoencoder's latents, not on pixels.
func (p *Pipeline) Latent() bool { return p.vae != nil }

// Reduction is the pixels of a picture's side for one of the latents'.
func (p *Pipeline) Reduction() int {
	if p.vae == nil {
		return 1
	}
	return p.vae.Reduction
}

// Size is the height and width of the pictures that it was trained on, in pixels.
func (p *Pipeline) Size() (h, w int) {
	h, w = p.config.Size[0], p.config.Size[1]
	if h < 1 || w < 1 {
		h, w = 64, 64 // diffusers' for a UNet that does not tell
	}
	return h * p.Reduction(), w * p.Reduction()
}

// Steps is diffusers' default for the pipeline; the embedded one needs fewer.
func (p *Pipeline) Steps() int {
	switch {
	case p.Name == embedded:
		return 20
	case p.Class == "DDPMPipeline":
		return 1000
	case strings.HasPrefix(p.Class, "LatentConsistencyModel"):
		return 4
	}
	return 50
}

// Guidance is diffusers' default for the pipeline; the embedded one wants less.
func (p *Pipeline) Guidance() float64 {
	switch {
	case p.Name == embedded:
		return 4
	case !p.Prompted():
		return 1
	case p.Class == checkpoint.TextToVideo:
		return 9
	case strings.HasPrefix(p.Class, "LatentConsistencyModel"):
		return 8.5
	case p.xl():
		return 5
	}
	return 7.5
}

// Close frees all memory. No run may be open.
func (p *Pipeline) Close() {
	p.drop()
	for _, c := range p.controls {
		if c.close != nil {
			c.close()
		}
	}
	for _, a := range p.images {
		if a.close != nil {
			a.close()
		}
	}
	if p.tower != nil && p.tower.close != nil {
		p.tower.close()
	}
	p.files.Close()
}

// drop takes all parts from the device.
func (p *Pipeline) drop() {
	for _, m := range p.Modules() {
		m.Drop()
	}
}

// weightBytes is what the weights on the device take.
func (p *Pipeline) weightBytes() int64 {
	var n int64
	for _, m := range p.Modules() {
		n += m.Resident()
	}
	return n
}
