package sam

import (
	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is SAM.
var Family = nn.Family{
	Name:     "sam",
	About:    "masks of what points and boxes mean: Segment Anything, SlimSAM",
	Weights:  "a folder or hub id of transformers (SamModel), or the authors' file",
	Segments: true,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Processor: c.processor()}, nil
	},
}

// layers makes the layers with their networks: that of images and prompts, and that of
// maps which were encoded before.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.whole(), m.decoder()}}, nil
}

func (m *Model) whole() *nn.Network {
	side := nn.Dim{Size: m.Config.Vision.Image}
	pixels := nn.Input{Name: nn.PixelValues, Dims: nn.Dims("N", m.Config.Vision.Channels, side, side)}
	return &nn.Network{
		Inputs: append([]nn.Input{pixels}, promptInputs(m.Config.Vision.Image)...), Image: &nn.Image{}, Finish: finish, Complete: m.point,
		Usual: map[string]int{"H": m.Config.Vision.Image, "W": m.Config.Vision.Image},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			if x := m.Encode(r, in[nn.PixelValues]); !r.Satisfied() {
				m.Decode(r, x, promptsOf(in))
			}
		},
	}
}

func (m *Model) decoder() *nn.Network {
	side := m.Config.Vision.side()
	maps := nn.Input{Name: embeddings, Dims: nn.Dims("N", m.Config.Decoder.Width, side, side)}
	return &nn.Network{
		Name: "decoder", Inputs: append([]nn.Input{maps}, promptInputs(m.Config.Vision.Image)...), Finish: finish, Complete: m.point,
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			m.Decode(r, ops.PackNCHW(r, in[embeddings]), promptsOf(in))
		},
	}
}

// promptsOf are the prompts among inputs, or nil.
func promptsOf(in map[string]*gpu.Tensor) *prompts {
	if in[pointsInput] == nil {
		return nil
	}
	return &prompts{points: in[pointsInput], kinds: in[kindsInput], places: in[placesInput]}
}

// point completes an example with a point in the middle of each image.
func (m *Model) point(in map[string]nn.Array, items int, _ uint64) {
	middle := float32(m.Config.Vision.Image / 2)
	in[inputPoints] = nn.Array{Shape: []int{items, 1, 1, 2}}
	for range 2 * items {
		a := in[inputPoints]
		a.Data = append(a.Data, middle)
		in[inputPoints] = a
	}
}
