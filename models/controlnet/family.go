package controlnet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Hints is the name of the input of pictures, diffusers'.
const Hints = "controlnet_cond"

// Residual is the name of output i, of n, as diffusers' output class has it.
func Residual(i, n int) string {
	if i == n-1 {
		return "mid_block_res_sample"
	}
	return fmt.Sprintf("down_block_res_samples.%d", i)
}

// standard is the network of Stable Diffusion 1.5, with maps of 64×64.
const standard = "sd15_controlnet"

// Family is the networks that steer a diffusion model by a picture.
var Family = nn.Family{
	Name:    "controlnet",
	About:   "what steers Stable Diffusion by a picture of hints, a part of -control",
	Weights: "a folder or hub id of diffusers (ControlNetModel)",
	Timed:   []string{standard},
	Standard: func(string) (nn.Make, error) {
		c, err := Parse([]byte(`{"_class_name": "ControlNetModel", "cross_attention_dim": 768}`))
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
	n := c.Config.Network(m.record)
	side := c.Reduction()
	n.Inputs = append(n.Inputs, nn.Input{Name: Hints, Dims: nn.Dims("N", c.Hint[0], "hint H", "hint W")})
	n.Usual["hint H"], n.Usual["hint W"] = side*n.Usual["H"], side*n.Usual["W"]
	sizes := n.Check
	n.Check = func(s map[string]int) error {
		if s["hint H"] != side*s["H"] || s["hint W"] != side*s["W"] {
			return fmt.Errorf("%s: found %dx%d (height x width) for maps of %dx%d, expected %d times as many", Hints, s["hint H"], s["hint W"], s["H"], s["W"], side)
		}
		return sizes(s)
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
}

// record records the network on inputs by name, each dense or an activation.
func (m *Model) record(r *gpu.Recorder, in map[string]*gpu.Tensor) {
	hint := in[Hints]
	if hint.Dense() {
		hint = ops.PackNCHW(r, hint)
	}
	all := m.Forward(r, m.Way.Inputs(r, in), hint)
	for i, x := range all {
		r.OutputNCHW(Residual(i, len(all)), x)
	}
}
