package convnext

import (
	_ "embed"
	"fmt"
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

// Describe finds the configuration of a checkpoint of a version, 1 or 2, and shows its
// tensors under this package's names. config is the config.json of transformers or timm,
// or nil; architecture is the model's name as the user gave it.
func Describe(src weights.Source, config []byte, architecture string, version int) (Config, weights.Source, error) {
	family := map[int]string{1: "convnext", 2: "convnextv2"}[version]
	src = checkpoint.Vectors(src, "grn.weight", "grn.bias") // transformers' have four dimensions
	bare := weights.StripPrefix(src, family)
	var c Config
	var err error
	switch {
	case version == 1 && checkpoint.Has(src, "features.1.0.layer_scale"):
		c, src, err = describeTorchvision(src)
	case checkpoint.Has(bare, "encoder.stages.0.layers.0.dwconv.weight"):
		c, src, err = describeTransformers(bare, config, family)
	case checkpoint.Has(src, "stages.0.blocks.0.conv_dw.weight"):
		c, src, err = describeTimm(src, config, architecture, family)
	default:
		return Config{}, nil, checkpoint.Unknown(src, "ConvNeXt", "no block features.1.0 (torchvision), encoder.stages.0.layers.0 (transformers) or stages.0.blocks.0 (timm)")
	}
	switch {
	case err != nil:
		return Config{}, nil, err
	case c.GRN != (version == 2):
		return Config{}, nil, fmt.Errorf("the checkpoint is a ConvNeXt%s; use -model %s", map[bool]string{true: " V2"}[c.GRN], map[bool]string{true: "convnextv2", false: "convnext"}[c.GRN])
	}
	if config == nil {
		err = c.published(architecture, family)
	}
	return c, src, err
}

// published names the published architecture whose sizes c has; a user who named another
// is refused. Sizes that no published one has may go under any name.
func (c *Config) published(named, family string) error {
	found := ""
	for _, name := range slices.Concat(namesV1, namesV2) {
		s, err := Standard(name)
		if err != nil {
			return err
		}
		if c.sameSizes(s) {
			found = name
			break
		}
	}
	c.Architecture = found
	return checkpoint.Misnamed(found, named, family)
}

// describeTorchvision reads a state_dict of torchvision, whose tensors tell all.
func describeTorchvision(src weights.Source) (Config, weights.Source, error) {
	src, note := checkpoint.ReplacedHead(src, "classifier.2")
	src, err := scaled(src, "layer_scale", "block.5")
	if err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, torchvisionNames)
	c := fromTensors(src)
	c.Image = ops.Square(imageSide)
	if note != "" {
		c.Notes = []string{note}
	}
	return c, src, nil
}

// imageSide is that of the pictures that most were published for, pixels.
const imageSide = 224

// transformersConfig is config.json of ConvNextConfig and ConvNextV2Config.
type transformersConfig struct {
	checkpoint.Common
	Channels int             `json:"num_channels"`
	Image    checkpoint.Pair `json:"image_size"`
	Patch    checkpoint.Pair `json:"patch_size"`
	Stages   int             `json:"num_stages"`
	Widths   []int           `json:"hidden_sizes"`
	Depths   []int           `json:"depths"`
	Act      string          `json:"hidden_act"`
	Eps      float64         `json:"layer_norm_eps"` // of the last norm
	Scale    float64         `json:"layer_scale_init_value"`
}

// BackboneConfig is that of transformers' ConvNextBackbone or ConvNextV2Backbone, the family,
// within another network, by its own part of config.json, which of [Model.Maps] it gives, the
// stem's as 0, and the checkpoint with its layer scales in the weights.
func BackboneConfig(src weights.Source, config []byte, family string) (Config, []int, weights.Source, error) {
	c, h, err := parseTransformers(config, family)
	if err == nil {
		src, err = h.scaled(src)
	}
	if err != nil {
		return Config{}, nil, nil, fmt.Errorf("backbone_config: %w", err)
	}
	c.Backbone = true
	maps, err := checkpoint.BackboneOutputs(config, h.Stages)
	return c, maps, checkpoint.Vectors(src, "grn.weight", "grn.bias"), err
}

// BackboneNames bring transformers' names of a backbone, below the prefix from, to this
// package's below to.
func BackboneNames(from, to string) []weights.Rule { return weights.Below(from, to, transformersNames) }

// transformersInert change nothing of an inference of the whole network.
var transformersInert = append([]string{"initializer_range", "drop_path_rate", "_out_features", "_out_indices", "out_features", "out_indices"}, checkpoint.CommonInert...)

func describeTransformers(src weights.Source, config []byte, family string) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells the activation and the norms' eps; give the folder that holds both")
	}
	c, h, err := parseTransformers(config, family)
	if err == nil {
		src, err = h.scaled(src)
	}
	if err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, transformersNames)
	c.Classes = checkpoint.Rows(src, "head.weight")
	c.Labels, c.Scores, err = h.Head(c.Classes)
	return c, src, err
}

// scaled brings the layer scales into the weights, if there are some.
func (h transformersConfig) scaled(src weights.Source) (weights.Source, error) {
	if h.Scale > 0 {
		return scaled(src, "layer_scale_parameter", "pwconv2")
	}
	return src, nil
}

// parseTransformers reads what config.json of a family tells: all but the classes.
func parseTransformers(config []byte, family string) (Config, transformersConfig, error) {
	var h transformersConfig
	if err := checkpoint.OfType(config, family); err != nil {
		return Config{}, h, err
	}
	class := map[string]string{"convnext": "ConvNextConfig", "convnextv2": "ConvNextV2Config"}[family]
	if err := signatures.Decode("config.json", class, config, &h, transformersInert...); err != nil {
		return Config{}, h, err
	}
	if n := h.Stages; n < 1 || n > maxStages || len(h.Widths) < n || len(h.Depths) != n {
		return Config{}, h, fmt.Errorf("config.json: num_stages is %d, with %d hidden_sizes and %d depths; expected 1 to %d stages and as many of each", n, len(h.Widths), len(h.Depths), maxStages)
	}
	if h.Patch[0] != h.Patch[1] {
		return Config{}, h, fmt.Errorf("config.json: patch_size is %v; expected a square", h.Patch)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, h, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	c := Config{Image: h.Image, Channels: h.Channels, Stem: []StemConv{{h.Widths[0], h.Patch[0], h.Patch[0]}}, ConvBias: true, GRN: family == "convnextv2",
		Act: act, Eps: defaultEps, HeadEps: h.Eps}
	for i, width := range h.Widths[:h.Stages] {
		s := StageConfig{Down: 2, Width: width, Inner: 4 * width, Kernel: 7, Depth: h.Depths[i]}
		if i == 0 {
			s.Down = 0
		}
		c.Stages = append(c.Stages, s)
	}
	return c, h, nil
}
