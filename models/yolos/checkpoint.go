package yolos

import (
	_ "embed"
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' class with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// yolosConfig is config.json of YolosConfig.
type yolosConfig struct {
	checkpoint.Common
	transformer.ViT
	Image    checkpoint.Pair `json:"image_size"`
	Channels int             `json:"num_channels"`
	Queries  int             `json:"num_detection_tokens"`
	Mid      bool            `json:"use_mid_position_embeddings"`
}

// inert change nothing of an inference: dropout, how weights begin, and the loss.
var inert = append([]string{
	"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "auxiliary_loss", "class_cost", "bbox_cost", "giou_cost",
	"bbox_loss_coefficient", "giou_loss_coefficient", "eos_coefficient", "problem_type",
}, checkpoint.CommonInert...)

// names are those of YolosForObjectDetection.
var names = slices.Concat([]weights.Rule{
	{From: "vit.embeddings.detection_tokens", To: "detection_tokens"},
	{From: "vit.encoder.mid_position_embeddings", To: "mid_pos_embed"},
	{From: "vit.encoder.interpolation.mid_position_embeddings", To: "mid_pos_embed"}, // in memory
	{From: "class_labels_classifier.layers.*.*", To: "class_head.layers.*.*"},
	{From: "bbox_predictor.layers.*.*", To: "box_head.layers.*.*"},
}, transformer.Behind("vit.", transformer.ViTNames))

// Describe reads a checkpoint of transformers' YolosForObjectDetection.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h yolosConfig
	if err := signatures.Decode("config.json", "YolosConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	patch, block, err := h.Blocks()
	if err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, names)
	c := Config{Image: h.Image, Patch: patch, Channels: h.Channels, Depth: h.Layers, Queries: h.Queries, Mid: h.Mid,
		Block:   block,
		Classes: checkpoint.Rows(src, "class_head.layers.2.weight") - 1}
	if c.Labels, err = checkpoint.Labels(h.Labels, max(c.Classes, 0)); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	return c, src, nil
}

// Standard is an architecture as published, with COCO's 91 classes.
func Standard(name string) (Config, bool) {
	c := Config{Image: [2]int{512, 864}, Patch: 16, Channels: 3, Depth: 12, Queries: 100, Classes: 91}
	c.Block = transformer.Config{Width: 192, Heads: 3, MLP: 768, Act: ops.GELU, Eps: 1e-12, QKVBias: true}
	switch name {
	case "yolos_tiny":
	case "yolos_small":
		c.Block.Width, c.Block.Heads, c.Block.MLP, c.Mid = 384, 6, 1536, true
	default:
		return Config{}, false
	}
	return c, true
}
