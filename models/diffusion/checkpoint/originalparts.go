package checkpoint

import (
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// openCLIPRules bring a text encoder of OpenCLIP to transformers' names.
var openCLIPRules = []weights.Rule{
	{From: "token_embedding.weight", To: "text_model.embeddings.token_embedding.weight"},
	{From: "positional_embedding", To: "text_model.embeddings.position_embedding.weight"},
	{From: "ln_final.*", To: "text_model.final_layer_norm.*"},
	{From: "transformer.resblocks.*.ln_1.*", To: "text_model.encoder.layers.*.layer_norm1.*"},
	{From: "transformer.resblocks.*.ln_2.*", To: "text_model.encoder.layers.*.layer_norm2.*"},
	{From: "transformer.resblocks.*.mlp.c_fc.*", To: "text_model.encoder.layers.*.mlp.fc1.*"},
	{From: "transformer.resblocks.*.mlp.c_proj.*", To: "text_model.encoder.layers.*.mlp.fc2.*"},
	{From: "transformer.resblocks.*.attn.in_proj_weight", To: ""}, // shown as three
	{From: "transformer.resblocks.*.attn.in_proj_bias", To: ""},
	{From: "transformer.resblocks.*.attn.*.*", To: "text_model.encoder.layers.*.self_attn.*.*"},
	{From: "text_projection", To: ""}, // shown turned
	{From: "logit_scale", To: ""},
	{From: "attn_mask", To: ""},
	{From: "visual.**", To: ""},
}

// openTower shows a text encoder under transformers' names, with config.json.
func openTower(src weights.Source, t tower) (weights.Source, map[string]any, error) {
	of := below(src, t.prefix)
	if !t.openCLIP {
		src := weights.StripPrefix(of, "text_model")
		return of, towerConfig(t, src, "embeddings.token_embedding.weight", "embeddings.position_embedding.weight", "encoder.layers.%d.mlp.fc1.weight"),
			lacking(src, t.prefix, "embeddings.token_embedding.weight")
	}
	if err := lacking(of, t.prefix, "token_embedding.weight"); err != nil {
		return nil, nil, err
	}
	config := towerConfig(t, of, "token_embedding.weight", "positional_embedding", "transformer.resblocks.%d.mlp.c_fc.weight")
	shown, err := splitAttention(of, t.prefix)
	if err != nil {
		return nil, nil, err
	}
	rules := openCLIPRules
	if t.penultimate {
		last := config["num_hidden_layers"].(int) - 1
		config["num_hidden_layers"] = last
		rules = append([]weights.Rule{{From: fmt.Sprintf("transformer.resblocks.%d.**", last), To: ""}}, rules...)
	} else if turned, ok := weights.Transposed(of, "text_projection", "text_projection.weight"); ok {
		shown = append(shown, turned)
		config["projection_dim"] = turned.Shape[0]
	} else {
		return nil, nil, fmt.Errorf("there is no matrix %stext_projection", t.prefix)
	}
	return weights.Rename(weights.With(of, shown...), rules), config, nil
}

func lacking(of weights.Source, prefix, name string) error {
	if checkpoint.Has(of, name) {
		return nil
	}
	return fmt.Errorf("there is no %s…%s; the file is damaged or its text encoder is of another kind", prefix, name)
}

// towerConfig is config.json by the names of the tokens, the positions and a
// layer's first perceptron. Heads have 64 channels, as those of all CLIPs. The
// end token's id is that of configurations of 2023, which makes the library pool
// at the greatest id.
func towerConfig(t tower, of weights.Source, tokens, positions, layer string) map[string]any {
	depth := 0
	for checkpoint.Has(of, fmt.Sprintf(layer, depth)) {
		depth++
	}
	act := "quick_gelu"
	if t.openCLIP {
		act = "gelu"
	}
	width := checkpoint.Dim(of, tokens, 1)
	return map[string]any{
		"architectures": []string{t.class}, "model_type": "clip_text_model", "hidden_size": width, "intermediate_size": checkpoint.Rows(of, fmt.Sprintf(layer, 0)),
		"num_hidden_layers": depth, "num_attention_heads": max(1, width/64), "hidden_act": act, "layer_norm_eps": 1e-5,
		"vocab_size": checkpoint.Rows(of, tokens), "max_position_embeddings": checkpoint.Rows(of, positions), "projection_dim": width,
		"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
	}
}

// splitAttention shows the rows of OpenCLIP's in_proj as the projections of q, k
// and v. Nothing is copied.
func splitAttention(of weights.Source, prefix string) ([]*weights.Tensor, error) {
	var parts []*weights.Tensor
	for _, name := range of.Names() {
		base, kind, ok := strings.Cut(name, ".in_proj_")
		t, there := of.Tensor(name)
		if !ok || !there {
			continue
		}
		if len(t.Shape) == 0 || t.Shape[0]%3 != 0 {
			return nil, fmt.Errorf("%s%s has the shape %v; expected the rows of three projections", prefix, name, t.Shape)
		}
		n := t.Shape[0] / 3
		for i, which := range []string{"q", "k", "v"} {
			part, err := t.Rows(i*n, (i+1)*n)
			if err != nil {
				return nil, err
			}
			part.Name = base + "." + which + "_proj." + kind
			part.Origin = fmt.Sprintf("%s (%s)", t.Origin, which)
			parts = append(parts, part)
		}
	}
	return parts, nil
}
