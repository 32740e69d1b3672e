package diffusion

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/diffusion/scheduler"
	"saccade/models/unet"
	"saccade/ops"
	"saccade/weights"
	"saccade/zoo"
)

// Pipeline is the parts of a checkpoint: text towers, UNet, autoencoder and the
// scheduler's configuration. Weights come to the device when a run needs them.
type Pipeline struct {
	Name      string // folder, file, hub id or the embedded zoo
	Class     string // as diffusers names it
	Precision gpu.DType

	dev       *gpu.Device
	files     *checkpoint.Pipeline
	encoders  []*encoder // none, one, or SDXL's two
	unet      part[*unet.Model]
	config    unet.Config
	vae       *autoencoder // nil in pipelines of pixels
	schedule  []byte       // scheduler_config.json
	colour    []float32    // see colours; nil until it is asked for
	lowMemory bool
	tiled     bool
}

// Options say how a pipeline is opened.
type Options struct {
	Precision gpu.DType // of weights and activations: gpu.F16, the default, or gpu.F32
	Hub       *weights.Hub
	Tokenizer string // folder or hub id of a tokenizer, for single files
	// PredictionType is what the network of a single file predicts, "" for its kind's.
	PredictionType string
	LoRA           []Delta // merged into the weights, in order
	// LowMemory keeps one part at a time on the device.
	LowMemory bool
	// Tiled has the autoencoder work in tiles, which bounds its memory whatever the
	// picture's size; where that is needed it is done anyway.
	Tiled bool
}

var errNoEmbedded = errors.New("no embedded weights")

// Delta is a LoRA file and its scale.
type Delta struct {
	File  string
	Scale float64
}

// Open opens a pipeline of a family, sd with prompts or ddpm without: a folder of
// diffusers, a single file, or a hub id; "" is the embedded one.
func Open(ctx context.Context, dev *gpu.Device, family, src string, o Options) (*Pipeline, error) {
	files, err := open(ctx, family, src, o)
	if err != nil {
		return nil, err
	}
	return newPipeline(dev, files, family, o)
}

// newPipeline takes over the files, which it closes on an error.
func newPipeline(dev *gpu.Device, files *checkpoint.Pipeline, family string, o Options) (*Pipeline, error) {
	p := &Pipeline{Name: files.Name, Class: files.Class, Precision: o.Precision, dev: dev, files: files, lowMemory: o.LowMemory, tiled: o.Tiled}
	err := p.describe(o)
	if err == nil && p.Prompted() != (family == prompted) {
		err = fmt.Errorf("it is a %s, which -model %s does not take; give -model %s", p.Class, family, other(family))
	}
	if err != nil {
		files.Close()
		return nil, fmt.Errorf("loading the pipeline %s: %w", p.Name, err)
	}
	return p, nil
}

// embedded is the name of the pipeline inside the program.
const embedded = "zoo/sd"

// The families of pipelines, with and without prompts.
const (
	prompted   = "sd"
	unprompted = "ddpm"
)

func other(family string) string {
	if family == prompted {
		return unprompted
	}
	return prompted
}

func open(ctx context.Context, family, src string, o Options) (*checkpoint.Pipeline, error) {
	if src == "" && family == prompted {
		return checkpoint.OpenFS(zoo.SD(), embedded)
	}
	if src == "" {
		return nil, fmt.Errorf("model %s: %w; give -weights, a folder or hub id of diffusers", family, errNoEmbedded)
	}
	hub := o.Hub
	if hub == nil {
		hub = weights.HubFromEnv()
	}
	return checkpoint.Open(ctx, src, hub, checkpoint.Options{Tokenizer: o.Tokenizer, PredictionType: o.PredictionType})
}

// describe reads the configurations of all parts.
func (p *Pipeline) describe(o Options) error {
	for _, d := range o.LoRA {
		if err := p.files.Merge(d.File, d.Scale); err != nil {
			return err
		}
	}
	for _, name := range [][2]string{{checkpoint.TextEncoder, checkpoint.Tokenizer}, {checkpoint.TextEncoder2, checkpoint.Tokenizer2}} {
		if !p.files.Has(name[0]) {
			continue
		}
		e, err := openEncoder(p.dev, p.Precision, p.files, name[0], name[1])
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
	if p.encoders != nil && !p.xl() {
		p.schedule, err = overrule(p.schedule)
	}
	return errors.Join(err, p.check())
}

// overrule sets what the pipelines of Stable Diffusion 1 and 2 set, whatever the
// scheduler's config says.
func overrule(config []byte) ([]byte, error) {
	return scheduler.Set(config, `{"steps_offset":1,"clip_sample":false}`)
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
	p.config = config
	p.unet = part[*unet.Model]{name: "unet", dev: p.dev, precision: p.Precision, src: src,
		make: func(b *ops.Builder) (*unet.Model, error) { return unet.New(b, config) }}
	return nil
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
	case c.Class > 0:
		return errors.New("the UNet takes classes, as those of unCLIP do, which pipelines here do not; run it alone with -model unet -input")
	case p.xl() && (len(p.encoders) != 2 || p.encoders[1].config.Projection != c.Added-xlSizes*c.AddedTime):
		return fmt.Errorf("the UNet takes a pooled prompt of width %d beside six sizes, which the text towers do not give; SDXL's base does, its refiner is not supported", c.Added-xlSizes*c.AddedTime)
	case p.vae == nil:
	case c.Out != p.vae.latent || c.In != c.Out && !p.inpaints():
		return fmt.Errorf("the UNet takes %d channels and gives %d, the autoencoder's latents have %d; expected as many, or of an inpainting model %d more to take", c.In, c.Out, p.vae.latent, p.vae.latent+1)
	}
	return nil
}

// xl says that the UNet takes a pooled prompt and sizes.
func (p *Pipeline) xl() bool { return p.config.Added > 0 }

// xlSizes are SDXL's: height and width of the original, of the crop's corner and of
// the target.
const xlSizes = 6

// inpaints says that the UNet takes a mask and a masked picture too.
func (p *Pipeline) inpaints() bool { return p.vae != nil && p.config.In == 2*p.vae.latent+1 }

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
	return p.vae.reduction
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
	p.files.Close()
}

// drop takes all parts from the device.
func (p *Pipeline) drop() {
	for _, e := range p.encoders {
		e.drop()
	}
	p.unet.drop()
	if p.vae != nil {
		p.vae.drop()
	}
}

// weightBytes is what the weights on the device take.
func (p *Pipeline) weightBytes() int64 {
	n := p.unet.bytes()
	for _, e := range p.encoders {
		n += e.bytes()
	}
	if p.vae != nil {
		n += p.vae.bytes()
	}
	return n
}
