package upernet

import (
	"encoding/json"
	"fmt"

	"saccade/gpu"
	"saccade/models/convnext"
	"saccade/models/internal/checkpoint"
	"saccade/models/resnet"
	"saccade/models/swin"
	"saccade/ops"
	"saccade/weights"
)

// Backbone is one that a checkpoint describes: the one that is not nil.
type Backbone struct {
	ResNet   *resnet.Config
	ConvNeXt *convnext.Config
	Swin     *swin.Config
}

// maps is a network that gives the maps of its stem and stages.
type maps interface {
	Maps(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor
}

func (b Backbone) make(builder *ops.Builder) (maps, error) {
	switch {
	case b.ConvNeXt != nil:
		return convnext.New(builder, *b.ConvNeXt)
	case b.Swin != nil:
		return swin.New(builder, *b.Swin)
	}
	return resnet.New(builder, *b.ResNet)
}

// channels are those of images.
func (b Backbone) channels() int {
	switch {
	case b.ConvNeXt != nil:
		return b.ConvNeXt.Channels
	case b.Swin != nil:
		return b.Swin.Channels
	}
	return b.ResNet.Channels
}

// width is the channels of the map after so many stages.
func (b Backbone) width(stages int) int {
	switch {
	case b.ConvNeXt != nil:
		return b.ConvNeXt.Stages[stages-1].Width
	case b.Swin != nil:
		return b.Swin.Stages[stages-1].Width
	}
	return b.ResNet.StageWidth(stages)
}

// normEps is the eps of the norms behind the maps; 0: there are none.
func (b Backbone) normEps() float64 {
	switch {
	case b.ConvNeXt != nil:
		return 1e-6
	case b.Swin != nil:
		return 1e-5
	}
	return 0
}

// least is the side of the smallest image that the backbone takes.
func (b Backbone) least() int {
	if b.ConvNeXt != nil {
		return b.ConvNeXt.Least()
	}
	return 1
}

// prefix begins the names of the backbone's tensors.
const prefix = "backbone."

// describeBackbone reads the backbone by its own part of config.json, own: which of its maps are
// read, the names of its tensors, and the checkpoint with what is folded into the weights.
func describeBackbone(src weights.Source, own, config json.RawMessage) (b Backbone, read []int, names []weights.Rule, _ weights.Source, err error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if len(own) == 0 || string(own) == "null" {
		own = json.RawMessage(`{"model_type": "resnet", "out_features": ["stage1", "stage2", "stage3", "stage4"]}`)
	}
	if err := checkpoint.Decode("config.json: backbone_config", own, &head); err != nil {
		return b, nil, nil, nil, err
	}
	switch head.ModelType {
	case "swin":
		var c swin.Config
		c, read, err = swin.BackboneConfig(own)
		b.Swin, names = &c, swin.BackboneNames(prefix, prefix)
	case "convnext", "convnextv2":
		var c convnext.Config
		c, read, src, err = convnext.BackboneConfig(src, own, head.ModelType)
		b.ConvNeXt, names = &c, convnext.BackboneNames(prefix, prefix)
	case "resnet":
		var c resnet.Config
		c, read, err = resnet.Described(src, prefix, own, config, nil)
		b.ResNet, names = &c, resnet.BackboneNames(prefix, prefix)
	default:
		err = fmt.Errorf("config.json: backbone_config is of type %q; convnext, convnextv2, swin and resnet are supported", head.ModelType)
	}
	for _, stages := range read {
		if err == nil && stages < 1 {
			err = fmt.Errorf("config.json: backbone_config: out_features have the stem, whose map is not supported")
		}
	}
	return b, read, names, src, err
}
