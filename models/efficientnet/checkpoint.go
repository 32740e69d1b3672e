package efficientnet

import (
	_ "embed"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/inverted"
	"saccade/ops"
	"saccade/weights"
)

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is the config.json of transformers or timm, or
// nil; architecture is the model's name as the user gave it, which tells what
// neither tensors nor config do: paddings and the norms' eps.
func Describe(src weights.Source, config []byte, architecture string) (Config, weights.Source, error) {
	var describe func(weights.Source, []byte, string) (Config, weights.Source, error)
	bare := weights.StripPrefix(src, "efficientnet")
	switch {
	case hasPrefix(src, "features.1.0.block."):
		describe = describeTorchvision
	case hasPrefix(src, "_blocks.0."):
		describe = describePyTorch
	case hasPrefix(src, "blocks.0.0."):
		describe = timm.Describe
	case hasPrefix(bare, "encoder.blocks.0."):
		src, describe = bare, describeTransformers
	default:
		return Config{}, nil, checkpoint.Unknown(src, "EfficientNet", "no block features.1.0.block (torchvision), encoder.blocks.0 (transformers), blocks.0.0 (timm) or _blocks.0 (efficientnet_pytorch)")
	}
	c, named, err := describe(src, config, architecture)
	if err == nil {
		c.Architecture, err = published(c, architecture)
	}
	return c, named, err
}

// activate sets the activation of the network and of its gates' first layers.
func activate(c *Config, a ops.Activation) { c.Act, c.SqueezeAct, c.Gate = a, a, ops.Sigmoid }

// signaturesJSON are the keys of the configs of transformers' and timm's classes
// with their defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

func hasPrefix(src weights.Source, prefix string) bool {
	return slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasPrefix(n, prefix) })
}

// published is the name of the published architecture whose sizes c has, or that
// the user named: sizes that no published one has may go under any name. "" is
// neither.
func published(c Config, named string) (string, error) {
	v, ok := variantOf(named)
	found, known := variantWith(c)
	switch {
	case ok && known && found.name != v.name:
		return "", checkpoint.Misnamed(found.name, named, "efficientnet")
	case known:
		return found.name, nil
	case ok:
		return v.name, nil
	}
	return "", nil
}

// describeTorchvision reads a state_dict of torchvision.
func describeTorchvision(src weights.Source, _ []byte, architecture string) (Config, weights.Source, error) {
	src, note := checkpoint.ReplacedHead(src, "classifier.1", "classifier")
	src = weights.Rename(src, torchvisionNames(src))
	c := inverted.FromTensors(src, inverted.Symmetric, plan)
	c.Note(note)
	name, err := published(c, architecture)
	v, ok := variantOf(name)
	if err == nil && !ok {
		err = fmt.Errorf("the checkpoint's tensors have the sizes of no published EfficientNet, and they do not tell all; name the architecture whose eps and pictures it has, such as -model efficientnet_b0")
	}
	if err != nil {
		return c, nil, err
	}
	c.Image, c.Eps = [2]int{v.image, v.image}, v.eps
	activate(&c, ops.SiLU)
	return c, src, nil
}

// describePyTorch reads a state_dict of efficientnet_pytorch. Its list of
// blocks does not tell where stages begin, but no two published architectures
// of other depths have as many blocks.
func describePyTorch(src weights.Source, _ []byte, architecture string) (Config, weights.Source, error) {
	lite := !slices.ContainsFunc(src.Names(), func(n string) bool { return strings.Contains(n, "._se_") })
	src = weights.Rename(src, pytorchNames)
	blocks := inverted.Count(src, "list.%d.")
	i := slices.IndexFunc(variants, func(v variant) bool {
		return !v.table[0].fused && v.lite == lite && sum(v.depths()) == blocks
	})
	if i < 0 {
		return Config{}, nil, fmt.Errorf("the checkpoint's %d blocks are those of no EfficientNet-B0 to B7 or Lite0 to Lite4; without a config the stages of others are not known", blocks)
	}
	v := variants[i]
	src = weights.Rename(src, inverted.Staged(v.depths()))
	c := inverted.FromTensors(src, inverted.Same, plan)
	c.Image, c.Eps = [2]int{v.image, v.image}, inverted.EpsTensorFlow
	activate(&c, v.config().Act)
	if name, err := published(c, architecture); err != nil {
		return c, nil, err
	} else if named, ok := variantOf(name); ok {
		c.Image = [2]int{named.pytorchImage(), named.pytorchImage()}
	}
	return c, src, nil
}

// timmArchitectures are the ones of timm's EfficientNets that differ in sizes,
// in TensorFlow's padding and in the activation alone.
var timmArchitectures = regexp.MustCompile(`^efficientnet(_b[0-8]|_l2|_(lite)[0-4]|_?v2_([smlx]|xl|b[0-3]|rw_[tsm]))$`)

var timm = inverted.Timm{
	Family: "efficientnet", Class: "EfficientNet", Signatures: signatures, Example: "efficientnet_b0",
	Supported: "efficientnet_b0 to b8, efficientnet_lite0 to lite4 and efficientnetv2_s, m and l",
	Architecture: func(name string) (inverted.TimmArchitecture, bool) {
		m := timmArchitectures.FindStringSubmatch(name)
		if m == nil {
			return inverted.TimmArchitecture{}, false
		}
		a := inverted.TimmArchitecture{Plan: plan, Image: 224, Act: ops.SiLU, Gate: ops.Sigmoid}
		if m[2] == "lite" {
			a.Act = ops.ReLU6
		}
		if v, ok := variantOf(name); ok {
			a.Image = v.image
		}
		return a, true
	},
}

// transformersConfig is config.json of EfficientNetConfig.
type transformersConfig struct {
	checkpoint.Common
	Channels    int             `json:"num_channels"`
	Image       checkpoint.Pair `json:"image_size"`
	Width       float64         `json:"width_coefficient"`
	Depth       float64         `json:"depth_coefficient"`
	Divisor     int             `json:"depth_divisor"`
	Kernels     []int           `json:"kernel_sizes"`
	In          []int           `json:"in_channels"`
	Out         []int           `json:"out_channels"`
	Symmetric   []int           `json:"depthwise_padding"` // blocks that pad alike on all sides
	Strides     []int           `json:"strides"`
	Repeats     []int           `json:"num_block_repeats"`
	Expand      []int           `json:"expand_ratios"`
	Squeeze     float64         `json:"squeeze_expansion_ratio"`
	Act         string          `json:"hidden_act"`
	Features    int             `json:"hidden_dim"`
	PoolingType string          `json:"pooling_type"`
	Eps         float64         `json:"batch_norm_eps"`
}

// transformersInert change nothing of an inference.
var transformersInert = append([]string{"initializer_range", "batch_norm_momentum", "dropout_rate", "drop_connect_rate"}, checkpoint.CommonInert...)

func describeTransformers(src weights.Source, config []byte, _ string) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells the stages; give the folder that holds both")
	}
	if err := checkpoint.OfType(config, "efficientnet"); err != nil {
		return Config{}, nil, err
	}
	var h transformersConfig
	if err := signatures.Decode("config.json", "EfficientNetConfig", config, &h, transformersInert...); err != nil {
		return Config{}, nil, err
	}
	if err := h.check(); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	c := Config{Image: h.Image, Channels: h.Channels, Stem: h.scaled(32), Pad: inverted.Shifted, Features: h.Features, MaxPool: h.PoolingType == "max", Eps: h.Eps, Stages: h.stages()}
	activate(&c, act)
	src = weights.Rename(weights.Rename(src, transformersNames), inverted.Staged(c.Depths()))
	c.Classes = inverted.Rows(src, "classifier")
	c.Labels, c.Scores, err = h.Head(c.Classes)
	return c, src, err
}

// check refuses what transformers does not take, and sizes out of reason.
func (h transformersConfig) check() error {
	n := len(h.In)
	switch {
	case n > 100:
		return fmt.Errorf("in_channels has %d stages; at most 100 are supported", n)
	case n == 0 || len(h.Kernels) != n || len(h.Out) != n || len(h.Strides) != n || len(h.Repeats) != n || len(h.Expand) != n:
		return fmt.Errorf("in_channels, out_channels, kernel_sizes, strides, num_block_repeats and expand_ratios have %d, %d, %d, %d, %d and %d stages; expected the same of each, at least one",
			n, len(h.Out), len(h.Kernels), len(h.Strides), len(h.Repeats), len(h.Expand))
	case !(h.Width > 0 && h.Width < 100 && h.Depth > 0 && h.Depth < 100) || h.Divisor < 1 || h.Divisor > inverted.MaxSize:
		return fmt.Errorf("width_coefficient %g, depth_coefficient %g and depth_divisor %d must be positive, the coefficients below 100", h.Width, h.Depth, h.Divisor)
	case h.PoolingType != "mean" && h.PoolingType != "max":
		return fmt.Errorf("pooling_type is %q; expected \"mean\" or \"max\"", h.PoolingType)
	}
	for i := range n {
		if err := inverted.Positive(fmt.Sprintf("stage %d's ", i), map[string]int{"in_channels": h.In[i], "out_channels": h.Out[i], "num_block_repeats": h.Repeats[i], "expand_ratios": h.Expand[i]}); err != nil {
			return err
		}
		if blocks := math.Ceil(h.Depth * float64(h.Repeats[i])); blocks > 1000 {
			return fmt.Errorf("stage %d has %g blocks; at most 1000 are supported", i, blocks)
		}
	}
	if got := h.scaled(1280); got != h.Features {
		return fmt.Errorf("hidden_dim is %d; 1280 channels times width_coefficient %g make %d", h.Features, h.Width, got)
	}
	return nil
}

func (h transformersConfig) scaled(channels int) int {
	return inverted.Scaled(float64(channels), h.Width, h.Divisor, h.Divisor)
}

// stages are the blocks as transformers makes them.
func (h transformersConfig) stages() [][]inverted.BlockConfig {
	var stages [][]inverted.BlockConfig
	n := 0
	for s := range h.In {
		in, out := h.scaled(h.In[s]), h.scaled(h.Out[s])
		var blocks []inverted.BlockConfig
		for i := range int(math.Ceil(h.Depth * float64(h.Repeats[s]))) {
			b := inverted.BlockConfig{Expand: h.Expand[s] != 1, Kernel: h.Kernels[s], Stride: h.Strides[s], Pad: inverted.Shifted, Expanded: in * h.Expand[s], Out: out, Skip: i > 0}
			b.Squeeze = max(1, int(float64(in)*h.Squeeze))
			if slices.Contains(h.Symmetric, n) {
				b.Pad = inverted.Symmetric
			}
			if i > 0 {
				b.Stride = 1
			}
			blocks, in, n = append(blocks, b), out, n+1
		}
		stages = append(stages, blocks)
	}
	return stages
}

func sum(values []int) int {
	n := 0
	for _, v := range values {
		n += v
	}
	return n
}
