package sam

import (
	"fmt"

	"saccade/weights"
)

// maxDepth bounds the layers of the head of scores.
const maxDepth = 16

// transformersNames bring SamModel's names to this package's; the head of scores has so many
// layers.
func transformersNames(scoreDepth int) []weights.Rule {
	rules := []weights.Rule{
		{From: sharedMatrix, To: "prompt.fourier"}, {From: promptMatrix, To: ""},
		{From: "prompt_encoder.mask_embed.**", To: ""},
		{From: "vision_encoder.patch_embed.projection.*", To: "vision.patch.*"},
		{From: "vision_encoder.layers.*.layer_norm1.*", To: "vision.blocks.*.norm1.*"},
		{From: "vision_encoder.layers.*.layer_norm2.*", To: "vision.blocks.*.norm2.*"},
		{From: "vision_encoder.layers.*.mlp.lin1.*", To: "vision.blocks.*.mlp.fc1.*"},
		{From: "vision_encoder.layers.*.mlp.lin2.*", To: "vision.blocks.*.mlp.fc2.*"},
		{From: "vision_encoder.layers.*.**", To: "vision.blocks.*.**"},
		{From: "vision_encoder.neck.layer_norm1.*", To: "vision.neck.norm1.*"},
		{From: "vision_encoder.neck.layer_norm2.*", To: "vision.neck.norm2.*"},
		{From: "vision_encoder.**", To: "vision.**"},
		{From: "mask_decoder.upscale_conv1.*", To: "decoder.up1.*"}, {From: "mask_decoder.upscale_conv2.*", To: "decoder.up2.*"},
		{From: "mask_decoder.upscale_layer_norm.*", To: "decoder.up_norm.*"},
		{From: "mask_decoder.transformer.layer_norm_final_attn.*", To: "decoder.norm.*"},
	}
	for i := range 4 {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("mask_decoder.transformer.layers.*.layer_norm%d.*", i+1), To: fmt.Sprintf("decoder.layers.*.norm%d.*", i+1)})
	}
	rules = append(rules, mlpNames("mask_decoder.output_hypernetworks_mlps.*.", "decoder.hyper.*.layers.", hyperDepth)...)
	rules = append(rules, mlpNames("mask_decoder.iou_prediction_head.", "decoder.score.layers.", scoreDepth)...)
	return append(append(rules, kindNames("prompt_encoder.point_embed.")...), decoderNames...)
}

// mlpNames are those of a SamFeedForward of so many layers.
func mlpNames(from, to string, depth int) []weights.Rule {
	depth = min(depth, maxDepth) // more are refused
	rules := []weights.Rule{{From: from + "proj_in.*", To: to + "0.*"}, {From: from + "proj_out.*", To: fmt.Sprintf("%s%d.*", to, depth-1)}}
	for i := range depth - 2 {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("%slayers.%d.*", from, i), To: fmt.Sprintf("%s%d.*", to, i+1)})
	}
	return rules
}

// kindNames are those of the embeddings of kinds of points, the first four below a prefix.
func kindNames(from string) (rules []weights.Rule) {
	for i := range noPoint {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("%s%d.weight", from, i), To: fmt.Sprintf("prompt.kinds.weight#%d", i)})
	}
	return append(rules,
		weights.Rule{From: "prompt_encoder.not_a_point_embed.weight", To: fmt.Sprintf("prompt.kinds.weight#%d", noPoint)},
		weights.Rule{From: paddingName, To: fmt.Sprintf("prompt.kinds.weight#%d", padding)},
		weights.Rule{From: "prompt_encoder.no_mask_embed.weight", To: "prompt.no_mask"})
}

// decoderNames are those of the mask decoder that transformers and the authors have alike.
var decoderNames = append([]weights.Rule{
	{From: "mask_decoder.iou_token.weight", To: "decoder.iou_token"}, {From: "mask_decoder.mask_tokens.weight", To: "decoder.mask_tokens"},
	{From: "mask_decoder.transformer.layers.*.mlp.lin1.*", To: "decoder.layers.*.mlp.fc1.*"},
	{From: "mask_decoder.transformer.layers.*.mlp.lin2.*", To: "decoder.layers.*.mlp.fc2.*"},
}, attentionNames()...)

func attentionNames() (rules []weights.Rule) {
	for from, to := range map[string]string{
		"layers.*.self_attn": "layers.*.self", "layers.*.cross_attn_token_to_image": "layers.*.to_image", "layers.*.cross_attn_image_to_token": "layers.*.to_tokens",
		"final_attn_token_to_image": "final",
	} {
		for _, p := range []string{"q", "k", "v"} {
			rules = append(rules, weights.Rule{From: "mask_decoder.transformer." + from + "." + p + "_proj.*", To: "decoder." + to + "." + p + ".*"})
		}
		rules = append(rules, weights.Rule{From: "mask_decoder.transformer." + from + ".out_proj.*", To: "decoder." + to + ".proj.*"})
	}
	return rules
}

// authorsPrompts are the authors' names of the prompt encoder and the mask decoder.
var authorsPrompts = append(append([]weights.Rule{
	{From: "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", To: "prompt.fourier"},
	{From: "prompt_encoder.mask_downscaling.**", To: ""},
	{From: "mask_decoder.output_upscaling.0.*", To: "decoder.up1.*"}, {From: "mask_decoder.output_upscaling.1.*", To: "decoder.up_norm.*"},
	{From: "mask_decoder.output_upscaling.3.*", To: "decoder.up2.*"},
	{From: "mask_decoder.output_hypernetworks_mlps.*.layers.*.*", To: "decoder.hyper.*.layers.*.*"},
	{From: "mask_decoder.iou_prediction_head.layers.*.*", To: "decoder.score.layers.*.*"},
	{From: "mask_decoder.transformer.norm_final_attn.*", To: "decoder.norm.*"},
	{From: "mask_decoder.transformer.layers.*.norm*.*", To: "decoder.layers.*.norm*.*"},
}, kindNames("prompt_encoder.point_embeddings.")...), decoderNames...)

// authorsNames are those of the authors' files.
var authorsNames = append([]weights.Rule{
	{From: "pixel_mean", To: ""}, {From: "pixel_std", To: ""}, // buffers of the preprocessing
	{From: "image_encoder.patch_embed.proj.*", To: "vision.patch.*"},
	{From: "image_encoder.blocks.*.mlp.lin1.*", To: "vision.blocks.*.mlp.fc1.*"},
	{From: "image_encoder.blocks.*.mlp.lin2.*", To: "vision.blocks.*.mlp.fc2.*"},
	{From: "image_encoder.neck.0.*", To: "vision.neck.conv1.*"}, {From: "image_encoder.neck.1.*", To: "vision.neck.norm1.*"},
	{From: "image_encoder.neck.2.*", To: "vision.neck.conv2.*"}, {From: "image_encoder.neck.3.*", To: "vision.neck.norm2.*"},
	{From: "image_encoder.**", To: "vision.**"},
}, authorsPrompts...)
