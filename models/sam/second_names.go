package sam

import (
	"fmt"
	"slices"

	"saccade/weights"
)

// memory are the tensors of what SAM 2 remembers of the pictures of a video, in the names of
// transformers and of the authors: a still picture has no use for them.
var memory = func() (rules []weights.Rule) {
	for _, name := range []string{
		"memory_attention.**", "memory_encoder.**", "mask_downsample.*", "memory_temporal_positional_encoding", "no_memory_positional_encoding", "no_object_pointer",
		"object_pointer_proj.**", "occlusion_spatial_embedding_parameter", "temporal_positional_encoding_projection_layer.*",
		"maskmem_tpos_enc", "no_mem_pos_enc", "no_obj_ptr", "no_obj_embed_spatial", "obj_ptr_proj.**", "obj_ptr_tpos_proj.*",
	} {
		rules = append(rules, weights.Rule{From: name, To: ""})
	}
	return rules
}()

// hieraNames are those of a Hiera's blocks below a prefix, whose norms and perceptrons
// are called so.
func hieraNames(from, norm, fc1, fc2 string) []weights.Rule {
	block, to := from+"blocks.*.", "second.hiera.blocks.*."
	return []weights.Rule{
		{From: from + "pos_embed", To: "second.hiera.positions"}, {From: from + "pos_embed_window", To: "second.hiera.window_positions"},
		{From: block + norm + "1.*", To: to + "norm1.*"}, {From: block + norm + "2.*", To: to + "norm2.*"},
		{From: block + "attn.qkv.*", To: to + "qkv.*"}, {From: block + "attn.q.*", To: to + "q.*"}, // see splitPooled
		{From: block + "attn.k.*", To: to + "kv.*#0"}, {From: block + "attn.v.*", To: to + "kv.*#1"},
		{From: block + "attn.proj.*", To: to + "proj.*"}, {From: block + "proj.*", To: to + "skip.*"},
		{From: block + fc1 + ".*", To: to + "fc1.*"}, {From: block + fc2 + ".*", To: to + "fc2.*"},
	}
}

// secondOwn are those that transformers and the authors have alike.
var secondOwn = []weights.Rule{
	{From: "mask_decoder.conv_s0.*", To: "second.fpn.conv_s0.*"}, {From: "mask_decoder.conv_s1.*", To: "second.fpn.conv_s1.*"},
	{From: "mask_decoder.obj_score_token.weight", To: "decoder.obj_score_token"},
}

// secondNames bring Sam2Model's names to this package's, before those that it has like
// SamModel.
var secondNames = func() []weights.Rule {
	rules := slices.Concat(memory, hieraNames("vision_encoder.backbone.", "layer_norm", "mlp.proj_in", "mlp.proj_out"), secondOwn,
		mlpNames("mask_decoder.pred_obj_score_head.", "decoder.object.layers.", hyperDepth), []weights.Rule{
			{From: pointTable, To: ""}, // see splitPoints
			{From: "vision_encoder.backbone.patch_embed.projection.*", To: "second.hiera.patch.*"},
			{From: "vision_encoder.neck.convs.*.*", To: "second.fpn.convs.*.*"},
			{From: "no_memory_embedding", To: "second.fpn.no_memory"},
			{From: "mask_decoder.transformer.layers.*.mlp.proj_in.*", To: "decoder.layers.*.mlp.fc1.*"},
			{From: "mask_decoder.transformer.layers.*.mlp.proj_out.*", To: "decoder.layers.*.mlp.fc2.*"},
			{From: "mask_decoder.transformer.final_attn_token_to_image.o_proj.*", To: "decoder.final.proj.*"},
		})
	for from, to := range map[string]string{"self_attn": "self", "cross_attn_token_to_image": "to_image", "cross_attn_image_to_token": "to_tokens"} {
		rules = append(rules, weights.Rule{From: "mask_decoder.transformer.layers.*." + from + ".o_proj.*", To: "decoder.layers.*." + to + ".proj.*"})
	}
	return rules
}()

// secondAuthorsNames are those of the authors' files, without the prefix sam_ of two parts.
var secondAuthorsNames = slices.Concat(memory, hieraNames("image_encoder.trunk.", "norm", "mlp.layers.0", "mlp.layers.1"), secondOwn, []weights.Rule{
	{From: "image_encoder.trunk.patch_embed.proj.*", To: "second.hiera.patch.*"},
	{From: "image_encoder.neck.convs.*.conv.*", To: "second.fpn.convs.*.*"},
	{From: "no_mem_embed", To: "second.fpn.no_memory"},
	{From: "mask_decoder.transformer.layers.*.mlp.layers.0.*", To: "decoder.layers.*.mlp.fc1.*"},
	{From: "mask_decoder.transformer.layers.*.mlp.layers.1.*", To: "decoder.layers.*.mlp.fc2.*"},
	{From: "mask_decoder.pred_obj_score_head.layers.*.*", To: "decoder.object.layers.*.*"},
}, authorsPrompts)

// mobileNames are those of MobileSAM's file, whose stages behind the first have so many
// heads.
func mobileNames(heads []int) []weights.Rule {
	rules := []weights.Rule{
		{From: "**.num_batches_tracked", To: ""}, {From: "**.attention_bias_idxs", To: ""},
		{From: "image_encoder.norm_head.*", To: ""}, {From: "image_encoder.head.*", To: ""}, // of classes, before there were masks
		{From: "image_encoder.neck.0.*", To: "tiny.neck.conv1.*"}, {From: "image_encoder.neck.1.*", To: "tiny.neck.norm1.*"},
		{From: "image_encoder.neck.2.*", To: "tiny.neck.conv2.*"}, {From: "image_encoder.neck.3.*", To: "tiny.neck.norm2.*"},
	}
	conv := func(from, to string) {
		rules = append(rules, weights.Rule{From: "image_encoder." + from + ".c.*", To: "tiny." + to + ".*"}, weights.Rule{From: "image_encoder." + from + ".bn.*", To: "tiny." + to + ".norm.*"})
	}
	conv("patch_embed.seq.0", "stem.0")
	conv("patch_embed.seq.2", "stem.1")
	for i := range 3 {
		conv(fmt.Sprintf("layers.0.blocks.*.conv%d", i+1), fmt.Sprintf("convs.*.conv%d", i+1))
		conv(fmt.Sprintf("layers.*.downsample.conv%d", i+1), fmt.Sprintf("stages.*.merge.conv%d", i+1))
	}
	for s, n := range heads {
		from, to := fmt.Sprintf("layers.%d.blocks.*.", s+1), fmt.Sprintf("stages.%d.blocks.*.", s)
		conv(from+"local_conv", to+"local_conv")
		for theirs, ours := range map[string]string{"attn.norm.*": "norm1.*", "attn.proj.*": "proj.*", "attn.attention_biases": "biases", "mlp.norm.*": "norm2.*", "mlp.fc1.*": "fc1.*", "mlp.fc2.*": "fc2.*"} {
			rules = append(rules, weights.Rule{From: "image_encoder." + from + theirs, To: "tiny." + to + ours})
		}
		for h := range n {
			for j, part := range []string{"q", "k", "v"} { // see splitHeads
				rules = append(rules, weights.Rule{From: fmt.Sprintf("image_encoder.%sattn.head%d.%s.*", from, h, part), To: fmt.Sprintf("tiny.%sqkv.*#%d", to, j*n+h)})
			}
		}
	}
	return append(rules, authorsPrompts...)
}
