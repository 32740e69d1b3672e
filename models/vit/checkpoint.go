package vit

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is the config.json of transformers or timm, or
// nil; architecture is the model's name as the user gave it, which tells the
// number of heads where neither tensors nor config do.
func Describe(src weights.Source, config []byte, architecture string) (Config, weights.Source, error) {
	names := src.Names()
	switch {
	case slices.Contains(names, "class_token"):
		return describeTorchvision(src, architecture)
	case checkpoint.IsTimm(config) && known(src):
		return describeTimm(src, config)
	case slices.Contains(names, "blocks.0.attn.qkv.weight"):
		if config != nil {
			return Config{}, nil, fmt.Errorf("config.json names no architecture of timm, as whose the checkpoint's tensors are named")
		}
		return describeNamed(src, architecture)
	case slices.ContainsFunc(names, isTransformers):
		return describeTransformers(src, config)
	}
	return Config{}, nil, checkpoint.Unknown(src, "vision transformer", "neither embeddings.cls_token (transformers) nor blocks.0.attn.qkv.weight (timm) nor class_token (torchvision)")
}

// known says whether a source has the names of a vision transformer.
func known(src weights.Source) bool {
	names := src.Names()
	return slices.Contains(names, "class_token") || slices.ContainsFunc(names, isTransformers) ||
		slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "blocks.0.") })
}

// isTransformers knows transformers' checkpoints by a tensor, with the prefix
// that models with a head have or without.
func isTransformers(name string) bool {
	const class = "embeddings.cls_token"
	for _, prefix := range transformersPrefixes {
		if name == prefix+"."+class {
			return true
		}
	}
	return name == class
}

// transformersConfig is config.json of ViTConfig, DeiTConfig and DINOv2's.
type transformersConfig struct {
	checkpoint.Common
	HiddenSize int             `json:"hidden_size"`
	Layers     int             `json:"num_hidden_layers"`
	Heads      int             `json:"num_attention_heads"`
	MLP        int             `json:"intermediate_size"`
	Act        string          `json:"hidden_act"`
	Eps        float64         `json:"layer_norm_eps"`
	Image      checkpoint.Pair `json:"image_size"`
	Patch      checkpoint.Pair `json:"patch_size"`
	Channels   int             `json:"num_channels"`
	QKVBias    bool            `json:"qkv_bias"`
	PoolerSize *int            `json:"pooler_output_size"`
	PoolerAct  string          `json:"pooler_act"`
	MLPRatio   float64         `json:"mlp_ratio"` // DINOv2's, as are the next
	SwiGLU     bool            `json:"use_swiglu_ffn"`
	Registers  int             `json:"num_register_tokens"`
}

// transformersInert change nothing of an inference: dropout, how weights begin, and
// what the classes for pretraining and for backbones alone look at.
var transformersInert = append([]string{
	"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "encoder_stride", "layerscale_value", "drop_path_rate",
	"_out_features", "_out_indices", "apply_layernorm", "reshape_hidden_states", "use_mask_token",
}, checkpoint.CommonInert...)

// transformersClasses are transformers' classes of configs by model_type.
var transformersClasses = map[string]string{
	"": "ViTConfig", "vit": "ViTConfig", "deit": "DeiTConfig", "dinov2": "Dinov2Config", "dinov2_with_registers": "Dinov2WithRegistersConfig",
}

func describeTransformers(src weights.Source, config []byte) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells the number of heads; give the folder that holds both")
	}
	h, kind, err := parseTransformers(config)
	if err != nil {
		return Config{}, nil, err
	}
	if kind == "dinov2" || kind == "dinov2_with_registers" {
		return describeDINOv2(src, h, kind == "dinov2_with_registers")
	}
	c, err := h.config()
	if err != nil {
		return Config{}, nil, err
	}
	c.Module = kind // "" and vit are one
	if c.PoolerAct, err = ops.ActivationByName(h.PoolerAct); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: pooler_act: %w", err)
	}
	src = weights.Rename(weights.StripPrefix(src, transformersPrefixes...), transformersNames)
	if err := c.heads(src, h); err != nil {
		return Config{}, nil, err
	}
	if c.Classes > 0 { // a pooler in a classifier's checkpoint is not used
		src, c.Pooler = weights.Rename(src, []weights.Rule{{From: "pooler.*", To: ""}}), 0
	} else if c.Pooler > 0 && h.PoolerSize != nil {
		c.Pooler = *h.PoolerSize
	}
	return c, src, nil
}

// parseTransformers reads config.json, with its model_type.
func parseTransformers(config []byte) (h transformersConfig, kind string, err error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json", config, &head); err != nil {
		return h, "", err
	}
	class, ok := transformersClasses[head.ModelType]
	if !ok {
		return h, "", fmt.Errorf("config.json is of a model of type %q; vit, deit, dinov2 and dinov2_with_registers are expected", head.ModelType)
	}
	return h, head.ModelType, signatures.Decode("config.json", class, config, &h, transformersInert...)
}

// config is what all of transformers' kinds state alike.
func (h transformersConfig) config() (Config, error) {
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	return Config{Image: h.Image, Patch: h.Patch, Channels: h.Channels, Width: h.HiddenSize, Depth: h.Layers, Heads: h.Heads, MLP: h.MLP,
		Act: act, Eps: h.Eps, QKVBias: h.QKVBias}, nil
}

// heads takes from the renamed tensors and the config which heads there are.
func (c *Config) heads(src weights.Source, h transformersConfig) (err error) {
	c.fromTensors(src)
	c.Labels, c.Scores, err = h.Head(c.Classes)
	return err
}

// fromTensors takes from the renamed tensors which optional parts there are.
func (c *Config) fromTensors(src weights.Source) {
	c.Distilled = checkpoint.Rows(src, "dist_token") > 0
	c.Prompts = checkpoint.Dim(src, "prompts", 1)
	c.Placed = 1
	if c.Distilled {
		c.Placed = 2
	}
	c.Classes = checkpoint.Rows(src, "head.weight")
	c.DistillHead = checkpoint.Rows(src, "head_dist.weight") > 0
	c.Pooler = checkpoint.Rows(src, "pooler.weight")
}

func describeTorchvision(src weights.Source, architecture string) (Config, weights.Source, error) {
	src, note := checkpoint.ReplacedHead(src, "heads.head", "heads")
	src = weights.Rename(src, torchvisionNames)
	c, err := sizesOf(src)
	if err != nil {
		return c, nil, err
	}
	c.fromTensors(src)
	c.QKVBias = true
	c.note(note)
	if c.Heads, err = headsOf(architecture); err != nil {
		return c, nil, err
	}
	return c, src, c.squareImage(src)
}

// sizesOf reads the sizes that tensors tell; the rest are timm's and
// torchvision's constants.
func sizesOf(src weights.Source) (Config, error) {
	const patch = "patch_embed.proj.weight"
	t, ok := src.Tensor(patch)
	if !ok || len(t.Shape) != 4 || t.Len() == 0 {
		return Config{}, fmt.Errorf("the checkpoint has no convolution %s [width, channels, height, width]", patch)
	}
	c := Config{Width: t.Shape[0], Channels: t.Shape[1], Patch: [2]int{t.Shape[2], t.Shape[3]}, MLP: checkpoint.Rows(src, "blocks.0.mlp.fc1.weight"), Act: ops.GELU, Eps: 1e-6}
	for checkpoint.Rows(src, fmt.Sprintf("blocks.%d.norm1.weight", c.Depth)) > 0 {
		c.Depth++
	}
	return c, nil
}

// squareImage takes the picture to be as high as wide and as large as there
// are position embeddings for.
func (c *Config) squareImage(src weights.Source) error {
	all := checkpoint.Dim(src, "pos_embed", 1)
	for _, placed := range []int{c.Placed, 0, c.prefix() - c.Prompts} { // registers have positions or not, as may the class token
		side := int(math.Sqrt(float64(max(all-placed, 0))))
		if side > 0 && side*side == all-placed {
			c.Image = [2]int{side * c.Patch[0], side * c.Patch[1]}
			return nil
		}
	}
	return fmt.Errorf("the %d position embeddings make no square of patches and no config tells the picture's size", all)
}
