package alexnet

import (
	"saccade/models/nn"
	"saccade/ops"
)

// Family is AlexNet.
var Family = nn.Family{
	Name:          "alexnet",
	About:         "AlexNet",
	Weights:       "a state_dict of torchvision",
	Architectures: []string{"alexnet"},
	Standard:      func(string) (nn.Make, error) { return Standard().layers, nil },
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers}, nil
	},
}

// layers makes the network.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m := New(b, c)
	return nn.OfImages(m, c.Channels, [2]int{224, 224}, [2]int{smallest, smallest}, nn.Image{}, m.Forward), nil
}
