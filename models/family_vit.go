package models

import (
	"saccade/models/vit"
	"saccade/ops"
	"saccade/weights"
	"saccade/zoo"
)

var vitFamily = Family{
	Name:          "vit",
	About:         "vision transformers, ViT and DeiT",
	Weights:       "a folder or hub id of transformers or timm, or a torchvision or timm state_dict by its architecture's name",
	architectures: vit.StandardNames(),
	embedded:      zoo.ViT(),
	open:          openViT,
	attention:     true,
	standard:      standardViT,
}

func openViT(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error) {
	c, named, err := vit.Describe(src, config, name)
	if err != nil {
		return opened{}, err
	}
	m, err := vit.New(b, c)
	if err != nil {
		return opened{}, err
	}
	return opened{net: m, src: named, labels: c.Labels}, nil
}

func standardViT(b *ops.Builder, name string) (opened, error) {
	c, _ := vit.Standard(name)
	return network(vit.New(b, c))
}
