package bert

import "saccade/weights"

// Names bring transformers' names of BERT's layers below a prefix to this package's.
func Names(from, to string) []weights.Rule {
	layer, own := from+"encoder.layer.*.", to+"layers.*."
	return []weights.Rule{
		{From: from + "embeddings.word_embeddings.weight", To: to + "tokens.weight"},
		{From: from + "embeddings.position_embeddings.weight", To: to + "positions.weight"},
		{From: from + "embeddings.token_type_embeddings.weight", To: to + "types.weight"},
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

// oldNames are those of the norms in files of 2018 and 2019, which transformers reads too.
var oldNames = []weights.Rule{
	{From: "**.LayerNorm.gamma", To: "**.LayerNorm.weight"},
	{From: "**.LayerNorm.beta", To: "**.LayerNorm.bias"},
}

// distilNames are DistilBERT's.
var distilNames = []weights.Rule{
	{From: "transformer.layer.*.attention.q_lin.*", To: "text.layers.*.attn.qkv.*#0"},
	{From: "transformer.layer.*.attention.k_lin.*", To: "text.layers.*.attn.qkv.*#1"},
	{From: "transformer.layer.*.attention.v_lin.*", To: "text.layers.*.attn.qkv.*#2"},
	{From: "transformer.layer.*.attention.out_lin.*", To: "text.layers.*.attn.proj.*"},
	{From: "transformer.layer.*.sa_layer_norm.*", To: "text.layers.*.norm1.*"},
	{From: "transformer.layer.*.ffn.lin1.*", To: "text.layers.*.mlp.fc1.*"},
	{From: "transformer.layer.*.ffn.lin2.*", To: "text.layers.*.mlp.fc2.*"},
	{From: "transformer.layer.*.output_layer_norm.*", To: "text.layers.*.norm2.*"},
}

// headless are tensors of what the base classes do not have or do not use for states: the
// pooler, and the heads that were there to be trained by masked words.
var headless = []weights.Rule{
	{From: "embeddings.token_type_ids", To: ""},
	{From: "pooler.**", To: ""},
	{From: "cls.**", To: ""},
	{From: "lm_head.**", To: ""},
	{From: "vocab_transform.*", To: ""},
	{From: "vocab_layer_norm.*", To: ""},
	{From: "vocab_projector.*", To: ""},
}
