package gan

import (
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/weights"
)

// Z and W are the names of the inputs, noise and styles, Image that of the output [N, 3, H, W],
// about −1 to 1.
const (
	Z     = "z"
	W     = "w"
	Image = "image"
)

// Family is the generators.
var Family = nn.Family{
	Name:          "gan",
	About:         "images of noise, without a prompt: DCGAN and StyleGAN2",
	Embedded:      "gan",
	Weights:       "a file of a DCGAN as PyTorch's tutorial has it, or of a StyleGAN2 (g_ema of its usual PyTorch version)",
	Architectures: []string{"stylegan2_256"},
	Task:          nn.Generate,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		make, named, err := describe(in.Tensors)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: make}, nil
	},
	Standard: nn.StandardOf(Standard),
}

// Standard is an architecture as published.
func Standard(name string) (StyleGAN2Config, bool) {
	return StyleGAN2Config{Latent: 512, Mapping: 8, Widths: []int{512, 512, 512, 512, 256, 128, 64}}, name == "stylegan2_256"
}

// describe finds the network of a checkpoint and shows its tensors under this package's names.
func describe(src weights.Source) (nn.Make, weights.Source, error) {
	switch {
	case checkpoint.Has(src, "input.input") && checkpoint.Has(src, "style.1.weight"):
		c, named, err := describeStyleGAN2(src)
		return c.Layers, named, err
	case checkpoint.Has(src, "main.0.weight") && checkpoint.Has(src, "main.3.weight"):
		c, named, err := describeDCGAN(src)
		return c.Make, named, err
	}
	return nil, nil, checkpoint.Unknown(src, "generator", "neither main.0.weight and main.3.weight (DCGAN) nor input.input and style.1.weight (StyleGAN2)")
}

// folding makes the tensors of layers of those of a checkpoint.
type folding struct {
	src   weights.Source
	taken map[string]bool
	made  []*weights.Tensor
	err   error // the first
}

func newFolding(src weights.Source) *folding { return &folding{src: src, taken: map[string]bool{}} }

func (f *folding) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// shape is that of a tensor, whose sizes are at least one and as many as n; nil after an error.
func (f *folding) shape(name string, n int) []int {
	t, ok := f.src.Tensor(name)
	if !ok {
		f.fail(fmt.Errorf("the checkpoint has no tensor %s", name))
		return nil
	}
	if len(t.Shape) != n || t.Len() < 1 {
		f.fail(fmt.Errorf("tensor %s has shape %v; expected %d sizes", t.Origin, t.Shape, n))
		return nil
	}
	return t.Shape
}

// take is the values of a tensor of a shape, where a size of 0 is any; nil after an error.
func (f *folding) take(name string, want ...int) []float32 {
	found := f.shape(name, len(want))
	if f.err != nil {
		return nil
	}
	f.taken[name] = true
	for i, n := range want {
		if n != 0 && n != found[i] {
			f.fail(fmt.Errorf("tensor %s has shape %v; expected %v", name, found, want))
			return nil
		}
	}
	values, _, err := checkpoint.Values(f.src, name)
	if err != nil {
		f.fail(err)
	}
	return values
}

// give is a tensor of a layer. After an error there may be no values.
func (f *folding) give(name string, values []float32, shape ...int) {
	if f.err != nil {
		return
	}
	t, err := weights.FromFloat32s(name, values, shape...)
	if err != nil {
		f.fail(err)
		return
	}
	f.made = append(f.made, t)
}

// source is all that was given; a tensor that nothing took is refused.
func (f *folding) source() (weights.Source, error) {
	for _, name := range f.src.Names() {
		if !f.taken[name] && !strings.HasSuffix(name, ".num_batches_tracked") {
			f.fail(fmt.Errorf("the checkpoint has a tensor %s, which the network does not know", weights.Printable(name)))
		}
	}
	return weights.With(none{}, f.made...), f.err
}

// none is a source without tensors.
type none struct{}

func (none) Names() []string                       { return nil }
func (none) Tensor(string) (*weights.Tensor, bool) { return nil, false }

// times is values multiplied by a factor.
func times(values []float32, factor float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(factor * float64(v))
	}
	return out
}

func describeDCGAN(src weights.Source) (DCGANConfig, weights.Source, error) {
	var c DCGANConfig
	rules := []weights.Rule{{From: "**.num_batches_tracked", To: ""}}
	for i := 0; checkpoint.Has(src, fmt.Sprintf("main.%d.weight", 3*i)); i++ {
		conv, norm := fmt.Sprintf("main.%d", 3*i), fmt.Sprintf("main.%d", 3*i+1)
		if c.Layers = append(c.Layers, DCGANLayer{Width: checkpoint.Dim(src, conv+".weight", 1), Bias: checkpoint.Has(src, conv+".bias"), Norm: checkpoint.Has(src, norm+".running_mean")}); i == 0 {
			c.Latent = checkpoint.Rows(src, conv+".weight")
		}
		rules = append(rules, weights.Rule{From: conv + ".*", To: fmt.Sprintf("layers.%d.*", i)}, weights.Rule{From: norm + ".*", To: fmt.Sprintf("layers.%d.norm.*", i)})
	}
	if n := len(c.Layers); n > mostSizes || c.Layers[n-1].Width != imageChannels {
		return c, nil, fmt.Errorf("the checkpoint has %d layers, of which the last gives %d channels; expected at most %d, and %d", n, c.Layers[n-1].Width, mostSizes, imageChannels)
	}
	return c, weights.Rename(src, rules), nil
}
