package blip

import "saccade/weights"

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
}, textNames("text_decoder.bert.", "decoder.")...), textNames("text_encoder.", "encoder.")...)

// textNames are those of a text encoder or decoder below a prefix.
func textNames(from, to string) []weights.Rule {
	layer, own := from+"encoder.layer.*.", to+"layers.*."
	return []weights.Rule{
		{From: from + "embeddings.word_embeddings.weight", To: to + "tokens.weight"},
		{From: from + "embeddings.position_embeddings.weight", To: to + "positions.weight"},
		{From: from + "embeddings.position_ids", To: ""},
		{From: from + "embeddings.LayerNorm.*", To: to + "norm.*"},
		{From: layer + "attention.self.query.*", To: own + "attn.qkv.*#0"},
		{From: layer + "attention.self.key.*", To: own + "attn.qkv.*#1"},
		{From: layer + "attention.self.value.*", To: own + "attn.qkv.*#2"},
		{From: layer + "attention.output.dense.*", To: own + "attn.proj.*"},
		{From: layer + "attention.output.LayerNorm.*", To: own + "norm1.*"},
		{From: layer + "crossattention.self.query.*", To: own + "cross.q.*"},
		{From: layer + "crossattention.self.key.*", To: own + "cross.kv.*#0"},
		{From: layer + "crossattention.self.value.*", To: own + "cross.kv.*#1"},
		{From: layer + "crossattention.output.dense.*", To: own + "cross.proj.*"},
		{From: layer + "crossattention.output.LayerNorm.*", To: own + "cross.norm.*"},
		{From: layer + "intermediate.dense.*", To: own + "mlp.fc1.*"},
		{From: layer + "output.dense.*", To: own + "mlp.fc2.*"},
		{From: layer + "output.LayerNorm.*", To: own + "norm2.*"},
	}
}
