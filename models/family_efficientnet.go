package models

import (
	"saccade/models/efficientnet"
	"saccade/ops"
	"saccade/weights"
)

var efficientnetFamily = Family{
	Name:          "efficientnet",
	About:         "EfficientNet-B0 to B7, EfficientNetV2-S, M and L, EfficientNet-Lite0 to Lite4",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision, efficientnet_pytorch or, by its architecture's name, timm",
	architectures: efficientnet.StandardNames(),
	open: func(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error) {
		c, named, err := efficientnet.Describe(src, config, name)
		if err != nil {
			return opened{}, err
		}
		m, err := efficientnet.New(b, c)
		if err != nil {
			return opened{}, err
		}
		return opened{net: m, src: named, labels: c.Labels, architecture: c.Architecture}, nil
	},
	standard: func(b *ops.Builder, name string) (opened, error) {
		c, _ := efficientnet.Standard(name)
		return network(efficientnet.New(b, c))
	},
}
