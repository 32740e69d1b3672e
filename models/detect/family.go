package detect

import (
	"fmt"
	"slices"
	"strings"

	"saccade/models/deformable"
	"saccade/models/detr"
	"saccade/models/dfine"
	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/models/rtdetr"
	"saccade/models/yolos"
	"saccade/weights"
)

// Family is the detectors.
var Family = nn.Family{
	Name:          "detect",
	About:         "objects in images: YOLOS, DETR, Deformable DETR, RT-DETR, RT-DETRv2, D-FINE",
	Embedded:      "yolos",
	Weights:       "a folder or hub id of transformers",
	Architectures: []string{"yolos_tiny", "yolos_small", "detr_resnet50", "detr_resnet101", "deformable_detr_resnet50", "rtdetr_r18", "rtdetr_r34", "rtdetr_r50", "rtdetr_r101", "dfine_l"},
	Task:          nn.FindObjects,
	Describe:      describe,
	Standard:      standard,
}

// kind is a network by its model_type.
type kind struct {
	name string
	read func(src weights.Source, config []byte) (make nn.Make, named weights.Source, labels []string, err error)
}

var kinds = []kind{
	{"detr", func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := detr.Describe(src, config)
		return c.Layers, named, c.Labels, err
	}},
	{"deformable_detr", func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := deformable.Describe(src, config)
		return c.Layers, named, c.Labels, err
	}},
	{"d_fine", func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := dfine.Describe(src, config)
		return c.Layers, named, c.Labels, err
	}},
	{"rt_detr", func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := rtdetr.Describe(src, config, false)
		return c.Layers, named, c.Labels, err
	}},
	{"rt_detr_v2", func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := rtdetr.Describe(src, config, true)
		return c.Layers, named, c.Labels, err
	}},
	{"yolos", func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := yolos.Describe(src, config)
		return c.Layers, named, c.Labels, err
	}},
}

func describe(in nn.Checkpoint) (*nn.Description, error) {
	if in.Config == nil {
		return nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells what detector it is; give the folder that holds both")
	}
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json", in.Config, &head); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == head.ModelType })
	if i < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return nil, fmt.Errorf("config.json is of a model of type %q; detectors of the types %s are supported", head.ModelType, strings.Join(names, ", "))
	}
	layers, named, labels, err := kinds[i].read(in.Tensors, in.Config)
	if err != nil {
		return nil, err
	}
	return &nn.Description{Tensors: named, Make: layers, Labels: labels}, nil
}

func standard(name string) (nn.Make, error) {
	if c, ok := yolos.Standard(name); ok {
		return c.Layers, nil
	}
	if c, ok := detr.Standard(name); ok {
		return c.Layers, nil
	}
	if c, ok := deformable.Standard(name); ok {
		return c.Layers, nil
	}
	if c, ok := dfine.Standard(name); ok {
		return c.Layers, nil
	}
	if c, ok := rtdetr.Standard(name); ok {
		return c.Layers, nil
	}
	return nil, fmt.Errorf("the sizes of %s are not known", name)
}
