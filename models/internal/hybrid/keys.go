package hybrid

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"saccade/models/hgnet"
	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/models/resnet"
	"saccade/ops"
	"saccade/weights"
)

// Keys are those of config.json that the networks share.
type Keys struct {
	checkpoint.Common
	Backbone    json.RawMessage  `json:"backbone_config"`
	LayerEps    float64          `json:"layer_norm_eps"`
	NormEps     float64          `json:"batch_norm_eps"`
	Width       int              `json:"encoder_hidden_dim"`
	In          []int            `json:"encoder_in_channels"`
	Strides     []int            `json:"feat_strides"`
	EncoderN    int              `json:"encoder_layers"`
	EncoderMLP  int              `json:"encoder_ffn_dim"`
	EncoderHead int              `json:"encoder_attention_heads"`
	Attended    []int            `json:"encode_proj_layers"`
	Temperature float64          `json:"positional_encoding_temperature"`
	EncoderAct  string           `json:"encoder_activation_function"`
	Act         string           `json:"activation_function"`
	EvalSize    json.RawMessage  `json:"eval_size"`
	NormBefore  bool             `json:"normalize_before"`
	Expansion   float64          `json:"hidden_expansion"`
	Model       int              `json:"d_model"`
	Queries     int              `json:"num_queries"`
	DecoderIn   []int            `json:"decoder_in_channels"`
	DecoderMLP  int              `json:"decoder_ffn_dim"`
	Levels      int              `json:"num_feature_levels"`
	DecoderN    int              `json:"decoder_layers"`
	DecoderHead int              `json:"decoder_attention_heads"`
	DecoderAct  string           `json:"decoder_activation_function"`
	Learned     bool             `json:"learn_initial_query"`
	Anchors     *checkpoint.Pair `json:"anchor_image_size"`
}

// Inert change nothing of an inference: dropout, how weights begin, the training's additional
// queries, and the loss.
var Inert = append([]string{
	"initializer_range", "initializer_bias_prior_prob", "freeze_backbone_batch_norms", "dropout", "activation_dropout", "attention_dropout", "num_denoising", "label_noise_ratio",
	"box_noise_scale", "with_box_refine", "matcher_alpha", "matcher_gamma", "matcher_class_cost", "matcher_bbox_cost", "matcher_giou_cost", "use_focal_loss", "auxiliary_loss",
	"focal_loss_alpha", "focal_loss_gamma", "weight_loss_vfl", "weight_loss_bbox", "weight_loss_giou", "eos_coefficient", "problem_type",
}, checkpoint.CommonInert...)

// Describe makes the shared configuration of keys and the checkpoint's tensors, whose backbone
// is of the type usual unless the config has another.
func (k Keys) Describe(src weights.Source, usual string) (Config, error) {
	c := Config{
		Width: k.Width, EncoderDepth: k.EncoderN, Attended: k.Attended, Temperature: k.Temperature, Unplaced: len(k.EvalSize) > 0 && string(k.EvalSize) != "null",
		NormEps: k.NormEps, Expansion: k.Expansion, DecoderDepth: k.DecoderN, Levels: k.Levels, Queries: k.Queries, OffsetScale: 0.5,
		Attention: transformer.LayerConfig{Width: k.Width, Heads: k.EncoderHead, MLP: k.EncoderMLP, Eps: k.LayerEps},
		Decoder:   transformer.LayerConfig{Width: k.Model, Heads: k.DecoderHead, MLP: k.DecoderMLP, Eps: k.LayerEps},
		Classes:   checkpoint.Rows(src, "model.enc_score_head.weight"),
	}
	switch {
	case k.NormBefore:
		return c, fmt.Errorf("config.json: normalize_before is true, which is not supported")
	case k.Learned:
		return c, fmt.Errorf("config.json: learn_initial_query is true, with which transformers' class does not run")
	}
	for _, a := range []struct {
		key, name string
		to        *ops.Activation
	}{{"encoder_activation_function", k.EncoderAct, &c.Attention.Act}, {"activation_function", k.Act, &c.Act}, {"decoder_activation_function", k.DecoderAct, &c.Decoder.Act}} {
		var err error
		if *a.to, err = ops.ActivationByName(a.name); err != nil {
			return c, fmt.Errorf("config.json: %s: %w", a.key, err)
		}
	}
	if k.Anchors != nil {
		c.Anchors, c.Strides = *k.Anchors, k.Strides
		if len(k.Strides) == 0 || slices.Min(k.Strides) < 1 {
			return c, fmt.Errorf("config.json: feat_strides are %v; expected one and more of each level", k.Strides)
		}
	}
	if err := c.takeBackbone(src, usual, k.Backbone); err != nil {
		return c, err
	}
	switch n := len(c.Maps); {
	case len(k.In) != n || len(k.DecoderIn) != n || k.Levels < n:
		return c, fmt.Errorf("config.json: there are %d encoder_in_channels, %d decoder_in_channels and %d levels (num_feature_levels) for the %d maps of the backbone; expected as many, or more levels",
			len(k.In), len(k.DecoderIn), k.Levels, n)
	case slices.ContainsFunc(k.DecoderIn, func(w int) bool { return w != k.Width }):
		return c, fmt.Errorf("config.json: decoder_in_channels are %v; the encoder's maps have %d channels (encoder_hidden_dim)", k.DecoderIn, k.Width)
	case k.Levels > n+1 && k.Model != k.Width:
		return c, fmt.Errorf("config.json: num_feature_levels is %d for %d maps, of which only one more can be made where d_model is not encoder_hidden_dim", k.Levels, n)
	}
	for i, m := range c.Maps {
		if own := c.Backbone.Width(m); k.In[i] != own {
			return c, fmt.Errorf("config.json: encoder_in_channels are %v and the backbone's map %d has %d", k.In, i, own)
		}
	}
	var err error
	if c.Labels, err = checkpoint.Labels(k.Labels, max(c.Classes, 0)); err != nil {
		return c, fmt.Errorf("config.json: %w", err)
	}
	return c, nil
}

// backbonePrefix begins the names of the backbone's tensors.
const backbonePrefix = "model.backbone.model"

// takeBackbone reads the backbone's part of the config.
func (c *Config) takeBackbone(src weights.Source, usual string, config json.RawMessage) error {
	if len(config) == 0 || string(config) == "null" {
		config = json.RawMessage(`{"model_type": "` + usual + `", "out_indices": [2, 3, 4]}`)
	}
	head := struct {
		ModelType string `json:"model_type"`
	}{}
	if err := checkpoint.Decode("config.json: backbone_config", config, &head); err != nil {
		return err
	}
	var err error
	switch head.ModelType {
	case "rt_detr_resnet":
		var r resnet.Config
		r, c.Maps, err = resnet.RTDetrConfig(config)
		c.Backbone.ResNet = &r
	case "hgnet_v2":
		var h hgnet.Config
		h, c.Maps, err = hgnet.Describe(src, backbonePrefix, config)
		c.Backbone.HGNet = &h
	default:
		err = fmt.Errorf("config.json: backbone_config is of type %q; rt_detr_resnet and hgnet_v2 are supported", head.ModelType)
	}
	return err
}

// BackboneNames are those of the backbone's tensors.
func (c Config) BackboneNames() []weights.Rule {
	if c.Backbone.HGNet != nil {
		return hgnet.Names(backbonePrefix+".", "backbone.")
	}
	return resnet.BackboneNames(backbonePrefix+".", "backbone.")
}

// ConvNames are those of a convolution with its norm.
func ConvNames(from, to string) []weights.Rule {
	return []weights.Rule{{From: from + ".conv.*", To: to + ".*"}, {From: from + ".norm.num_batches_tracked", To: ""}, {From: from + ".norm.*", To: to + ".norm.*"}}
}

// FusionNames are those of a [CSPRep] below a prefix.
func FusionNames(from, to string) []weights.Rule {
	rules := ConvNames(from+"bottlenecks.*.conv*", to+"bottlenecks.*.conv*")
	return append(rules, ConvNames(from+"conv*", to+"conv*")...)
}

// Names are the shared ones, of files and of transformers 5 in memory.
func Names() []weights.Rule {
	rules := []weights.Rule{
		{From: "model.denoising_class_embed.weight", To: ""},
		{From: "model.enc_output.0.*", To: "proposals.output.*"},
		{From: "model.enc_output.1.*", To: "proposals.output_norm.*"},
		{From: "model.enc_score_head.*", To: "proposals.scores.*"},
		{From: "model.enc_bbox_head.**", To: "proposals.boxes.**"},
		{From: "model.decoder.query_pos_head.**", To: "positions.**"},
		{From: "**.num_batches_tracked", To: ""},
		{From: "model.encoder_input_proj.*.0.*", To: "input.*.*"},
		{From: "model.encoder_input_proj.*.1.*", To: "input.*.norm.*"},
		{From: "model.decoder_input_proj.*.0.*", To: "sources.projections.*.*"},
		{From: "model.decoder_input_proj.*.1.*", To: "sources.projections.*.norm.*"},
	}
	for _, of := range []string{"encoder", "aifi"} {
		rules = append(rules, LayerNames("model.encoder."+of+".*.layers.*.", "encoder.attention.*.*.")...)
	}
	rules = append(rules, LayerNames("model.decoder.layers.*.", "layers.*.")...)
	rules = append(rules, ConvNames("model.encoder.lateral_convs.*", "encoder.lateral.*")...)
	return rules
}

// LayerNames are those of a layer's self-attention and perceptron.
func LayerNames(from, to string) []weights.Rule {
	var rules []weights.Rule
	for _, pair := range [][2]string{
		{"self_attn.q_proj", "attn.q"}, {"self_attn.k_proj", "attn.k"}, {"self_attn.v_proj", "attn.v"}, {"self_attn.out_proj", "attn.proj"}, {"self_attn.o_proj", "attn.proj"},
		{"self_attn_layer_norm", "norm1"}, {"fc1", "mlp.fc1"}, {"fc2", "mlp.fc2"}, {"mlp.fc1", "mlp.fc1"}, {"mlp.fc2", "mlp.fc2"}, {"mlp.layers.0", "mlp.fc1"}, {"mlp.layers.1", "mlp.fc2"},
		{"final_layer_norm", "norm2"},
	} {
		rules = append(rules, weights.Rule{From: from + pair[0] + ".*", To: to + pair[1] + ".*"})
	}
	return rules
}

// Untied leaves out what a checkpoint has of the decoder's heads under a second name, or shows
// it under the first where that is missing.
func Untied(src weights.Source) weights.Source {
	var rules []weights.Rule
	for _, head := range []string{"class_embed.", "bbox_embed."} {
		first := "model.decoder." + head
		to := first + "**"
		if slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasPrefix(n, first) }) {
			to = ""
		}
		rules = append(rules, weights.Rule{From: head + "**", To: to})
	}
	return weights.Rename(src, rules)
}
