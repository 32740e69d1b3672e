package diffusion

import (
	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// Names are the rules from diffusers' names to those of this package's layers,
// which are the same but for what is joined: the projections of q, k and v of
// self-attention, under the names of diffusers and those of before 2023.
var Names = []weights.Rule{
	{From: "**.downsamplers.0.conv.*", To: "**.down.*"},
	{From: "**.upsamplers.0.conv.*", To: "**.up.*"},
	{From: "**.motion_modules.*.transformer_blocks.*.attn2.to_q.*", To: "**.motion_modules.*.transformer_blocks.*.attn2.qkv.*#0"},
	{From: "**.motion_modules.*.transformer_blocks.*.attn2.to_k.*", To: "**.motion_modules.*.transformer_blocks.*.attn2.qkv.*#1"},
	{From: "**.motion_modules.*.transformer_blocks.*.attn2.to_v.*", To: "**.motion_modules.*.transformer_blocks.*.attn2.qkv.*#2"},
	{From: "transformer_in.transformer_blocks.*.attn2.to_q.*", To: "transformer_in.transformer_blocks.*.attn2.qkv.*#0"},
	{From: "transformer_in.transformer_blocks.*.attn2.to_k.*", To: "transformer_in.transformer_blocks.*.attn2.qkv.*#1"},
	{From: "transformer_in.transformer_blocks.*.attn2.to_v.*", To: "transformer_in.transformer_blocks.*.attn2.qkv.*#2"},
	{From: "**.attn2.to_out.0.*", To: "**.attn2.to_out.*"},
	{From: "**.attn2.*.*", To: "**.attn2.*.*"},
	{From: "**.to_q.*", To: "**.qkv.*#0"},
	{From: "**.to_k.*", To: "**.qkv.*#1"},
	{From: "**.to_v.*", To: "**.qkv.*#2"},
	{From: "**.to_out.0.*", To: "**.to_out.*"},
	{From: "**.query.*", To: "**.qkv.*#0"},
	{From: "**.key.*", To: "**.qkv.*#1"},
	{From: "**.value.*", To: "**.qkv.*#2"},
	{From: "**.proj_attn.*", To: "**.to_out.*"},
}

// Renamed shows a checkpoint of diffusers under the names of this package, and
// projections that are 1×1 convolutions as the matrices that they are.
func Renamed(src weights.Source) weights.Source {
	return weights.Rename(checkpoint.Matrices(src, "proj_in", "proj_out", "query", "key", "value", "proj_attn", "to_q", "to_k", "to_v", "to_out.0"), Names)
}
