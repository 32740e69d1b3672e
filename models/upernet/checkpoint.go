package upernet

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"saccade/models/convnext"
	"saccade/models/internal/checkpoint"
	"saccade/models/swin"
	"saccade/weights"
)

// signaturesJSON are the keys of the config of transformers' class with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// upernetConfig is config.json of UperNetConfig.
type upernetConfig struct {
	checkpoint.Common
	Backbone json.RawMessage `json:"backbone_config"`
	Width    int             `json:"hidden_size"`
	Pools    []int           `json:"pool_scales"`
}

// inert change nothing of an inference: how weights begin, the loss, and a head for training.
var inert = append([]string{
	"initializer_range", "problem_type", "use_auxiliary_head", "auxiliary_loss_weight", "auxiliary_in_channels", "auxiliary_channels", "auxiliary_num_convs", "auxiliary_concat_input", "loss_ignore_index",
}, checkpoint.CommonInert...)

// convNames are those of a convolution with its norm.
func convNames(from, to string) []weights.Rule {
	return []weights.Rule{{From: from + ".conv.*", To: to + ".*"}, {From: from + ".batch_norm.num_batches_tracked", To: ""}, {From: from + ".batch_norm.*", To: to + ".norm.*"}}
}

// names are those of UperNetForSemanticSegmentation with so many maps, but for the backbone's.
func names(read []int) []weights.Rule {
	rules := []weights.Rule{{From: "decode_head.classifier.*", To: "head.*"}, {From: "auxiliary_head.**", To: ""}}
	for _, pair := range [][2]string{
		{"decode_head.psp_modules.*.1", "pools.*"}, {"decode_head.bottleneck", "bottleneck"}, {"decode_head.lateral_convs.*", "lateral.*"},
		{"decode_head.fpn_convs.*", "smooth.*"}, {"decode_head.fpn_bottleneck", "fuse"},
	} {
		rules = append(rules, convNames(pair[0], pair[1])...)
	}
	for i, stages := range read {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("%shidden_states_norms.stage%d.*", prefix, stages), To: fmt.Sprintf("norms.%d.*", i)})
	}
	return rules
}

// Describe reads a checkpoint of transformers' UperNetForSemanticSegmentation.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h upernetConfig
	if err := signatures.Decode("config.json", "UperNetConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	backbone, read, own, src, err := describeBackbone(src, h.Backbone, config)
	if err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, append(names(read), own...))
	c := Config{Backbone: backbone, Maps: read, Width: h.Width, Pools: h.Pools, Classes: checkpoint.Rows(src, "head.weight")}
	if c.Labels, err = checkpoint.Labels(h.Labels, c.Classes); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	return c, src, nil
}

// Standard is an architecture as published, with the 150 classes of ADE20K.
func Standard(name string) (Config, bool) {
	c := Config{Maps: []int{1, 2, 3, 4}, Width: 512, Pools: []int{1, 2, 3, 6}, Classes: 150}
	switch name {
	case "upernet_convnext_tiny":
		b, err := convnext.Standard("convnext_tiny")
		b.Classes, b.Backbone = 0, true
		c.Backbone.ConvNeXt = &b
		return c, err == nil
	case "upernet_swin_tiny":
		b, err := swin.Standard("swin_t")
		b.Classes, b.Backbone, b.Unshift, b.PadPatches = 0, true, swin.Never, true
		c.Backbone.Swin = &b
		return c, err == nil
	}
	return Config{}, false
}
