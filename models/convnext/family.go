package convnext

import (
	"saccade/models/nn"
)

// The architectures by version, under timm's names, some of which are torchvision's too.
var (
	namesV1 = []string{
		"convnext_tiny", "convnext_small", "convnext_base", "convnext_large", "convnext_xlarge", "convnext_xxlarge", "convnext_large_mlp", "convnext_tiny_hnf",
		"convnext_atto", "convnext_atto_ols", "convnext_femto", "convnext_femto_ols", "convnext_pico", "convnext_pico_ols", "convnext_nano", "convnext_nano_ols",
	}
	namesV2 = []string{
		"convnextv2_atto", "convnextv2_femto", "convnextv2_pico", "convnextv2_nano", "convnextv2_tiny", "convnextv2_small", "convnextv2_base", "convnextv2_large", "convnextv2_huge",
	}
)

// V1 is the ConvNeXts.
var V1 = nn.Family{
	Name:          "convnext",
	About:         "ConvNeXt",
	Weights:       "a folder or hub id of transformers or timm, or a state_dict of torchvision or, by its architecture's name, timm",
	Architectures: namesV1,
	Standard:      standard,
	Describe:      describe(1),
}

// V2 is the ConvNeXt V2s.
var V2 = nn.Family{
	Name:          "convnextv2",
	About:         "ConvNeXt V2",
	Weights:       "a folder or hub id of transformers or timm, or, by its architecture's name, a state_dict of timm",
	Architectures: namesV2,
	Standard:      standard,
	Describe:      describe(2),
}

func standard(name string) (nn.Make, error) {
	c, err := Standard(name)
	return c.layers, err
}

func describe(version int) func(in nn.Checkpoint) (*nn.Description, error) {
	return func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config, in.Name, version)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes, Architecture: c.Architecture, Processor: c.Processor}, nil
	}
}
