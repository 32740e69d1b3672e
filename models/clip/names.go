package clip

import (
	"slices"

	"saccade/weights"
)

// transformersNames bring the names of CLIPModel and SiglipModel to this
// package's. OpenCLIP's checkpoints in transformers' layout have them too.
var transformersNames = append(append(append([]weights.Rule{
	{From: "vision_model.embeddings.class_embedding", To: "vision.class_token"},
	{From: "vision_model.embeddings.patch_embedding.*", To: "vision.patch_embed.*"},
	{From: "vision_model.embeddings.position_embedding.weight", To: "vision.positions"},
	{From: "vision_model.embeddings.position_ids", To: ""},
	{From: "vision_model.pre_layrnorm.*", To: "vision.pre_norm.*"}, // the library's spelling
	{From: "vision_model.post_layernorm.*", To: "vision.post_norm.*"},
	{From: "vision_model.head.probe", To: "vision.pool.probe"},
	{From: "vision_model.head.attention.q.*", To: "vision.pool.attn.q.*"}, // of in_proj, by splitPool
	{From: "vision_model.head.attention.k.*", To: "vision.pool.attn.k.*"},
	{From: "vision_model.head.attention.v.*", To: "vision.pool.attn.v.*"},
	{From: "vision_model.head.attention.in_proj_weight", To: ""},
	{From: "vision_model.head.attention.in_proj_bias", To: ""},
	{From: "vision_model.head.attention.out_proj.*", To: "vision.pool.attn.proj.*"},
	{From: "vision_model.head.layernorm.*", To: "vision.pool.norm.*"},
	{From: "vision_model.head.mlp.*.*", To: "vision.pool.mlp.*.*"},
	{From: "visual_projection.*", To: "vision.projection.*"},
	{From: "classifier.*", To: "vision.classifier.*"},
}, textNames("text_model.", "text.")...), blockNames("vision_model.", "vision.")...), weights.Rule{From: "text_projection.*", To: "text.projection.*"})

// Names are those rules, for models that have both towers within.
func Names() []weights.Rule { return slices.Clone(transformersNames) }

// textNames are those of a text tower below a prefix.
func textNames(from, to string) []weights.Rule {
	return append([]weights.Rule{
		{From: from + "embeddings.token_embedding.weight", To: to + "tokens.weight"},
		{From: from + "embeddings.position_embedding.weight", To: to + "positions"},
		{From: from + "embeddings.position_ids", To: ""},
		{From: from + "final_layer_norm.*", To: to + "norm.*"},
		{From: from + "head.*", To: to + "projection.*"}, // SigLIP's
	}, blockNames(from, to)...)
}

// blockNames are those of the blocks of either tower.
func blockNames(from, to string) []weights.Rule {
	from, to = from+"encoder.layers.*.", to+"blocks.*."
	return []weights.Rule{
		{From: from + "layer_norm1.*", To: to + "norm1.*"},
		{From: from + "self_attn.q_proj.*", To: to + "attn.qkv.*#0"},
		{From: from + "self_attn.k_proj.*", To: to + "attn.qkv.*#1"},
		{From: from + "self_attn.v_proj.*", To: to + "attn.qkv.*#2"},
		{From: from + "self_attn.out_proj.*", To: to + "attn.proj.*"},
		{From: from + "layer_norm2.*", To: to + "norm2.*"},
		{From: from + "mlp.fc1.*", To: to + "mlp.fc1.*"},
		{From: from + "mlp.fc2.*", To: to + "mlp.fc2.*"},
	}
}
