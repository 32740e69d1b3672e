package swin

import (
	"slices"

	"saccade/models/nn"
)

// The architectures by version: torchvision's, and timm's.
var (
	torchvisionV1 = []string{"swin_t", "swin_s", "swin_b"}
	torchvisionV2 = []string{"swin_v2_t", "swin_v2_s", "swin_v2_b"}
	timmV1        = []string{
		"swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224", "swin_base_patch4_window7_224", "swin_base_patch4_window12_384",
		"swin_large_patch4_window7_224", "swin_large_patch4_window12_384", "swin_s3_tiny_224", "swin_s3_small_224", "swin_s3_base_224",
	}
	timmV2 = []string{
		"swinv2_tiny_window8_256", "swinv2_tiny_window16_256", "swinv2_small_window8_256", "swinv2_small_window16_256", "swinv2_base_window8_256", "swinv2_base_window16_256",
		"swinv2_base_window12_192", "swinv2_base_window12to16_192to256", "swinv2_base_window12to24_192to384",
		"swinv2_large_window12_192", "swinv2_large_window12to16_192to256", "swinv2_large_window12to24_192to384",
	}
)

// V1 is the Swin Transformers.
var V1 = nn.Family{
	Name:          "swin",
	About:         "Swin Transformer",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision or, by its architecture's name, timm",
	Architectures: slices.Concat(torchvisionV1, timmV1),
	Standard:      standard,
	Describe:      describe(false),
}

// V2 is the Swin Transformers V2.
var V2 = nn.Family{
	Name:          "swinv2",
	About:         "Swin Transformer V2",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision or, by its architecture's name, timm",
	Architectures: slices.Concat(torchvisionV2, timmV2),
	Standard:      standard,
	Describe:      describe(true),
}

func standard(name string) (nn.Make, error) {
	c, err := Standard(name)
	return c.layers, err
}

func describe(v2 bool) func(in nn.Checkpoint) (*nn.Description, error) {
	return func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config, in.Name, v2)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes, Architecture: c.Architecture, Processor: c.Processor}, nil
	}
}
