package vit

import "saccade/weights"

// The names of parameters in this package are timm's. These tables bring the
// other libraries' names to them.

// transformersNames are those of ViTModel and DeiTModel, below the prefix
// "vit." or "deit." in models with a head.
var transformersNames = []weights.Rule{
	{From: "embeddings.cls_token", To: "cls_token"},
	{From: "embeddings.distillation_token", To: "dist_token"},
	{From: "embeddings.position_embeddings", To: "pos_embed"},
	{From: "embeddings.patch_embeddings.projection.*", To: "patch_embed.proj.*"},
	{From: "embeddings.mask_token", To: ""}, // of masked-image pretraining
	{From: "encoder.layer.*.layernorm_before.*", To: "blocks.*.norm1.*"},
	{From: "encoder.layer.*.attention.attention.query.*", To: "blocks.*.attn.qkv.*#0"},
	{From: "encoder.layer.*.attention.attention.key.*", To: "blocks.*.attn.qkv.*#1"},
	{From: "encoder.layer.*.attention.attention.value.*", To: "blocks.*.attn.qkv.*#2"},
	{From: "encoder.layer.*.attention.output.dense.*", To: "blocks.*.attn.proj.*"},
	{From: "encoder.layer.*.layernorm_after.*", To: "blocks.*.norm2.*"},
	{From: "encoder.layer.*.intermediate.dense.*", To: "blocks.*.mlp.fc1.*"},
	{From: "encoder.layer.*.output.dense.*", To: "blocks.*.mlp.fc2.*"},
	{From: "layernorm.*", To: "norm.*"},
	{From: "pooler.dense.*", To: "pooler.*"},
	{From: "classifier.*", To: "head.*"},
	{From: "cls_classifier.*", To: "head.*"},
	{From: "distillation_classifier.*", To: "head_dist.*"},
}

// torchvisionNames are those of torchvision.models.VisionTransformer.
var torchvisionNames = []weights.Rule{
	{From: "class_token", To: "cls_token"},
	{From: "encoder.pos_embedding", To: "pos_embed"},
	{From: "conv_proj.*", To: "patch_embed.proj.*"},
	{From: "encoder.layers.encoder_layer_*.ln_1.*", To: "blocks.*.norm1.*"},
	{From: "encoder.layers.encoder_layer_*.self_attention.in_proj_weight", To: "blocks.*.attn.qkv.weight"},
	{From: "encoder.layers.encoder_layer_*.self_attention.in_proj_bias", To: "blocks.*.attn.qkv.bias"},
	{From: "encoder.layers.encoder_layer_*.self_attention.out_proj.*", To: "blocks.*.attn.proj.*"},
	{From: "encoder.layers.encoder_layer_*.ln_2.*", To: "blocks.*.norm2.*"},
	{From: "encoder.layers.encoder_layer_*.mlp.0.*", To: "blocks.*.mlp.fc1.*"},
	{From: "encoder.layers.encoder_layer_*.mlp.3.*", To: "blocks.*.mlp.fc2.*"},
	{From: "encoder.layers.encoder_layer_*.mlp.linear_1.*", To: "blocks.*.mlp.fc1.*"}, // before torchvision 0.13
	{From: "encoder.layers.encoder_layer_*.mlp.linear_2.*", To: "blocks.*.mlp.fc2.*"},
	{From: "encoder.ln.*", To: "norm.*"},
	{From: "heads.head.*", To: "head.*"},
}
