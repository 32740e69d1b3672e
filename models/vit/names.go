package vit

import (
	"slices"

	"saccade/models/internal/transformer"
	"saccade/weights"
)

// The names of parameters in this package are timm's. These tables bring the
// other libraries' names to them.

// transformersPrefixes stand before the names in models with a head.
var transformersPrefixes = []string{"vit", "deit", "dinov2", "dinov2_with_registers"}

// transformersNames are those of ViTModel, DeiTModel, Dinov2Model and
// Dinov2WithRegistersModel. DINOv2's perceptron stands first: what is missing is told by the first name.
var transformersNames = slices.Concat([]weights.Rule{
	{From: "encoder.layer.*.mlp.fc1.*", To: "blocks.*.mlp.fc1.*"},
	{From: "encoder.layer.*.mlp.fc2.*", To: "blocks.*.mlp.fc2.*"},
	{From: "encoder.layer.*.mlp.weights_in.*", To: "blocks.*.mlp.fc1.*"},
	{From: "encoder.layer.*.mlp.weights_out.*", To: "blocks.*.mlp.fc2.*"},
}, transformer.ViTNames, []weights.Rule{
	{From: "encoder.layer.*.norm1.*", To: "blocks.*.norm1.*"}, // DINOv2's
	{From: "encoder.layer.*.norm2.*", To: "blocks.*.norm2.*"},
	{From: "embeddings.register_tokens", To: "reg_token"},
	{From: "embeddings.prompt_embeddings", To: "prompts"},
	{From: "embeddings.mask_token", To: ""}, // of masked-image pretraining
	{From: "pooler.dense.*", To: "pooler.*"},
	{From: "classifier.*", To: "head.*"},
	{From: "cls_classifier.*", To: "head.*"},
	{From: "distillation_classifier.*", To: "head_dist.*"},
})

// transformersScales are DINOv2's layer scales and the layers that they scale.
var transformersScales = []weights.Rule{
	{From: "**.layer_scale1.lambda1", To: "**.attention.output.dense.weight"},
	{From: "**.layer_scale1.lambda1", To: "**.attention.output.dense.bias"},
	{From: "**.layer_scale2.lambda1", To: "**.mlp.fc2.weight"},
	{From: "**.layer_scale2.lambda1", To: "**.mlp.fc2.bias"},
	{From: "**.layer_scale2.lambda1", To: "**.mlp.weights_out.weight"},
	{From: "**.layer_scale2.lambda1", To: "**.mlp.weights_out.bias"},
}

// timmNames are those of timm, and of DINOv2 in its authors' files, where they are
// not this package's.
var timmNames = []weights.Rule{
	{From: "register_tokens", To: "reg_token"},
	{From: "prompt_embeddings", To: "prompts"},
	{From: "mask_token", To: ""},
	{From: "pre_logits.**", To: ""}, // of ViTs of 2021, which timm passes over
	{From: "attn_pool.latent", To: "attn_pool.probe"},
	{From: "attn_pool.q.*", To: "attn_pool.attn.q.*"},
	{From: "attn_pool.proj.*", To: "attn_pool.attn.proj.*"},
	{From: "blocks.*.mlp.w12.*", To: "blocks.*.mlp.fc1.*"},
	{From: "blocks.*.mlp.w3.*", To: "blocks.*.mlp.fc2.*"},
}

// timmScales are the layer scales of timm and of DINOv2's authors.
var timmScales = []weights.Rule{
	{From: "blocks.*.ls1.gamma", To: "blocks.*.attn.proj.weight"},
	{From: "blocks.*.ls1.gamma", To: "blocks.*.attn.proj.bias"},
	{From: "blocks.*.ls2.gamma", To: "blocks.*.mlp.fc2.weight"},
	{From: "blocks.*.ls2.gamma", To: "blocks.*.mlp.fc2.bias"},
	{From: "blocks.*.ls2.gamma", To: "blocks.*.mlp.w3.weight"},
	{From: "blocks.*.ls2.gamma", To: "blocks.*.mlp.w3.bias"},
}

// torchvisionNames are those of torchvision.models.VisionTransformer.
var torchvisionNames = []weights.Rule{
	{From: "class_token", To: "cls_token"},
	{From: "prompt_embeddings", To: "prompts"},
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
