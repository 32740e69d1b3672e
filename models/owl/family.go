package owl

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
)

// Family is the networks that find what texts name.
var Family = nn.Family{
	Name:          "find",
	About:         "objects that texts name, in images: OWL-ViT, OWLv2",
	Weights:       "a folder or hub id of transformers (OwlViTForObjectDetection, Owlv2ForObjectDetection)",
	Architectures: []string{"owlvit_b_32", "owlvit_b_16", "owlv2_b_16"},
	Task:          nn.FindObjects,
	Texts:         true,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		if in.Config == nil {
			return nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
		}
		if err := checkpoint.OfType(in.Config, "owlvit", "owlv2"); err != nil {
			return nil, err
		}
		second := checkpoint.Has(in.Tensors, "objectness_head.dense0.weight")
		c, named, err := Describe(in.Tensors, in.Config, second)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers}, nil
	},
	Standard: nn.StandardOf(Standard),
}
