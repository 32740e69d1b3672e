package blip

import (
	"saccade/models/bert"
	"saccade/weights"
)

// names bring transformers' names to this package's.
var names = append(append([]weights.Rule{
	{From: "vision_model.embeddings.class_embedding", To: "vision.cls_token"},
	{From: "vision_model.embeddings.position_embedding", To: "vision.pos_embed"},
	{From: "vision_model.embeddings.patch_embedding.*", To: "vision.patch_embed.proj.*"},
	{From: "vision_model.encoder.layers.*.layer_norm1.*", To: "vision.blocks.*.norm1.*"},
	{From: "vision_model.encoder.layers.*.self_attn.qkv.*", To: "vision.blocks.*.attn.qkv.*"},
	{From: "vision_model.encoder.layers.*.self_attn.projection.*", To: "vision.blocks.*.attn.proj.*"},
	{From: "vision_model.encoder.layers.*.layer_norm2.*", To: "vision.blocks.*.norm2.*"},
	{From: "vision_model.encoder.layers.*.mlp.*.*", To: "vision.blocks.*.mlp.*.*"},
	{From: "vision_model.post_layernorm.*", To: "vision.norm.*"},
	{From: "text_decoder.cls.predictions.transform.dense.*", To: "head.transform.*"},
	{From: "text_decoder.cls.predictions.transform.LayerNorm.*", To: "head.norm.*"},
	{From: "text_decoder.cls.predictions.decoder.*", To: "head.decoder.*"},
	{From: "text_decoder.cls.predictions.bias", To: ""}, // head.decoder.bias is tied to it
}, bert.Names("text_decoder.bert.", "decoder.")...), bert.Names("text_encoder.", "encoder.")...)
