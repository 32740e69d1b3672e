package unet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/diffusion"
	"saccade/models/nn"
	"saccade/ops"
)

// The names of the inputs, diffusers', and of the output.
const (
	Sample     = "sample" // the output's too
	Timestep   = "timestep"
	Context    = "encoder_hidden_states"
	TimeCond   = "timestep_cond"
	Class      = "class_labels"
	TextEmbeds = "text_embeds"
	TimeIDs    = "time_ids"
)

// Residual is the name of what a recording adds to map i of the way down, or behind those to the
// middle's, such as ControlNets give it: an activation.
func Residual(i int) string { return fmt.Sprintf("additional_residuals.%d", i) }

// Feature is the name of what a recording adds behind the blocks of level i of the way down, or
// behind those to the middle's map, such as T2I-Adapters give it: an activation.
func Feature(i int) string { return fmt.Sprintf("adapter_states.%d", i) }

// Images is the name of the tokens of the image that IP-Adapter i shows: an activation.
func Images(i int) string { return fmt.Sprintf("image_prompts.%d", i) }

// Family is the networks that estimate noise.
var Family = nn.Family{
	Name:          "unet",
	About:         "the denoising network of DDPM and Stable Diffusion, a part of diffusion models",
	Weights:       "a folder or hub id of diffusers (UNet2DModel, UNet2DConditionModel, UNet3DConditionModel), or that of a whole pipeline, or its single file",
	Architectures: StandardNames(),
	Timed:         []string{timedVideo},
	Part:          true,
	Standard: func(name string) (nn.Make, error) {
		if name == timedVideo {
			return standardVideo()
		}
		c, err := Standard(name)
		return c.Layers, err
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers}, nil
	},
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	if c.Frames > 0 { // which is not trained
		return &nn.Layers{Parameters: m, Networks: []*nn.Network{c.Network(m.recordVideos)}}, nil
	}
	projections, err := m.projections()
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{c.Network(func(r *gpu.Recorder, in map[string]*gpu.Tensor) { m.Record(r, in, diffusion.Video{}) })},
		Projections: projections, Estimate: Sample}, err
}

// Network is one that takes what the UNet takes.
func (c Config) Network(record func(r *gpu.Recorder, in map[string]*gpu.Tensor)) *nn.Network {
	return &nn.Network{Inputs: c.inputs(), Usual: c.usual(), Check: c.checkSizes, Record: record}
}

func (c Config) inputs() []nn.Input {
	sample := nn.Dims("N", c.In, "H", "W")
	if c.Frames > 0 {
		sample = nn.Dims("N", c.In, "F", "H", "W")
	}
	all := []nn.Input{
		{Name: Sample, Dims: sample},
		{Name: Timestep, Dims: nn.Dims("N"), Kind: nn.PerItem},
	}
	if c.Context > 0 {
		all = append(all, nn.Input{Name: Context, Dims: nn.Dims("N", "T", c.Context)})
	}
	if c.TimeCond > 0 {
		all = append(all, nn.Input{Name: TimeCond, Dims: nn.Dims("N", c.TimeCond)})
	}
	switch {
	case c.ClassTime:
		all = append(all, nn.Input{Name: Class, Dims: nn.Dims("N"), Kind: nn.PerItem})
	case c.Class > 0:
		all = append(all, nn.Input{Name: Class, Dims: nn.Dims("N", c.Class)})
	}
	if c.Added > 0 {
		all = append(all, nn.Input{Name: TimeIDs, Dims: nn.Dims("N", "S")}, nn.Input{Name: TextEmbeds, Dims: nn.Dims("N", "P")})
	}
	return all
}

// usual is the size of the training; a prompt has 77 tokens, and SDXL is told two
// sizes and a corner, its refiner a score in place of one.
func (c Config) usual() map[string]int {
	h, w := c.Size[0], c.Size[1]
	if h < 1 {
		h = 1 << (len(c.Down) + 2)
		w = h
	}
	sizes := 6
	for sizes > 1 && c.Pooled(sizes) < 1 {
		sizes--
	}
	return map[string]int{"F": usualFrames, "H": h, "W": w, "T": 77, "S": sizes, "P": c.Pooled(sizes)}
}

// Pooled is the width of SDXL's pooled prompt beside so many sizes of images.
func (c Config) Pooled(sizes int) int { return c.Added - sizes*c.AddedTime }

func (c Config) checkSizes(sizes map[string]int) error {
	if s, p := sizes["S"], sizes["P"]; c.Added > 0 && p != c.Pooled(s) {
		return fmt.Errorf("%s: found rows of %d beside %d %s, expected %d", TextEmbeds, p, s, TimeIDs, c.Pooled(s))
	}
	return nil
}

// Record records the network on inputs by name, each dense or an activation, of a video or images.
func (m *Model) Record(r *gpu.Recorder, in map[string]*gpu.Tensor, v diffusion.Video) {
	r.OutputNCHW(Sample, m.estimate(r, in, v))
}

func (m *Model) estimate(r *gpu.Recorder, in map[string]*gpu.Tensor, v diffusion.Video) *gpu.Tensor {
	x := m.Inputs(r, in)
	x.Video = v
	for i := range len(m.Down) + 1 {
		if f, ok := in[Feature(i)]; ok {
			for len(x.Features) < i {
				x.Features = append(x.Features, nil)
			}
			x.Features = append(x.Features, f)
		}
	}
	for i := range m.Config.Images {
		x.Images = append(x.Images, in[Images(i)])
	}
	for i := 0; in[Residual(i)] != nil; i++ {
		x.Residuals = append(x.Residuals, in[Residual(i)])
	}
	return m.Forward(r, x)
}

// Inputs finds what the network takes by name, each dense or an activation.
func (w *Way) Inputs(r *gpu.Recorder, in map[string]*gpu.Tensor) Inputs {
	packed := func(name string) *gpu.Tensor {
		if x := in[name]; x != nil && x.Dense() {
			return ops.Pack(r, x, 1)
		}
		return in[name]
	}
	x := Inputs{Sample: in[Sample], Time: in[Timestep], Context: packed(Context), TimeCond: packed(TimeCond), TextEmbeds: packed(TextEmbeds), TimeIDs: in[TimeIDs], Class: in[Class]}
	if !w.ClassTime {
		x.Class = packed(Class)
	}
	return x
}
