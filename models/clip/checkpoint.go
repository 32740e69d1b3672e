package clip

import (
	"encoding/json"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// Describe finds the configuration of a dual encoder's checkpoint and shows its
// tensors under this package's names. config is config.json of CLIPConfig or
// SiglipConfig.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	if !checkpoint.Has(src, "text_model.embeddings.token_embedding.weight") || !checkpoint.Has(src, "vision_model.embeddings.patch_embedding.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "dual encoder", "no text_model.embeddings.token_embedding.weight beside vision_model.embeddings.patch_embedding.weight (transformers)")
	}
	var h dualConfig
	if err := parse(config, &h); err != nil {
		return Config{}, nil, err
	}
	c := Config{Sigmoid: h.ModelType == "siglip"}
	if h.ModelType != "" && h.ModelType != "clip" && h.ModelType != "siglip" {
		return Config{}, nil, fmt.Errorf("config.json is of a model of type %q; clip and siglip are expected", h.ModelType)
	}
	var err error
	if c.Text, err = h.text(c.Sigmoid); err != nil {
		return Config{}, nil, err
	}
	if c.Vision, err = h.vision(c.Sigmoid); err != nil {
		return Config{}, nil, err
	}
	if !c.Sigmoid {
		c.Vision.Projection, c.Text.Projection = h.Projection, h.Projection
	}
	if t, ok := src.Tensor("logit_scale"); ok {
		c.Scalar = t.Shape
	}
	if c.Sigmoid {
		if src, err = splitPool(src); err != nil {
			return Config{}, nil, err
		}
	}
	return c, weights.Rename(src, transformersNames), nil
}

// DescribeText is Describe for a text encoder alone, CLIPTextModel or
// CLIPTextModelWithProjection, or the text tower of a CLIPModel.
func DescribeText(src weights.Source, config []byte) (TextConfig, weights.Source, error) {
	whole := checkpoint.Has(src, "vision_model.embeddings.patch_embedding.weight")
	if whole {
		src = weights.Rename(src, []weights.Rule{{From: "vision_model.**", To: ""}, {From: "visual_projection.*", To: ""}, {From: "logit_scale", To: ""}})
	}
	src = weights.StripPrefix(src, "text_model")
	if !checkpoint.Has(src, "embeddings.token_embedding.weight") {
		return TextConfig{}, nil, checkpoint.Unknown(src, "text encoder", "no text_model.embeddings.token_embedding.weight (transformers' CLIPTextModel)")
	}
	var h dualConfig
	if err := parse(config, &h); err != nil {
		return TextConfig{}, nil, err
	}
	if h.ModelType != "" && h.ModelType != "clip" && h.ModelType != "clip_text_model" {
		return TextConfig{}, nil, fmt.Errorf("config.json is of a model of type %q; clip_text_model and clip are expected", h.ModelType)
	}
	if h.TextConfig == nil {
		h.TextConfig = config
	}
	c, err := h.text(false)
	if err != nil {
		return TextConfig{}, nil, err
	}
	c.Alone = true
	if c.Projection = checkpoint.Rows(src, "text_projection.weight"); c.Projection > 0 && c.Projection != h.Projection {
		return TextConfig{}, nil, fmt.Errorf("config.json: projection_dim is %d, text_projection.weight has %d rows", h.Projection, c.Projection)
	}
	rules := append(textNames("", ""), weights.Rule{From: "text_projection.*", To: "projection.*"})
	return c, weights.Rename(src, rules), nil
}

// dualConfig is config.json of CLIPConfig and SiglipConfig. The dicts are of
// files of 2022, and override the others.
type dualConfig struct {
	ModelType  string          `json:"model_type"`
	TextConfig json.RawMessage `json:"text_config"`
	TextDict   json.RawMessage `json:"text_config_dict"`
	Vision     json.RawMessage `json:"vision_config"`
	VisionDict json.RawMessage `json:"vision_config_dict"`
	Projection int             `json:"projection_dim"`
}

func parse(config []byte, h *dualConfig) error {
	if config == nil {
		return fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
	}
	h.Projection = 512
	if err := json.Unmarshal(config, h); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	return nil
}

// tower is the part of both nested configurations that is alike.
type tower struct {
	Width      int             `json:"hidden_size"`
	MLP        int             `json:"intermediate_size"`
	Depth      int             `json:"num_hidden_layers"`
	Heads      int             `json:"num_attention_heads"`
	Act        string          `json:"hidden_act"`
	Eps        float64         `json:"layer_norm_eps"`
	Vocab      int             `json:"vocab_size"`
	Length     int             `json:"max_position_embeddings"`
	End        int             `json:"eos_token_id"`
	Projection int             `json:"projection_size"`
	Image      checkpoint.Pair `json:"image_size"`
	Patch      checkpoint.Pair `json:"patch_size"`
	Channels   int             `json:"num_channels"`
	Head       *bool           `json:"vision_use_head"`
}

// read takes the keys of a nested configuration, or of the dict that overrides it.
func (t *tower) read(name string, nested, dict json.RawMessage) error {
	if len(dict) > 0 && string(dict) != "null" {
		nested = dict
	}
	if len(nested) == 0 {
		return nil
	}
	if err := json.Unmarshal(nested, t); err != nil {
		return fmt.Errorf("config.json: %s: %w", name, err)
	}
	return nil
}

func (t *tower) block(name string) (transformer.Config, error) {
	act, err := ops.ActivationByName(t.Act)
	if err != nil {
		return transformer.Config{}, fmt.Errorf("config.json: %s: hidden_act: %w", name, err)
	}
	return transformer.Config{Width: t.Width, Heads: t.Heads, MLP: t.MLP, Act: act, Eps: t.Eps, QKVBias: true}, nil
}

// text reads text_config; what it leaves out has the library's defaults.
func (h *dualConfig) text(siglip bool) (TextConfig, error) {
	t := tower{Width: 512, MLP: 2048, Depth: 12, Heads: 8, Act: "quick_gelu", Eps: 1e-5, Vocab: 49408, Length: 77, End: 49407}
	if siglip {
		t = tower{Width: 768, MLP: 3072, Depth: 12, Heads: 12, Act: "gelu_pytorch_tanh", Eps: 1e-6, Vocab: 32000, Length: 64, End: 49407}
	}
	if err := t.read("text_config", h.TextConfig, h.TextDict); err != nil {
		return TextConfig{}, err
	}
	block, err := t.block("text_config")
	if err != nil {
		return TextConfig{}, err
	}
	block.Causal = !siglip
	c := TextConfig{Vocab: t.Vocab, Length: t.Length, Depth: t.Depth, Block: block, End: t.End, ProjectionBias: siglip}
	if siglip {
		if c.Projection = t.Projection; c.Projection == 0 {
			c.Projection = t.Width
		}
	}
	return c, nil
}

// vision reads vision_config.
func (h *dualConfig) vision(siglip bool) (VisionConfig, error) {
	t := tower{Width: 768, MLP: 3072, Depth: 12, Heads: 12, Act: "quick_gelu", Eps: 1e-5,
		Image: checkpoint.Pair{224, 224}, Patch: checkpoint.Pair{32, 32}, Channels: 3}
	if siglip {
		t.Act, t.Eps, t.Patch = "gelu_pytorch_tanh", 1e-6, checkpoint.Pair{16, 16}
	}
	if err := t.read("vision_config", h.Vision, h.VisionDict); err != nil {
		return VisionConfig{}, err
	}
	if t.Head != nil && !*t.Head {
		return VisionConfig{}, fmt.Errorf("config.json: vision_config: vision_use_head is false; a picture tower without a head has no embedding to compare")
	}
	block, err := t.block("vision_config")
	if err != nil {
		return VisionConfig{}, err
	}
	return VisionConfig{Image: t.Image, Patch: t.Patch, Channels: t.Channels, Depth: t.Depth, Block: block, AttentionPool: siglip}, nil
}

// splitPool shows the rows of the attention pool's in_proj as the projections of
// q, k and v.
func splitPool(src weights.Source) (weights.Source, error) {
	const prefix = "vision_model.head.attention."
	var err error
	for _, kind := range []string{"weight", "bias"} {
		if src, err = checkpoint.SplitRows(src, prefix+"in_proj_"+kind, prefix+"q."+kind, prefix+"k."+kind, prefix+"v."+kind); err != nil {
			return nil, err
		}
	}
	return src, nil
}
