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
	if in.Config == nil {
		return nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells what network it is; give the folder that holds both")
	}
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json", in.Config, &head); err != nil {
		return nil, err
	}
	switch head.ModelType {
	case "segformer":
		c, named, err := segformer.Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers, Labels: c.Labels}, nil
	case "upernet":
		c, named, err := upernet.Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers, Labels: c.Labels}, nil
	}
	return nil, fmt.Errorf("config.json is of a model of type %q; segformer and upernet are supported", head.ModelType)
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
