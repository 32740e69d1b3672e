package ast

import (
	_ "embed"
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' class and of its feature
// extractor with their defaults; golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// astConfig is config.json of ASTConfig.
type astConfig struct {
	checkpoint.Common
	HiddenSize int             `json:"hidden_size"`
	Layers     int             `json:"num_hidden_layers"`
	Heads      int             `json:"num_attention_heads"`
	MLP        int             `json:"intermediate_size"`
	Act        string          `json:"hidden_act"`
	Eps        float64         `json:"layer_norm_eps"`
	Patch      checkpoint.Pair `json:"patch_size"`
	QKVBias    bool            `json:"qkv_bias"`
	Bins       int             `json:"num_mel_bins"`
	Frames     int             `json:"max_length"`
	Across     int             `json:"frequency_stride"`
	Along      int             `json:"time_stride"`
}

// inert change nothing of an inference: dropout, and how weights begin.
var inert = append([]string{"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"}, checkpoint.CommonInert...)

// encoderNames are those of ASTModel.
var encoderNames = []weights.Rule{
	{From: "embeddings.cls_token", To: "cls_token"},
	{From: "embeddings.distillation_token", To: "dist_token"},
	{From: "embeddings.position_embeddings", To: "pos_embed"},
	{From: "embeddings.patch_embeddings.projection.*", To: "patch_embed.proj.*"},
	{From: "encoder.layer.*.layernorm_before.*", To: "blocks.*.norm1.*"},
	{From: "encoder.layer.*.attention.attention.query.*", To: "blocks.*.attn.qkv.*#0"},
	{From: "encoder.layer.*.attention.attention.key.*", To: "blocks.*.attn.qkv.*#1"},
	{From: "encoder.layer.*.attention.attention.value.*", To: "blocks.*.attn.qkv.*#2"},
	{From: "encoder.layer.*.attention.output.dense.*", To: "blocks.*.attn.proj.*"},
	{From: "encoder.layer.*.layernorm_after.*", To: "blocks.*.norm2.*"},
	{From: "encoder.layer.*.intermediate.dense.*", To: "blocks.*.mlp.fc1.*"},
	{From: "encoder.layer.*.output.dense.*", To: "blocks.*.mlp.fc2.*"},
	{From: "layernorm.*", To: "norm.*"},
}

// names are those of ASTForAudioClassification, and of ASTModel alone.
var names = func() []weights.Rule {
	rules := []weights.Rule{{From: "classifier.layernorm.*", To: "head_norm.*"}, {From: "classifier.dense.*", To: "head.*"}}
	for _, r := range encoderNames {
		rules = append(rules, weights.Rule{From: "audio_spectrogram_transformer." + r.From, To: r.To})
	}
	return slices.Concat(rules, encoderNames)
}()

// Describe reads a checkpoint of transformers' ASTForAudioClassification or ASTModel.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h astConfig
	if err := signatures.Decode("config.json", "ASTConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	if h.Patch[0] != h.Patch[1] {
		return Config{}, nil, fmt.Errorf("config.json: patch_size is %v; the class takes square patches", h.Patch)
	}
	src = weights.Rename(src, names)
	c := Config{Frames: h.Frames, Bins: h.Bins, Patch: h.Patch[0], Stride: [2]int{h.Across, h.Along}, Depth: h.Layers,
		Block:   transformer.Config{Width: h.HiddenSize, Heads: h.Heads, MLP: h.MLP, Act: act, Eps: h.Eps, QKVBias: h.QKVBias},
		Classes: checkpoint.Rows(src, "head.weight")}
	if c.Labels, c.Scores, err = h.Head(c.Classes); err != nil {
		return Config{}, nil, err
	}
	return c, src, nil
}
