package whisper

import "saccade/weights"

// names bring those of WhisperModel to this package's.
var names = append(append([]weights.Rule{
	{From: "encoder.embed_positions.weight", To: "encoder.positions"},
	{From: "encoder.layer_norm.*", To: "encoder.norm.*"},
	{From: "decoder.embed_tokens.weight", To: "decoder.tokens.weight"},
	{From: "decoder.embed_positions.weight", To: "decoder.positions.weight"},
	{From: "decoder.layer_norm.*", To: "decoder.norm.*"},
	{From: "proj_out.weight", To: "head.weight"},
	{From: "decoder.layers.*.encoder_attn.q_proj.*", To: "decoder.layers.*.cross.q.*"},
	{From: "decoder.layers.*.encoder_attn.k_proj.*", To: "decoder.layers.*.cross.kv.*#0"},
	{From: "decoder.layers.*.encoder_attn.v_proj.*", To: "decoder.layers.*.cross.kv.*#1"},
	{From: "decoder.layers.*.encoder_attn.out_proj.*", To: "decoder.layers.*.cross.proj.*"},
	{From: "decoder.layers.*.encoder_attn_layer_norm.*", To: "decoder.layers.*.cross.norm.*"},
}, layerNames("encoder.layers.*.", "encoder.blocks.*.")...), layerNames("decoder.layers.*.", "decoder.layers.*.")...)

// layerNames are those that layers of the encoder and of the decoder have.
func layerNames(from, to string) []weights.Rule {
	return []weights.Rule{
		{From: from + "self_attn.q_proj.*", To: to + "attn.qkv.*#0"},
		{From: from + "self_attn.k_proj.*", To: to + "attn.qkv.*#1"},
		{From: from + "self_attn.v_proj.*", To: to + "attn.qkv.*#2"},
		{From: from + "self_attn.out_proj.*", To: to + "attn.proj.*"},
		{From: from + "self_attn_layer_norm.*", To: to + "norm1.*"},
		{From: from + "fc1.*", To: to + "mlp.fc1.*"},
		{From: from + "fc2.*", To: to + "mlp.fc2.*"},
		{From: from + "final_layer_norm.*", To: to + "norm2.*"},
	}
}
