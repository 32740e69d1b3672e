package ppocr

import (
	"saccade/models/hgnet"
	"saccade/weights"
)

// conv are the names of a convolution with its batch norm.
func conv(from, to string) []weights.Rule {
	return []weights.Rule{
		{From: from + ".convolution.*", To: to + ".*"},
		{From: from + ".normalization.num_batches_tracked", To: ""},
		{From: from + ".normalization.*", To: to + ".norm.*"},
	}
}

// headConv are the names of a convolution with its batch norm in a detector's neck and head.
func headConv(from, to string) []weights.Rule {
	return []weights.Rule{
		{From: from + ".convolution.*", To: to + ".*"},
		{From: from + ".norm.num_batches_tracked", To: ""},
		{From: from + ".norm.*", To: to + ".norm.*"},
	}
}

// gates are those of squeeze and excitation in the neck.
func gates(from, to string) []weights.Rule {
	return []weights.Rule{
		{From: from + ".conv1.*", To: to + ".reduce.*"},
		{From: from + ".conv2.*", To: to + ".expand.*"},
	}
}

// backboneNames bring transformers' names to this package's. What V3's branches are folded
// of is read by [folder].
var backboneNames = func() []weights.Rule {
	encoder, layers := "model.backbone.encoder.", "model.backbone.encoder.blocks.*.layers.*."
	all := []weights.Rule{
		{From: layers + "squeeze_excitation_module.convolutions.0.*", To: "backbone.stages.*.layers.*.squeeze.reduce.*"},
		{From: layers + "squeeze_excitation_module.convolutions.2.*", To: "backbone.stages.*.layers.*.squeeze.expand.*"},
		{From: layers + "depthwise_convolution.**", To: ""},
		{From: layers + "pointwise_convolution.**", To: ""},
	}
	all = append(all, conv(encoder+"convolution", "backbone.stem.conv1")[0])
	all = append(all, conv(encoder+"convolution", "backbone.stem.conv1")[1:]...)
	for from, to := range map[string]string{"stem1": "conv1", "stem2a": "conv2a", "stem2b": "conv2b", "stem3": "conv3", "stem4": "conv4", "conv1": "conv1", "conv2": "conv2"} {
		all = append(conv(encoder+"convolution."+from, "backbone.stem."+to), all...)
	}
	all = append(all, hgnet.Names("model.backbone.", "backbone.hgnet.")...)
	block, own := encoder+"blocks.*.blocks.*.", "backbone.stages.*.layers.*."
	all = append(all, conv(block+"token_conv", own+"depthwise")...)
	all = append(all, conv(block+"channel_conv1", own+"expand")...)
	all = append(all, conv(block+"channel_conv2", own+"project")...)
	return append(all,
		weights.Rule{From: block + "token_conv.*", To: own + "depthwise.*"},
		weights.Rule{From: block + "token_squeeze_excitation.convolutions.0.*", To: own + "squeeze.reduce.*"},
		weights.Rule{From: block + "token_squeeze_excitation.convolutions.2.*", To: own + "squeeze.expand.*"},
	)
}()

var detNames = func() []weights.Rule {
	all := append([]weights.Rule{
		{From: "model.layer.*.*", To: "layer.*.*"},
		{From: "model.neck.insert_conv.*.in_conv.weight", To: "insert.*.conv.weight"},
		{From: "model.neck.input_conv.*.in_conv.weight", To: "input.*.conv.weight"},
		{From: "model.neck.input_conv.*.depthwise_convolution.*", To: "input.*.depthwise.*"},
		{From: "model.neck.input_conv.*.pointwise_convolution.weight", To: "input.*.conv.weight"},
		{From: "model.neck.input_channel_adjustment_convolution.*.*", To: "paths.adjust.*.*"},
		{From: "model.neck.input_feature_projection_convolution.*.*", To: "paths.project.*.*"},
		{From: "model.neck.path_aggregation_head_convolution.*.*", To: "paths.halve.*.*"},
		{From: "model.neck.path_aggregation_lateral_convolution.*.*", To: "paths.lateral.*.*"},
		{From: "model.neck.intraclass_blocks.*.conv_reduce_channel.*", To: "paths.blocks.*.reduce.*"},
		{From: "head.local_refinement_module.convolution_final.*", To: "refine.final.*"},
	}, backboneNames...)
	all = append(all, headConv("model.neck.intraclass_blocks.*.conv_final", "paths.blocks.*.widen")...)
	all = append(all, weights.Rule{From: "model.neck.intraclass_blocks.*.**", To: ""}) // folded
	all = append(all, headConv("head.local_refinement_module.convolution_backbone", "refine.conv")...)
	for _, head := range []string{"head.", "head.binarize_head."} {
		all = append(all, headConv(head+"conv_down", "down")...)
		all = append(all, weights.Rule{From: head + "conv_up.**", To: ""}, weights.Rule{From: head + "conv_final.*", To: "final.*"})
	}
	all = append(all, gates("model.neck.insert_conv.*.squeeze_excitation_block", "insert.*.gates")...)
	all = append(all, gates("model.neck.input_conv.*.squeeze_excitation_block", "input.*.gates")...)
	return append(all, gates("model.neck.input_conv.*.squeeze_excitation_module", "input.*.gates")...)
}()

var recNames = func() []weights.Rule {
	block := "head.encoder.svtr_block.*."
	all := append([]weights.Rule{
		{From: block + "self_attn.qkv.*", To: "blocks.*.attn.qkv.*"},
		{From: block + "self_attn.projection.*", To: "blocks.*.attn.proj.*"},
		{From: block + "layer_norm1.*", To: "blocks.*.norm1.*"},
		{From: block + "layer_norm2.*", To: "blocks.*.norm2.*"},
		{From: block + "mlp.*.*", To: "blocks.*.mlp.*.*"},
		{From: "head.encoder.norm.*", To: "norm.*"},
		{From: "head.head.*", To: "classify.*"},
		{From: "head.conv1.weight", To: "convs.0.weight"},
		{From: "head.conv2.weight", To: "convs.1.weight"},
		{From: "head.norm1.num_batches_tracked", To: ""},
		{From: "head.norm2.num_batches_tracked", To: ""},
		{From: "head.norm1.*", To: "convs.0.norm.*"},
		{From: "head.norm2.*", To: "convs.1.norm.*"},
		{From: "head.fc1.*", To: "narrow.*"},
		{From: "head.fc2.*", To: "classify.*"},
	}, backboneNames...)
	return append(all, conv("head.encoder.conv_block.*", "convs.*")...)
}()
