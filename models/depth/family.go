package depth

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/weights"
)

// Family is the networks that tell depth.
var Family = nn.Family{
	Name:          "depth",
	About:         "how far away each pixel is: Depth Anything, DPT",
	Weights:       "a folder or hub id of transformers (DepthAnythingForDepthEstimation, DPTForDepthEstimation)",
	Architectures: []string{"depth_anything_s", "depth_anything_b", "depth_anything_l"},
	Task:          nn.FindDepth,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		if in.Config == nil {
			return nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
		}
		var head struct {
			ModelType string `json:"model_type"`
		}
		if err := checkpoint.Decode("config.json", in.Config, &head); err != nil {
			return nil, err
		}
		var c Config
		var named weights.Source
		var err error
		switch head.ModelType {
		case "depth_anything":
			c, named, err = DescribeAnything(in.Tensors, in.Config)
		case "dpt":
			c, named, err = DescribeDPT(in.Tensors, in.Config)
		default:
			err = fmt.Errorf("config.json: the model is of type %q; depth_anything or dpt is expected", head.ModelType)
		}
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers}, nil
	},
	Standard: nn.StandardOf(Standard),
}
