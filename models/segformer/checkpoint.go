package segformer

import (
	_ "embed"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the config of transformers' class with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// segformerConfig is config.json of SegformerConfig.
type segformerConfig struct {
	checkpoint.Common
	Channels int       `json:"num_channels"`
	Stages   int       `json:"num_encoder_blocks"`
	Depths   []int     `json:"depths"`
	Reduce   []int     `json:"sr_ratios"`
	Widths   []int     `json:"hidden_sizes"`
	Patches  []int     `json:"patch_sizes"`
	Strides  []int     `json:"strides"`
	Heads    []int     `json:"num_attention_heads"`
	Ratios   []float64 `json:"mlp_ratios"`
	Act      string    `json:"hidden_act"`
	Width    int       `json:"decoder_hidden_size"`
	Reshape  bool      `json:"reshape_last_stage"`
}

// inert change nothing of an inference: dropout, how weights begin, the loss, and an eps
// that the class does not look at.
var inert = append([]string{
	"problem_type", "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob", "initializer_range", "drop_path_rate", "layer_norm_eps", "semantic_loss_ignore_index",
}, checkpoint.CommonInert...)

// names are those of SegformerForSemanticSegmentation.
var names = []weights.Rule{
	{From: "segformer.encoder.patch_embeddings.*.proj.*", To: "stages.*.embed.*"},
	{From: "segformer.encoder.patch_embeddings.*.layer_norm.*", To: "stages.*.embed_norm.*"},
	{From: "segformer.encoder.block.*.*.layer_norm_1.*", To: "stages.*.blocks.*.norm1.*"},
	{From: "segformer.encoder.block.*.*.attention.self.query.*", To: "stages.*.blocks.*.q.*"},
	{From: "segformer.encoder.block.*.*.attention.self.key.*", To: "stages.*.blocks.*.kv.*#0"},
	{From: "segformer.encoder.block.*.*.attention.self.value.*", To: "stages.*.blocks.*.kv.*#1"},
	{From: "segformer.encoder.block.*.*.attention.self.sr.*", To: "stages.*.blocks.*.reduce.*"},
	{From: "segformer.encoder.block.*.*.attention.self.layer_norm.*", To: "stages.*.blocks.*.reduce_norm.*"},
	{From: "segformer.encoder.block.*.*.attention.output.dense.*", To: "stages.*.blocks.*.proj.*"},
	{From: "segformer.encoder.block.*.*.layer_norm_2.*", To: "stages.*.blocks.*.norm2.*"},
	{From: "segformer.encoder.block.*.*.mlp.dense1.*", To: "stages.*.blocks.*.fc1.*"},
	{From: "segformer.encoder.block.*.*.mlp.dwconv.dwconv.*", To: "stages.*.blocks.*.conv.*"},
	{From: "segformer.encoder.block.*.*.mlp.dense2.*", To: "stages.*.blocks.*.fc2.*"},
	{From: "segformer.encoder.layer_norm.*.*", To: "stages.*.norm.*"},
	{From: "decode_head.linear_c.*.proj.*", To: "projections.*.*"},
	{From: "decode_head.linear_fuse.*", To: "fuse.*"},
	{From: "decode_head.batch_norm.num_batches_tracked", To: ""},
	{From: "decode_head.batch_norm.*", To: "fuse.norm.*"},
	{From: "decode_head.classifier.*", To: "head.*"},
}

// Describe reads a checkpoint of transformers' SegformerForSemanticSegmentation.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h segformerConfig
	if err := signatures.Decode("config.json", "SegformerConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	for name, n := range map[string]int{"depths": len(h.Depths), "sr_ratios": len(h.Reduce), "hidden_sizes": len(h.Widths), "patch_sizes": len(h.Patches),
		"strides": len(h.Strides), "num_attention_heads": len(h.Heads), "mlp_ratios": len(h.Ratios)} {
		if n < h.Stages || h.Stages < 1 {
			return Config{}, nil, fmt.Errorf("config.json: %s has %d entries and num_encoder_blocks is %d; expected one for each", name, n, h.Stages)
		}
	}
	if !h.Reshape {
		return Config{}, nil, fmt.Errorf("config.json: reshape_last_stage is false, which is of classifiers and not supported")
	}
	src = weights.Rename(src, names)
	c := Config{Channels: h.Channels, Width: h.Width, Act: act, Classes: checkpoint.Rows(src, "head.weight")}
	for i := range h.Stages {
		c.Stages = append(c.Stages, StageConfig{Depth: h.Depths[i], Width: h.Widths[i], Heads: h.Heads[i], Inner: int(float64(h.Widths[i]) * h.Ratios[i]),
			Patch: h.Patches[i], Stride: h.Strides[i], Reduce: h.Reduce[i]})
	}
	if c.Labels, err = checkpoint.Labels(h.Labels, c.Classes); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	return c, src, nil
}

// Standard is an architecture as published, with ADE20K's 150 classes.
func Standard(name string) (Config, bool) {
	depths, ok := map[string][4]int{"segformer_b0": {2, 2, 2, 2}, "segformer_b1": {2, 2, 2, 2}, "segformer_b2": {3, 4, 6, 3}, "segformer_b3": {3, 4, 18, 3},
		"segformer_b4": {3, 8, 27, 3}, "segformer_b5": {3, 6, 40, 3}}[name]
	widths, width := [4]int{64, 128, 320, 512}, 768
	if name == "segformer_b0" || name == "segformer_b1" {
		width = 256
	}
	if name == "segformer_b0" {
		widths = [4]int{32, 64, 160, 256}
	}
	c := Config{Channels: 3, Width: width, Classes: 150, Act: ops.GELU}
	for i, w := range widths {
		c.Stages = append(c.Stages, StageConfig{Depth: depths[i], Width: w, Heads: [4]int{1, 2, 5, 8}[i], Inner: 4 * w, Patch: [4]int{7, 3, 3, 3}[i], Stride: [4]int{4, 2, 2, 2}[i], Reduce: 8 >> i})
	}
	return c, ok
}
