package models

import (
	"saccade/models/alexnet"
	"saccade/models/internal/checkpoint"
	"saccade/models/resnet"
	"saccade/models/vgg"
	"saccade/ops"
	"saccade/weights"
	"saccade/zoo"
)

var resnetFamily = Family{
	Name:          "resnet",
	About:         "residual networks: ResNet, Wide ResNet, ResNeXt, and those for CIFAR",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision, timm or Idelbayev's pytorch_resnet_cifar10",
	architectures: resnet.StandardNames(),
	embedded:      zoo.ResNet(),
	open: func(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error) {
		c, named, err := resnet.Describe(src, config)
		if err != nil {
			return opened{}, err
		}
		published := c.Published()
		if err := checkpoint.Misnamed(published, name, "resnet"); err != nil {
			return opened{}, err
		}
		m, err := resnet.New(b, c)
		if err != nil {
			return opened{}, err
		}
		return opened{net: m, src: named, labels: c.Labels, architecture: published}, nil
	},
	standard: func(b *ops.Builder, name string) (opened, error) {
		c, _ := resnet.Standard(name)
		return network(resnet.New(b, c))
	},
}

var vggFamily = Family{
	Name:          "vgg",
	About:         "VGG, with and without batch norms",
	Weights:       "a state_dict of torchvision, or a folder or hub id of timm",
	architectures: vgg.StandardNames(),
	open: func(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error) {
		c, named, err := vgg.Describe(src, config)
		if err != nil {
			return opened{}, err
		}
		published := c.Published()
		if err := checkpoint.Misnamed(published, name, "vgg"); err != nil {
			return opened{}, err
		}
		return opened{net: vgg.New(b, c), src: named, labels: c.Labels, architecture: published}, nil
	},
	standard: func(b *ops.Builder, name string) (opened, error) {
		c, _ := vgg.Standard(name)
		return opened{net: vgg.New(b, c)}, nil
	},
}

var alexnetFamily = Family{
	Name:          "alexnet",
	About:         "AlexNet",
	Weights:       "a state_dict of torchvision",
	architectures: []string{"alexnet"},
	open: func(b *ops.Builder, src weights.Source, _ []byte, _ string) (opened, error) {
		c, named, err := alexnet.Describe(src)
		if err != nil {
			return opened{}, err
		}
		return opened{net: alexnet.New(b, c), src: named}, nil
	},
	standard: func(b *ops.Builder, _ string) (opened, error) {
		return opened{net: alexnet.New(b, alexnet.Standard())}, nil
	},
}
