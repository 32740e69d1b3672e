package swin

import (
	_ "embed"
	"fmt"
	"math"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' and timm's classes
// with their defaults, timmJSON the arguments of timm's architectures;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

//go:embed timm.json
var timmJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// Describe finds the configuration of a checkpoint of a version and shows its tensors
// under this package's names. config is the config.json of transformers or timm, or nil;
// architecture is the model's name as the user gave it.
func Describe(src weights.Source, config []byte, architecture string, v2 bool) (Config, weights.Source, error) {
	family := familyOf(v2)
	bare := weights.StripPrefix(src, family)
	var c Config
	var err error
	switch {
	case checkpoint.Has(src, "features.1.0.attn.proj.weight"):
		c, src, err = describeTorchvision(src, architecture)
	case checkpoint.Has(bare, "encoder.layers.0.blocks.0.attention.self.query.weight"):
		c, src, err = describeTransformers(bare, config, family)
	case checkpoint.Has(src, "layers.0.blocks.0.attn.proj.weight"):
		c, src, err = describeTimm(src, config, architecture, family)
	default:
		return Config{}, nil, checkpoint.Unknown(src, "Swin Transformer", "no block features.1.0.attn (torchvision), encoder.layers.0.blocks.0.attention (transformers) or layers.0.blocks.0.attn (timm)")
	}
	switch {
	case err != nil:
		return Config{}, nil, err
	case c.V2 != v2:
		return Config{}, nil, fmt.Errorf("the checkpoint is of the other version of the Swin Transformer; use -model %s", familyOf(c.V2))
	}
	return c, src, nil
}

// familyOf is the family's name of a version.
func familyOf(v2 bool) string {
	if v2 {
		return "swinv2"
	}
	return "swin"
}

// torchvisionStages are the depths of torchvision's architectures, whose windows are of 7
// tokens a side, V2's of 8.
var torchvisionStages = map[string]struct {
	width  int
	depths [4]int
}{
	"t": {96, [4]int{2, 2, 6, 2}}, "s": {96, [4]int{2, 2, 18, 2}}, "b": {128, [4]int{2, 2, 18, 2}},
}

// Standard is an architecture as published, with 1000 classes.
func Standard(name string) (Config, error) {
	v2 := slices.Contains(torchvisionV2, name)
	if !v2 && !slices.Contains(torchvisionV1, name) {
		return timmStandard(name)
	}
	s := torchvisionStages[name[len(name)-1:]]
	c := torchvisionConfig(v2)
	c.Channels, c.Width, c.Patch, c.QKVBias, c.Classes = 3, s.width, ops.Square(4), true, 1000
	for i, depth := range s.depths {
		width := s.width << i
		stage := StageConfig{Depth: depth, Width: width, Inner: 4 * width, Heads: width / 32}
		stage.setWindow(ops.Square(torchvisionWindow(v2)))
		c.Stages = append(c.Stages, stage)
	}
	return c, nil
}

func torchvisionWindow(v2 bool) int {
	if v2 {
		return 8
	}
	return 7
}

// torchvisionConfig is what all of torchvision's networks of a version have in common.
func torchvisionConfig(v2 bool) Config {
	side := 32 * torchvisionWindow(v2)
	return Config{V2: v2, Image: [2]int{side, side}, Unshift: Each, Act: ops.GELU, Eps: edgeEps}
}

// describeTorchvision reads a state_dict of torchvision. The window follows from the
// table of relative positions, or from V2's of their logarithms.
func describeTorchvision(src weights.Source, architecture string) (Config, weights.Source, error) {
	src, note := checkpoint.ReplacedHead(src, "head")
	v2 := checkpoint.Has(src, "features.1.0.attn.logit_scale")
	window := [2]int{(checkpoint.Dim(src, "features.1.0.attn.relative_coords_table", 1) + 1) / 2, (checkpoint.Dim(src, "features.1.0.attn.relative_coords_table", 2) + 1) / 2}
	if !v2 {
		distances := checkpoint.Rows(src, "features.1.0.attn.relative_position_bias_table")
		side := int(math.Round(math.Sqrt(float64(distances))))
		if side*side != distances || side%2 == 0 {
			return Config{}, nil, fmt.Errorf("features.1.0.attn.relative_position_bias_table has %d rows, which are the distances of no square window", distances)
		}
		window = ops.Square((side + 1) / 2)
	}
	if window[0] < 1 || window[1] < 1 {
		return Config{}, nil, fmt.Errorf("the checkpoint has no features.1.0.attn.relative_coords_table [1, 2h-1, 2w-1, 2], which tells the windows")
	}
	src, err := named(src, v2, torchvisionNames)
	if err != nil {
		return Config{}, nil, err
	}
	read := fromTensors(src)
	c := torchvisionConfig(v2)
	c.Channels, c.Width, c.Patch, c.QKVBias, c.Classes, c.Stages = read.Channels, read.Width, read.Patch, read.QKVBias, read.Classes, read.Stages
	for i := range c.Stages {
		c.Stages[i].setWindow(window)
	}
	if note != "" {
		c.Notes = []string{note}
	}
	c.Architecture = c.published(torchvisionV1, torchvisionV2)
	return c, src, checkpoint.Misnamed(c.Architecture, architecture, familyOf(v2))
}

// named brings the names of torchvision or timm to this package's.
func named(src weights.Source, v2 bool, rules []weights.Rule) (weights.Source, error) {
	if v2 {
		var err error
		if src, err = split(src); err != nil {
			return nil, err
		}
	}
	return weights.Rename(src, rules), nil
}

// published is the name among those of the architecture whose sizes c has, "" if it is
// none's.
func (c Config) published(names ...[]string) string {
	for _, name := range slices.Concat(names...) {
		if s, err := Standard(name); err == nil && c.sameSizes(s) {
			return name
		}
	}
	return ""
}
