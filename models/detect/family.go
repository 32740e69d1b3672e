package detect

import (
	"fmt"
	"maps"
	"slices"

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

// kinds are the networks by their model_type.
var kinds = map[string]func(src weights.Source, config []byte) (make nn.Make, named weights.Source, labels []string, err error){
	"detr": func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := detr.Describe(src, config)
		return c.Layers, named, c.Labels, err
	},
	"deformable_detr": func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := deformable.Describe(src, config)
		return c.Layers, named, c.Labels, err
	},
	"d_fine": func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := dfine.Describe(src, config)
		return c.Layers, named, c.Labels, err
	},
	"rt_detr": func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := rtdetr.Describe(src, config, false)
		return c.Layers, named, c.Labels, err
	},
	"rt_detr_v2": func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := rtdetr.Describe(src, config, true)
		return c.Layers, named, c.Labels, err
	},
	"yolos": func(src weights.Source, config []byte) (nn.Make, weights.Source, []string, error) {
		c, named, err := yolos.Describe(src, config)
		return c.Layers, named, c.Labels, err
	},
}

func describe(in nn.Checkpoint) (*nn.Description, error) {
	kind, err := checkpoint.ModelType(in.Config, "detector", slices.Sorted(maps.Keys(kinds))...)
	if err != nil {
		return nil, err
	}
	layers, named, labels, err := kinds[kind](in.Tensors, in.Config)
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
