package segment

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/models/segformer"
	"saccade/models/upernet"
)

// Family is the networks.
var Family = nn.Family{
	Name:          "segment",
	About:         "what each pixel belongs to: SegFormer, UPerNet",
	Weights:       "a folder or hub id of transformers (SegformerForSemanticSegmentation, UperNetForSemanticSegmentation)",
	Architectures: []string{"segformer_b0", "segformer_b1", "segformer_b2", "segformer_b3", "segformer_b4", "segformer_b5", "upernet_convnext_tiny", "upernet_swin_tiny"},
	Task:          nn.FindClasses,
	Describe:      describe,
	Standard:      standard,
}

func describe(in nn.Checkpoint) (*nn.Description, error) {
	kind, err := checkpoint.ModelType(in.Config, "network of classes of pixels", "segformer", "upernet")
	if err != nil {
		return nil, err
	}
	if kind == "upernet" {
		c, named, err := upernet.Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers, Labels: c.Labels}, nil
	}
	c, named, err := segformer.Describe(in.Tensors, in.Config)
	if err != nil {
		return nil, err
	}
	return &nn.Description{Tensors: named, Make: c.Layers, Labels: c.Labels}, nil
}

func standard(name string) (nn.Make, error) {
	if c, ok := segformer.Standard(name); ok {
		return c.Layers, nil
	}
	if c, ok := upernet.Standard(name); ok {
		return c.Layers, nil
	}
	return nil, fmt.Errorf("the sizes of %s are not known", name)
}
