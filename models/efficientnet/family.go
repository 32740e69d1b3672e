package efficientnet

import (
	"saccade/models/internal/inverted"
	"saccade/models/nn"
)

// Config is what a network's size depends on.
type Config = inverted.Config

// Family is the EfficientNets.
var Family = nn.Family{
	Name:          "efficientnet",
	About:         "EfficientNet-B0 to B7, EfficientNetV2-S, M and L, EfficientNet-Lite0 to Lite4",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision, efficientnet_pytorch or, by its architecture's name, timm",
	Architectures: StandardNames(),
	Standard: func(name string) (nn.Make, error) {
		c, _ := Standard(name)
		return c.Layers, nil
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config, in.Name)
		if err != nil {
			return nil, err
		}
		return c.Description(named), nil
	},
}
