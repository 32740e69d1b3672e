package sam

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is SAM.
var Family = nn.Family{
	Name:     "sam",
	About:    "masks of what points and boxes mean: Segment Anything (SAM), SlimSAM, MobileSAM, SAM 2.1 on still images",
	Embedded: "sam",
	Weights:  "a folder or hub id of transformers (SamModel, Sam2Model, Sam2VideoModel), or the authors' file",
	Segments: true,
	Timed:    []string{baseEncoder, slimEncoder, mobileEncoder, secondEncoder, baseClick},
	Standard: Standard,
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
	e := m.encoder()
	side := nn.Dim{Size: e.image()}
	height, width := side, side
	if e.image() == 0 {
		height, width = nn.Dim{Name: "H", Least: mapStep}, nn.Dim{Name: "W", Least: mapStep}
	}
	pixels := nn.Input{Name: nn.PixelValues, Dims: nn.Dims("N", e.channels(), height, width)}
	return &nn.Network{
		Inputs: append([]nn.Input{pixels}, m.promptInputs()...), Image: &nn.Image{Masks: m.masks()}, Finish: m.finish, Complete: m.point, Check: squares,
		Usual: map[string]int{"H": m.usual(), "W": m.usual()},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			if maps := m.Encode(r, in[nn.PixelValues]); !r.Satisfied() {
				m.Decode(r, maps, promptsOf(in))
			}
		},
	}
}

// masks is what the authors do with masks.
func (c Config) masks() *nn.Masks {
	if c.Second != nil {
		return &nn.Masks{AtOnce: true, Least: 0.8}
	}
	return &nn.Masks{Least: 0.88}
}

// squares refuses pictures of a size that no map of theirs is a 16th of.
func squares(sizes map[string]int) error {
	if h, w := sizes["H"], sizes["W"]; h != w || h%mapStep != 0 {
		return fmt.Errorf("a picture of %d×%d is no square of a multiple of %d pixels a side", h, w, mapStep)
	}
	return nil
}

// usual is the side of the pictures that the network was made for.
func (c Config) usual() int {
	if side := c.encoder().image(); side > 0 {
		return side
	}
	return usualSide
}

func (m *Model) decoder() *nn.Network {
	side := nn.Dim{Size: m.encoder().side(), Name: "h"}
	names := m.embeddings()
	var inputs []nn.Input
	for i, name := range names {
		finer := 1 << (len(names) - 1 - i)
		width := m.Config.Decoder.Width
		if finer > 1 {
			width /= 2 * finer
		}
		inputs = append(inputs, nn.Input{Name: name, Dims: nn.Dims("N", width, nn.Dim{Size: side.Size * finer, Name: side.Name}, nn.Dim{Size: side.Size * finer, Name: side.Name})})
	}
	return &nn.Network{
		Name: "decoder", Inputs: append(inputs, m.promptInputs()...), Finish: m.finish, Complete: m.point, Usual: map[string]int{"h": m.usual() / mapStep},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			var maps []*gpu.Tensor
			for _, name := range names {
				maps = append(maps, ops.PackNCHW(r, in[name]))
			}
			m.Decode(r, maps, promptsOf(in))
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
	middle := float32(m.usual() / 2)
	in[inputPoints] = nn.Array{Shape: []int{items, 1, 1, 2}}
	for range 2 * items {
		a := in[inputPoints]
		a.Data = append(a.Data, middle)
		in[inputPoints] = a
	}
}
