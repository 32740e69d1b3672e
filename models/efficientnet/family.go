package efficientnet

import (
	"saccade/models/nn"
	"saccade/ops"
)

// Family is the EfficientNets.
var Family = nn.Family{
	Name:          "efficientnet",
	About:         "EfficientNet-B0 to B7, EfficientNetV2-S, M and L, EfficientNet-Lite0 to Lite4",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision, efficientnet_pytorch or, by its architecture's name, timm",
	Architectures: StandardNames(),
	Standard: func(name string) (nn.Make, error) {
		c, _ := Standard(name)
		return c.layers, nil
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config, in.Name)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes, Architecture: c.Architecture}, nil
	},
}

// layers makes the network.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{MeanHead: m.meanHead(), Features: "features"}
	if m.Classifier == nil {
		image.Features = "last_hidden_state"
	}
	return nn.OfImages(m, c.Channels, c.Image, c.least(), image, m.Forward), nil
}
