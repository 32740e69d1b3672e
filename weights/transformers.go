package weights

// Transformers 5 names the tensors of some models otherwise in memory than in the
// files that it saves, which have the names of version 4. A state_dict that is
// saved with torch.save has the names in memory. These rules bring them to those
// of files, by the model_type of config.json; its conversion_mapping.py has them
// in the other direction, and files that it saves need none of them.
//
// Of CLIP's and SigLIP's towers published files have a prefix, which files that
// are saved today may lack.
var transformersNames = map[string][]Rule{
	"vit":                    inModel("vit", vitLayers),
	"deit":                   inModel("deit", vitLayers),
	"dinov2":                 inModel("dinov2", dinov2Layers),
	"dinov2_with_registers":  inModel("dinov2_with_registers", dinov2Layers),
	"clip_vision_model":      visionTower,
	"siglip_vision_model":    visionTower,
	"clip_text_model":        textTower,
	"siglip_text_model":      textTower,
	"vision-encoder-decoder": below("encoder", vitLayers),
	"swin":                   inModel("swin", swinLayers),
	"detr":                   detrLayers,
	"segformer":              segformerLayers,
	"depth_anything":         below("backbone", dinov2Layers),
}

var vitLayers = []Rule{
	{"layers.*.attention.q_proj.*", "encoder.layer.*.attention.attention.query.*"},
	{"layers.*.attention.k_proj.*", "encoder.layer.*.attention.attention.key.*"},
	{"layers.*.attention.v_proj.*", "encoder.layer.*.attention.attention.value.*"},
	{"layers.*.attention.o_proj.*", "encoder.layer.*.attention.output.dense.*"},
	{"layers.*.mlp.fc1.*", "encoder.layer.*.intermediate.dense.*"},
	{"layers.*.mlp.fc2.*", "encoder.layer.*.output.dense.*"},
	{"layers.*.layernorm_before.*", "encoder.layer.*.layernorm_before.*"},
	{"layers.*.layernorm_after.*", "encoder.layer.*.layernorm_after.*"},
}

var dinov2Layers = []Rule{
	{"encoder.layer.*.attention.q_proj.*", "encoder.layer.*.attention.attention.query.*"},
	{"encoder.layer.*.attention.k_proj.*", "encoder.layer.*.attention.attention.key.*"},
	{"encoder.layer.*.attention.v_proj.*", "encoder.layer.*.attention.attention.value.*"},
	{"encoder.layer.*.attention.o_proj.*", "encoder.layer.*.attention.output.dense.*"},
	{"encoder.layer.*.mlp.gate_proj.*", "encoder.layer.*.mlp.weights_in.*#0"},
	{"encoder.layer.*.mlp.up_proj.*", "encoder.layer.*.mlp.weights_in.*#1"},
	{"encoder.layer.*.mlp.down_proj.*", "encoder.layer.*.mlp.weights_out.*"},
}

var swinLayers = []Rule{
	{"encoder.layers.*.blocks.*.attention.q_proj.*", "encoder.layers.*.blocks.*.attention.self.query.*"},
	{"encoder.layers.*.blocks.*.attention.k_proj.*", "encoder.layers.*.blocks.*.attention.self.key.*"},
	{"encoder.layers.*.blocks.*.attention.v_proj.*", "encoder.layers.*.blocks.*.attention.self.value.*"},
	{"encoder.layers.*.blocks.*.attention.o_proj.*", "encoder.layers.*.blocks.*.attention.output.dense.*"},
	{"encoder.layers.*.blocks.*.attention.relative_position_bias.*", "encoder.layers.*.blocks.*.attention.self.*"},
	{"encoder.layers.*.blocks.*.mlp.fc1.*", "encoder.layers.*.blocks.*.intermediate.dense.*"},
	{"encoder.layers.*.blocks.*.mlp.fc2.*", "encoder.layers.*.blocks.*.output.dense.*"},
}

var detrLayers = []Rule{
	{"model.backbone.model.**", "model.backbone.conv_encoder.model.**"},
	{"model.*.layers.*.self_attn.o_proj.*", "model.*.layers.*.self_attn.out_proj.*"},
	{"model.*.layers.*.encoder_attn.o_proj.*", "model.*.layers.*.encoder_attn.out_proj.*"},
	{"model.*.layers.*.mlp.fc1.*", "model.*.layers.*.fc1.*"},
	{"model.*.layers.*.mlp.fc2.*", "model.*.layers.*.fc2.*"},
}

var segformerLayers = []Rule{
	{"segformer.stages.*.patch_embeddings.**", "segformer.encoder.patch_embeddings.*.**"},
	{"segformer.stages.*.blocks.*.layernorm_before.*", "segformer.encoder.block.*.*.layer_norm_1.*"},
	{"segformer.stages.*.blocks.*.attention.q_proj.*", "segformer.encoder.block.*.*.attention.self.query.*"},
	{"segformer.stages.*.blocks.*.attention.k_proj.*", "segformer.encoder.block.*.*.attention.self.key.*"},
	{"segformer.stages.*.blocks.*.attention.v_proj.*", "segformer.encoder.block.*.*.attention.self.value.*"},
	{"segformer.stages.*.blocks.*.attention.o_proj.*", "segformer.encoder.block.*.*.attention.output.dense.*"},
	{"segformer.stages.*.blocks.*.attention.sequence_reduction.sequence_reduction.*", "segformer.encoder.block.*.*.attention.self.sr.*"},
	{"segformer.stages.*.blocks.*.attention.sequence_reduction.layer_norm.*", "segformer.encoder.block.*.*.attention.self.layer_norm.*"},
	{"segformer.stages.*.blocks.*.layernorm_after.*", "segformer.encoder.block.*.*.layer_norm_2.*"},
	{"segformer.stages.*.blocks.*.mlp.fc1.*", "segformer.encoder.block.*.*.mlp.dense1.*"},
	{"segformer.stages.*.blocks.*.mlp.fc2.*", "segformer.encoder.block.*.*.mlp.dense2.*"},
	{"segformer.stages.*.blocks.*.mlp.dwconv.dwconv.*", "segformer.encoder.block.*.*.mlp.dwconv.dwconv.*"},
	{"segformer.stages.*.layer_norm.*", "segformer.encoder.layer_norm.*.*"},
	{"decode_head.linear_projections.*.proj.*", "decode_head.linear_c.*.proj.*"},
}

var visionTower = []Rule{
	{"embeddings.**", "vision_model.embeddings.**"},
	{"pre_layrnorm.*", "vision_model.pre_layrnorm.*"},
	{"encoder.**", "vision_model.encoder.**"},
	{"post_layernorm.*", "vision_model.post_layernorm.*"},
	{"head.**", "vision_model.head.**"},
}

var textTower = []Rule{
	{"embeddings.**", "text_model.embeddings.**"},
	{"encoder.**", "text_model.encoder.**"},
	{"final_layer_norm.*", "text_model.final_layer_norm.*"},
	{"head.*", "text_model.head.*"},
}

// inModel are rules for names alone and behind the prefix that they have in a
// model with a head.
func inModel(prefix string, rules []Rule) []Rule {
	return append(below(prefix, rules), rules...)
}

// below are rules for names behind a prefix.
func below(prefix string, rules []Rule) []Rule {
	all := make([]Rule, len(rules))
	for i, r := range rules {
		all[i] = Rule{prefix + "." + r.From, prefix + "." + r.To}
	}
	return all
}

// SavedNames shows a source under the names of published files, where it has
// those of transformers 5 in memory. modelType is config.json's. A source that
// has no such name, or another type, is returned as it is.
func SavedNames(src Source, modelType string) Source {
	rules := transformersNames[modelType]
	r := Rename(src, rules).(*renamed)
	for _, origin := range src.Names() {
		if _, _, ok := r.apply(origin); ok {
			return r
		}
	}
	return src
}

// SavedName is the name in published files of a tensor that transformers 5 has under
// name in memory, or name where they are alike. modelType is config.json's.
func SavedName(name, modelType string) string {
	r := &renamed{}
	for _, rule := range transformersNames[modelType] {
		r.rules = append(r.rules, compile(rule))
	}
	saved, _, _ := r.apply(name)
	return saved
}
