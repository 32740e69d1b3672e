package transformer

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// ViT are the keys that the configs of transformers' vision transformers have in common.
type ViT struct {
	HiddenSize int             `json:"hidden_size"`
	Layers     int             `json:"num_hidden_layers"`
	Heads      int             `json:"num_attention_heads"`
	MLP        int             `json:"intermediate_size"`
	Act        string          `json:"hidden_act"`
	Eps        float64         `json:"layer_norm_eps"`
	Patch      checkpoint.Pair `json:"patch_size"`
	QKVBias    bool            `json:"qkv_bias"`
}

// Blocks is the side of a patch and what the blocks depend on, of classes that take square
// patches.
func (v ViT) Blocks() (patch int, c Config, err error) {
	act, err := ops.ActivationByName(v.Act)
	if err != nil {
		return 0, Config{}, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	if v.Patch[0] != v.Patch[1] {
		return 0, Config{}, fmt.Errorf("config.json: patch_size is %v; the class takes square patches", v.Patch)
	}
	return v.Patch[0], Config{Width: v.HiddenSize, Heads: v.Heads, MLP: v.MLP, Act: act, Eps: v.Eps, QKVBias: v.QKVBias}, nil
}

// ViTNames are the names of the blocks, the norm behind them and what patches become tokens by
// in those classes.
var ViTNames = []weights.Rule{
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

// Behind are rules for names behind a prefix.
func Behind(prefix string, rules []weights.Rule) []weights.Rule {
	out := make([]weights.Rule, len(rules))
	for i, r := range rules {
		out[i] = weights.Rule{From: prefix + r.From, To: r.To}
	}
	return out
}
