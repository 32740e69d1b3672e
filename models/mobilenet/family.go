package mobilenet

import (
	"saccade/models/internal/inverted"
	"saccade/models/nn"
)

// Config is what a network's size depends on.
type Config = inverted.Config

// V2 is the MobileNetV2s.
var V2 = nn.Family{
	Name:          "mobilenetv2",
	About:         "MobileNetV2",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision or, by its architecture's name, timm",
	Architectures: StandardNames(2),
	Standard:      standard,
	Describe:      describe(2),
}

// V3 is the MobileNetV3s.
var V3 = nn.Family{
	Name:          "mobilenetv3",
	About:         "MobileNetV3, large and small",
	Weights:       "a folder or hub id of timm, or a state_dict of torchvision or, by its architecture's name, timm",
	Architectures: StandardNames(3),
	Standard:      standard,
	Describe:      describe(3),
}

func standard(name string) (nn.Make, error) {
	c, _ := Standard(name)
	return c.Layers, nil
}

func describe(version int) func(in nn.Checkpoint) (*nn.Description, error) {
	return func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config, in.Name, version)
		if err != nil {
			return nil, err
		}
		return c.Description(named), nil
	}
}
