package vgg

import (
	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is VGG.
var Family = nn.Family{
	Name:          "vgg",
	About:         "VGG, with and without batch norms",
	Weights:       "a state_dict of torchvision, or a folder or hub id of timm",
	Architectures: StandardNames(),
	Standard: func(name string) (nn.Make, error) {
		c, _ := Standard(name)
		return c.layers, nil
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		published := c.Published()
		if err := checkpoint.Misnamed(published, in.Name, "vgg"); err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Notes: c.Notes, Architecture: published}, nil
	},
}

// layers makes the network. Of the smallest image every pooling still has a pair
// of pixels.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, least := New(b, c), 1<<len(c.Stages)
	return nn.OfImages(m, c.Channels, [2]int{224, 224}, [2]int{least, least}, nn.Image{}, m.Forward), nil
}
