package resnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// BackboneConfig is that of a ResNetBackbone within another model, by its own part of
// config.json; or, where that is nil, of timm's resnet18 to resnet152 by tensors, whose
// names begin with prefix. It has no head.
func BackboneConfig(src weights.Source, prefix string, config []byte) (Config, error) {
	if config != nil {
		c, _, err := parseTransformers("ResNetConfig", config)
		return c, err
	}
	bare := weights.StripPrefix(src, prefix)
	c, err := fromTensors(bare)
	c.Image = usual(c.Small)
	if err == nil && (c.Deep != nil || c.Small) {
		err = fmt.Errorf("the backbone's stem is not that of a plain ResNet, others are not supported")
	}
	return c, err
}

// plain are timm's networks whose tensors tell all.
var plain = regexp.MustCompile(`^resnet(18|34|50|101|152)(\.|$)`)

// Described is the backbone of a detector of the DETR kind, of transformers or of timm, whose
// names begin with prefix, and which of [Model.Maps] it gives, the stem's as 0. own is its part
// of config.json; older ones name it at the top, and then the maps are usual.
func Described(src weights.Source, prefix string, own json.RawMessage, config []byte, usual []int) (Config, []int, error) {
	var head struct {
		ModelType    string   `json:"model_type"`
		Backbone     string   `json:"backbone"`
		OutputStride *int     `json:"output_stride"`
		Outputs      []string `json:"out_features"`
		Indices      []int    `json:"out_indices"`
	}
	head.Backbone = "resnet50"
	old := len(own) == 0 || string(own) == "null"
	if old {
		own = config
	}
	err := checkpoint.Decode("config.json: backbone_config", own, &head)
	var c Config
	switch {
	case err != nil:
		return Config{}, nil, err
	case old:
		head.Outputs, head.Indices, head.ModelType = nil, usual, "timm_backbone"
	case head.ModelType == "timm_backbone":
		head.Outputs = nil // of which timm knows nothing
	}
	switch {
	case head.ModelType == "resnet":
		c, err = BackboneConfig(src, prefix, own)
	case head.ModelType != "timm_backbone":
		err = fmt.Errorf("config.json: backbone_config is of type %q; resnet and timm_backbone are supported", head.ModelType)
	case !plain.MatchString(head.Backbone):
		err = fmt.Errorf("config.json: backbone is %q; resnet18 to resnet152 are supported", head.Backbone)
	case head.OutputStride != nil && *head.OutputStride != 32:
		err = fmt.Errorf("config.json: backbone_config: output_stride is %d; 32 is supported", *head.OutputStride)
	default:
		c, err = BackboneConfig(src, prefix, nil)
	}
	if err != nil {
		return Config{}, nil, err
	}
	maps, err := checkpoint.StageOutputs(head.Outputs, head.Indices, len(c.Stages))
	switch {
	case err != nil:
		err = fmt.Errorf("config.json: backbone_config: %w", err)
	case len(maps) == 0:
		err = errors.New("config.json: backbone_config: out_features and out_indices are of no map; expected one at least")
	case maps[0] == 0 && head.ModelType == "timm_backbone":
		err = errors.New("config.json: backbone_config: out_indices have the stem, 0, whose map is not supported")
	}
	return c, maps, err
}

// RTDetrConfig is that of RT-DETR's RTDetrResNetBackbone, a ResNet with a stem of three
// convolutions and averaged shortcuts, by its own part of config.json, and which of
// [Model.Maps] it gives, the stem's as 0.
func RTDetrConfig(config []byte) (Config, []int, error) {
	c, j, err := parseTransformers("RTDetrResNetConfig", config)
	if err != nil {
		return Config{}, nil, err
	}
	c.Deep, c.AvgDown, c.Projects = []int{c.Stem / 2, c.Stem / 2}, true, true
	for i, s := range c.Stages {
		if !c.Bottleneck && s.Stride == 1 && c.width(i-1) != s.Out {
			return Config{}, nil, fmt.Errorf("config.json: layer_type is basic, embedding_size %d and hidden_sizes begin with %d; without downsample_in_first_stage such blocks need the same", c.Stem, s.Out)
		}
	}
	maps, err := checkpoint.BackboneOutputs(config, len(j.Depths))
	return c, maps, err
}

// BackboneNames bring the libraries' names of a backbone, below the prefix from, to this
// package's below to.
func BackboneNames(from, to string) []weights.Rule {
	rules := []weights.Rule{{From: from + "fc.*", To: ""}}
	return append(rules, weights.Below(from, to, append(torchvisionNames(false), transformersNames...))...)
}

// MapSize is the height or width of the last stage's maps for pictures of n pixels.
func (c Config) MapSize(n int) int { return c.StageSize(len(c.Stages), n) }

// StageSize is the height or width of the maps after so many stages for pictures of n pixels.
func (c Config) StageSize(stages, n int) int {
	half := func(n int) int { return (n + 1) / 2 }
	if n = half(n); !c.Small {
		n = half(n)
	}
	for _, s := range c.Stages[:stages] {
		if s.Stride == 2 {
			n = half(n)
		}
	}
	return n
}

// Width is the channels of the last stage's maps.
func (c Config) Width() int { return c.StageWidth(len(c.Stages)) }

// StageWidth is the channels of the maps after so many stages.
func (c Config) StageWidth(stages int) int { return c.width(stages - 1) }
