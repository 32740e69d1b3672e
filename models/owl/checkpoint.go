package owl

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"saccade/models/clip"
	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert change nothing of an inference. Texts are pooled at their greatest token, whatever
// the ids of special ones are.
var inert = append([]string{
	"id2label", "problem_type", "attention_dropout", "initializer_range", "initializer_factor", "logit_scale_init_value", "pad_token_id", "bos_token_id", "eos_token_id",
}, checkpoint.CommonInert...)

// owlConfig is config.json of OwlViTConfig and Owlv2Config.
type owlConfig struct {
	Text       json.RawMessage `json:"text_config"`
	Vision     json.RawMessage `json:"vision_config"`
	Projection int             `json:"projection_dim"`
}

// tower is a part of it.
type tower struct {
	Width    int             `json:"hidden_size"`
	MLP      int             `json:"intermediate_size"`
	Depth    int             `json:"num_hidden_layers"`
	Heads    int             `json:"num_attention_heads"`
	Act      string          `json:"hidden_act"`
	Eps      float64         `json:"layer_norm_eps"`
	Vocab    int             `json:"vocab_size"`
	Length   int             `json:"max_position_embeddings"`
	Image    checkpoint.Pair `json:"image_size"`
	Patch    checkpoint.Pair `json:"patch_size"`
	Channels int             `json:"num_channels"`
}

func readTower(name, class string, nested json.RawMessage) (t tower, block transformer.Config, err error) {
	if len(nested) == 0 || string(nested) == "null" {
		nested = json.RawMessage("{}")
	}
	if err = signatures.Decode("config.json: "+name, class, nested, &t, inert...); err != nil {
		return t, block, err
	}
	act, err := ops.ActivationByName(t.Act)
	if err != nil {
		return t, block, fmt.Errorf("config.json: %s: hidden_act: %w", name, err)
	}
	return t, transformer.Config{Width: t.Width, Heads: t.Heads, MLP: t.MLP, Act: act, Eps: t.Eps, QKVBias: true}, nil
}

// Describe reads a checkpoint of transformers' OwlViTForObjectDetection or, second, of its
// Owlv2ForObjectDetection.
func Describe(src weights.Source, config []byte, second bool) (Config, weights.Source, error) {
	class, prefix := "OwlViT", "owlvit."
	if second {
		class, prefix = "Owlv2", "owlv2."
	}
	var h owlConfig
	if err := signatures.Decode("config.json", class+"Config", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	text, textBlock, err := readTower("text_config", class+"TextConfig", h.Text)
	if err != nil {
		return Config{}, nil, err
	}
	vision, visionBlock, err := readTower("vision_config", class+"VisionConfig", h.Vision)
	if err != nil {
		return Config{}, nil, err
	}
	if vision.Image[0] != vision.Image[1] || vision.Patch[0] != vision.Patch[1] {
		return Config{}, nil, fmt.Errorf("config.json: vision_config: image_size %v and patch_size %v; the class takes squares", vision.Image, vision.Patch)
	}
	textBlock.Causal = true
	return Config{
		Vision:  clip.VisionConfig{Image: vision.Image, Patch: vision.Patch, Channels: vision.Channels, Depth: vision.Depth, Block: visionBlock},
		Text:    clip.TextConfig{Vocab: text.Vocab, Length: text.Length, Depth: text.Depth, Block: textBlock, End: clip.LegacyEnd, Projection: h.Projection},
		Objects: second,
	}, weights.Rename(src, names(prefix)), nil
}

// names are those of OwlViTForObjectDetection, whose towers' begin with a prefix. What
// only the whole pictures' and texts' cosine takes is passed over.
func names(prefix string) []weights.Rule {
	rules := []weights.Rule{
		{From: prefix + "logit_scale", To: ""},
		{From: prefix + "visual_projection.*", To: ""},
		{From: "box_bias", To: ""}, // which follows from the grid
		{From: "layer_norm.*", To: "norm.*"},
		{From: "class_head.dense0.*", To: "class_head.*"},
		{From: "class_head.logit_shift.*", To: "affine.*#0"},
		{From: "class_head.logit_scale.*", To: "affine.*#1"},
		{From: "box_head.*.*", To: "box_head.*.*"},
		{From: "objectness_head.*.*", To: "object_head.*.*"},
	}
	for _, r := range clip.Names() {
		r.From = prefix + strings.Replace(r.From, "pre_layrnorm", "pre_layernorm", 1)
		rules = append(rules, r)
	}
	return rules
}

// Standard is an architecture as published.
func Standard(name string) (Config, bool) {
	s, ok := map[string]struct{ image, patch int }{"owlvit_b_32": {768, 32}, "owlvit_b_16": {768, 16}, "owlv2_b_16": {960, 16}}[name]
	block := func(width, heads int) transformer.Config {
		return transformer.Config{Width: width, Heads: heads, MLP: 4 * width, Act: ops.QuickGELU, Eps: 1e-5, QKVBias: true}
	}
	c := Config{Objects: strings.HasPrefix(name, "owlv2"),
		Vision: clip.VisionConfig{Image: ops.Square(s.image), Patch: ops.Square(s.patch), Channels: 3, Depth: 12, Block: block(768, 12)},
		Text:   clip.TextConfig{Vocab: 49408, Length: 16, Depth: 12, Block: block(512, 8), End: clip.LegacyEnd, Projection: 512}}
	c.Text.Block.Causal = true
	return c, ok
}
