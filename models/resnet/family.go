package resnet

import (
	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is the residual networks.
var Family = nn.Family{
	Name:          "resnet",
	About:         "residual networks: ResNet, Wide ResNet, ResNeXt, and those for CIFAR",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision, timm or Idelbayev's pytorch_resnet_cifar10",
	Architectures: StandardNames(),
	Embedded:      "resnet",
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
		if err := checkpoint.Misnamed(published, in.Name, "resnet"); err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes, Architecture: published}, nil
	},
}

// layers makes the network. Padding keeps every map as large as one pixel, so that
// images of one go through.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{MeanHead: m.Head, Features: "features", HeadInputs: []string{"pooled"}}
	if m.Head == nil {
		image.Features, image.HeadInputs = "last_hidden_state", nil
	}
	l := nn.OfImages(m, c.Channels, c.Image, [2]int{1, 1}, image, m.Forward)
	l.Classes = c.Classes
	return l, nil
}
