package clap

import (
	"fmt"

	"saccade/models/bert"
	"saccade/weights"
)

// stages is the most stages that names are made for; the published have four.
const stages = 8

// names are those of transformers' ClapModel. A merging stands behind the blocks of a stage.
var names = func() []weights.Rule {
	const audio = "audio_model.audio_encoder."
	block, to := audio+"layers.*.blocks.*.", "audio.swin.stages.*.blocks.*."
	rules := []weights.Rule{
		{From: "**.relative_position_index", To: ""}, {From: "**.num_batches_tracked", To: ""}, {From: "text_model.embeddings.token_type_ids", To: ""},
		{From: audio + "batch_norm.*", To: ""}, // read by norm
		{From: audio + "patch_embed.proj.*", To: "audio.swin.patch.*"}, {From: audio + "patch_embed.norm.*", To: "audio.swin.patch_norm.*"},
		{From: audio + "patch_embed.mel_conv2d.*", To: "audio.mel_conv2d.*"},
		{From: block + "layernorm_before.*", To: to + "norm1.*"}, {From: block + "layernorm_after.*", To: to + "norm2.*"},
		{From: block + "attention.output.dense.*", To: to + "proj.*"},
		{From: block + "intermediate.dense.*", To: to + "fc1.*"}, {From: block + "output.dense.*", To: to + "fc2.*"},
		{From: block + "attention.self.relative_position_bias_table", To: to + "bias.values"},
		{From: block + "attention.self.query.*", To: to + "qkv.*#0"}, {From: block + "attention.self.key.*", To: to + "qkv.*#1"}, {From: block + "attention.self.value.*", To: to + "qkv.*#2"},
		{From: audio + "norm.*", To: "audio.swin.norm.*"},
		{From: "audio_projection.*.*", To: "audio_projection.*.*"}, {From: "text_projection.*.*", To: "text_projection.*.*"},
		{From: "text_model.pooler.dense.*", To: "pooler.*"},
		{From: "logit_scale_a", To: "logit_scale_a"}, {From: "logit_scale_t", To: "logit_scale_t"},
	}
	for s := range stages - 1 {
		rules = append(rules, weights.Rule{From: fmt.Sprintf(audio+"layers.%d.downsample.*.*", s), To: fmt.Sprintf("audio.swin.stages.%d.merge.*.*", s+1)})
	}
	for _, part := range []string{"local", "global"} { // whose mean over pixels has no parameters
		first := map[string]int{"local": 0, "global": 1}[part]
		from, to := audio+"patch_embed.fusion_model."+part+"_att.", "audio.fusion."+part+"."
		for i, name := range []string{"first", "first.norm", "", "second", "second.norm"} {
			if name != "" {
				rules = append(rules, weights.Rule{From: fmt.Sprintf("%s%d.*", from, first+i), To: to + name + ".*"})
			}
		}
	}
	return append(rules, bert.Names("text_model.", "text.")...)
}()
