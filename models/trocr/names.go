package trocr

import (
	"saccade/models/vit"
	"saccade/weights"
)

// names bring transformers' names to this package's.
var names = append(vit.EncoderNames("encoder.", "encoder."), []weights.Rule{
	{From: decoder + "embed_tokens.weight", To: "tokens.weight"},
	{From: decoder + "embed_positions.weight", To: "positions.weight"},
	{From: decoder + "embed_positions._float_tensor", To: ""}, // version 4 keeps a dtype by it
	{From: decoder + "layernorm_embedding.*", To: "norm.*"},
	{From: decoder + "layers.*.self_attn.q_proj.*", To: "layers.*.attn.qkv.*#0"},
	{From: decoder + "layers.*.self_attn.k_proj.*", To: "layers.*.attn.qkv.*#1"},
	{From: decoder + "layers.*.self_attn.v_proj.*", To: "layers.*.attn.qkv.*#2"},
	{From: decoder + "layers.*.self_attn.out_proj.*", To: "layers.*.attn.proj.*"},
	{From: decoder + "layers.*.self_attn_layer_norm.*", To: "layers.*.norm1.*"},
	{From: decoder + "layers.*.encoder_attn.q_proj.*", To: "layers.*.cross.q.*"},
	{From: decoder + "layers.*.encoder_attn.k_proj.*", To: "layers.*.cross.kv.*#0"},
	{From: decoder + "layers.*.encoder_attn.v_proj.*", To: "layers.*.cross.kv.*#1"},
	{From: decoder + "layers.*.encoder_attn.out_proj.*", To: "layers.*.cross.proj.*"},
	{From: decoder + "layers.*.encoder_attn_layer_norm.*", To: "layers.*.cross.norm.*"},
	{From: decoder + "layers.*.fc1.*", To: "layers.*.mlp.fc1.*"},
	{From: decoder + "layers.*.fc2.*", To: "layers.*.mlp.fc2.*"},
	{From: decoder + "layers.*.final_layer_norm.*", To: "layers.*.norm2.*"},
	{From: head, To: "head.weight"},
}...)

const (
	decoder = "decoder.model.decoder."
	tokens  = decoder + "embed_tokens.weight"
	head    = "decoder.output_projection.weight"
)
