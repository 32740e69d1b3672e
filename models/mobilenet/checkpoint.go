package mobilenet

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/inverted"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' and timm's classes
// with their defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// Describe finds the configuration of a checkpoint of a version, 2 or 3, and shows its
// tensors under package inverted's names. config is the config.json of transformers or
// timm, or nil; architecture is the model's name as the user gave it, which tells what
// neither tensors nor config do: paddings and the norms' eps.
func Describe(src weights.Source, config []byte, architecture string, version int) (Config, weights.Source, error) {
	bare := weights.StripPrefix(src, "mobilenet_v2")
	describe := timm(version)
	switch {
	case version == 2 && checkpoint.Has(src, "features.1.conv.0.0.weight"), version == 3 && checkpoint.Has(src, "features.1.block.0.0.weight"):
		describe = torchvision(version)
	case version == 2 && checkpoint.Has(bare, "conv_stem.conv_3x3.convolution.weight"):
		src, describe = bare, describeTransformers
	case slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasPrefix(n, "blocks.0.0.conv_dw.") }):
	default:
		return Config{}, nil, checkpoint.Unknown(src, fmt.Sprintf("MobileNetV%d", version), lacking[version])
	}
	c, named, err := describe(src, config, architecture)
	if err == nil {
		err = published(&c, architecture, version, checkpoint.Has(src, "features.0.0.weight"))
	}
	return c, named, err
}

// lacking are the tensors that tell a checkpoint of a version.
var lacking = map[int]string{
	2: "no block features.1.conv.0.0 (torchvision), conv_stem.conv_3x3 (transformers) or blocks.0.0.conv_dw (timm)",
	3: "no block features.1.block.0.0 (torchvision) or blocks.0.0.conv_dw (timm)",
}

// published names the published architecture whose sizes c has, or that the user named:
// sizes that no published one has may go under any name.
func published(c *Config, named string, version int, torchvision bool) error {
	found, known := variantWith(*c, version)
	if v, ok := variantOf(named); ok {
		if known && found.name != v.name {
			return checkpoint.Misnamed(found.name, named, fmt.Sprintf("mobilenetv%d", version))
		}
		found, known = v, true
	}
	switch {
	case !known:
	case torchvision && found.torchvision != "":
		c.Architecture = found.torchvision
	case strings.HasPrefix(named, inverted.TensorFlow):
		c.Architecture = inverted.TensorFlow + found.name
	default:
		c.Architecture = found.name
	}
	return nil
}

// torchvision reads a state_dict of torchvision, whose flat list of blocks does not tell
// where stages begin; the number of blocks does.
func torchvision(version int) func(src weights.Source, config []byte, architecture string) (Config, weights.Source, error) {
	return func(src weights.Source, _ []byte, _ string) (Config, weights.Source, error) {
		head := map[int]string{2: "classifier.1", 3: "classifier.3"}[version]
		src, note := checkpoint.ReplacedHead(src, head, "classifier")
		rules, blocks := torchvisionNames(src, version)
		i := slices.IndexFunc(variants, func(v variant) bool {
			return v.version == version && v.torchvision != "" && blocks == sum(v.config().Depths())
		})
		if i < 0 {
			return Config{}, nil, fmt.Errorf("the checkpoint's %d blocks are those of no MobileNetV%d of torchvision; where stages begin the tensors do not tell", blocks, version)
		}
		v := variants[i]
		a := v.architecture()
		src = weights.Rename(weights.Rename(src, rules), inverted.Staged(v.config().Depths()))
		c := inverted.FromTensors(src, inverted.Symmetric, a.Plan)
		c.Note(note)
		c.Image, c.Eps, c.Momentum = [2]int{a.Image, a.Image}, torchvisionEps(version), torchvisionMomentum(version)
		c.Act, c.SqueezeAct, c.Gate, c.ReLU = a.Act, a.SqueezeAct, a.Gate, a.ReLU
		return c, src, nil
	}
}

// timm reads a checkpoint of timm.
func timm(version int) func(src weights.Source, config []byte, architecture string) (Config, weights.Source, error) {
	family := fmt.Sprintf("mobilenetv%d", version)
	f := inverted.Timm{
		Family: family, Signatures: signatures,
		Class:     map[int]string{2: "EfficientNet", 3: "MobileNetV3"}[version],
		Example:   map[int]string{2: "mobilenetv2_100", 3: "mobilenetv3_large_100"}[version],
		Supported: map[int]string{2: "mobilenetv2_035 to mobilenetv2_140", 3: "mobilenetv3_small_050 to small_100, large_075 and large_100"}[version],
		Architecture: func(name string) (inverted.TimmArchitecture, bool) {
			v, ok := variantOf(name)
			return v.architecture(), ok && v.version == version && name != v.torchvision
		},
	}
	return func(src weights.Source, config []byte, architecture string) (Config, weights.Source, error) {
		c, named, err := f.Describe(src, config, architecture)
		if c.Pad != inverted.Same { // TensorFlow's have another, which the name does not tell
			c.Momentum = momentum
		}
		return c, named, err
	}
}

func sum(values []int) int {
	n := 0
	for _, v := range values {
		n += v
	}
	return n
}
