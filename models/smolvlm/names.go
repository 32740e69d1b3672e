package smolvlm

import (
	"saccade/models/internal/llama"
	"saccade/weights"
)

// names bring transformers' names to this package's.
var names = append([]weights.Rule{
	{From: "model.vision_model.embeddings.position_embedding.weight", To: "vision.pos_embed"},
	{From: "model.vision_model.embeddings.position_ids", To: ""},
	{From: "model.vision_model.embeddings.patch_embedding.*", To: "vision.patch_embed.proj.*"},
	{From: "model.vision_model.encoder.layers.*.layer_norm1.*", To: "vision.blocks.*.norm1.*"},
	{From: "model.vision_model.encoder.layers.*.self_attn.q_proj.*", To: "vision.blocks.*.attn.qkv.*#0"},
	{From: "model.vision_model.encoder.layers.*.self_attn.k_proj.*", To: "vision.blocks.*.attn.qkv.*#1"},
	{From: "model.vision_model.encoder.layers.*.self_attn.v_proj.*", To: "vision.blocks.*.attn.qkv.*#2"},
	{From: "model.vision_model.encoder.layers.*.self_attn.out_proj.*", To: "vision.blocks.*.attn.proj.*"},
	{From: "model.vision_model.encoder.layers.*.layer_norm2.*", To: "vision.blocks.*.norm2.*"},
	{From: "model.vision_model.encoder.layers.*.mlp.*.*", To: "vision.blocks.*.mlp.*.*"},
	{From: "model.vision_model.post_layernorm.*", To: "vision.norm.*"},
	{From: "model.connector.modality_projection.proj.weight", To: "projector.weight"},
	{From: "lm_head.weight", To: "text.head.weight"},
}, llama.Names("model.text_model.", "text.")...)
