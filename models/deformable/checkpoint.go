package deformable

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/models/resnet"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the config of transformers' class with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// deformableConfig is config.json of DeformableDetrConfig.
type deformableConfig struct {
	checkpoint.Common
	Backbone      json.RawMessage `json:"backbone_config"`
	Channels      int             `json:"num_channels"`
	Queries       int             `json:"num_queries"`
	Width         int             `json:"d_model"`
	EncoderLayers int             `json:"encoder_layers"`
	EncoderHeads  int             `json:"encoder_attention_heads"`
	EncoderMLP    int             `json:"encoder_ffn_dim"`
	EncoderPoints int             `json:"encoder_n_points"`
	DecoderLayers int             `json:"decoder_layers"`
	DecoderHeads  int             `json:"decoder_attention_heads"`
	DecoderMLP    int             `json:"decoder_ffn_dim"`
	DecoderPoints int             `json:"decoder_n_points"`
	Act           string          `json:"activation_function"`
	Positions     string          `json:"position_embedding_type"`
	Dilation      bool            `json:"dilation"`
	Levels        int             `json:"num_feature_levels"`
	TwoStage      bool            `json:"two_stage"`
	Proposals     int             `json:"two_stage_num_proposals"`
	Refines       bool            `json:"with_box_refine"`
}

// inert change nothing of an inference: dropout, how weights begin and are tied, which is seen in
// the tensors, what else is given back, and the loss.
var inert = append([]string{
	"dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "init_std", "init_xavier_std", "problem_type", "return_intermediate", "auxiliary_loss",
	"disable_custom_kernels", "tie_word_embeddings", "max_position_embeddings", "class_cost", "bbox_cost", "giou_cost", "mask_loss_coefficient", "dice_loss_coefficient",
	"bbox_loss_coefficient", "giou_loss_coefficient", "eos_coefficient", "focal_alpha",
}, checkpoint.CommonInert...)

// backbonePrefix begins the names of the backbone's tensors.
const backbonePrefix = "model.backbone.conv_encoder.model"

// names are those of DeformableDetrForObjectDetection, with the prefixes of its heads.
func names(c Config, classes, boxes heads) []weights.Rule {
	rules := []weights.Rule{
		{From: "model.input_proj.*.0.*", To: "inputs.*.conv.*"},
		{From: "model.input_proj.*.1.*", To: "inputs.*.norm.*"},
		{From: "model.level_embed", To: "level"},
		{From: "model.query_position_embeddings.weight", To: "queries"},
		{From: "model.reference_points.*", To: "reference.*"},
		{From: "model.enc_output.*", To: "proposals.output.*"},
		{From: "model.enc_output_norm.*", To: "proposals.output_norm.*"},
		{From: "model.pos_trans.*", To: "proposals.embed.*"},
		{From: "model.pos_trans_norm.*", To: "proposals.embed_norm.*"},
		{From: "model.decoder.layers.*.encoder_attn_layer_norm.*", To: "decoder.*.cross_norm.*"},
		{From: classes.last(c.DecoderLayers-1) + ".*", To: "class_head.*"},
	}
	for _, part := range [][2]string{{"encoder.layers.*.self_attn.", "encoder.*.attn."}, {"decoder.layers.*.encoder_attn.", "decoder.*.cross."}} {
		for _, pair := range [][2]string{{"sampling_offsets", "offsets"}, {"attention_weights", "weights"}, {"value_proj", "value"}, {"output_proj", "proj"}} {
			rules = append(rules, weights.Rule{From: "model." + part[0] + pair[0] + ".*", To: part[1] + pair[1] + ".*"})
		}
	}
	rules = append(rules, hybrid.LayerNames("model.encoder.layers.*.", "encoder.*.")...)
	rules = append(rules, hybrid.LayerNames("model.decoder.layers.*.", "decoder.*.")...)
	moving := 0
	for i := range c.DecoderLayers - 1 {
		if c.Refines {
			rules = append(rules, weights.Rule{From: boxes.own(i) + ".layers.*.*", To: fmt.Sprintf("box_heads.%d.layers.*.*", i)})
			moving++
		}
	}
	rules = append(rules, weights.Rule{From: boxes.last(c.DecoderLayers-1) + ".layers.*.*", To: fmt.Sprintf("box_heads.%d.layers.*.*", moving)})
	if c.TwoStage {
		rules = append(rules, weights.Rule{From: classes.own(c.DecoderLayers) + ".*", To: "proposals.classes.*"}, weights.Rule{From: boxes.own(c.DecoderLayers) + ".layers.*.*", To: "proposals.boxes.layers.*.*"})
	}
	// What is left of them is for training.
	for _, left := range []string{"class_embed.**", "bbox_embed.**", "model.decoder.class_embed.**"} {
		rules = append(rules, weights.Rule{From: left, To: ""})
	}
	if c.Refines {
		rules = append(rules, weights.Rule{From: "model.decoder.bbox_embed.**", To: ""})
	}
	return append(rules, resnet.BackboneNames(backbonePrefix+".", "backbone.")...)
}

// heads finds the prefix of a layer's head of a kind: at the top, in the decoder, which both may
// be in a file, or the first one, to which others are tied that a file leaves out.
type heads struct {
	kind, end string // of a tensor's name
	names     []string
}

func (h heads) find(layer int, places ...string) string {
	for _, place := range places {
		if name := fmt.Sprintf("%s%s.%d", place, h.kind, layer); slices.Contains(h.names, name+h.end) {
			return name
		}
	}
	return h.kind + ".0"
}

// last is the head whose result is the network's, own one within it.
func (h heads) last(layer int) string { return h.find(layer, "", "model.decoder.") }
func (h heads) own(layer int) string  { return h.find(layer, "model.decoder.", "") }

// Describe reads a checkpoint of transformers' DeformableDetrForObjectDetection.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h deformableConfig
	if err := signatures.Decode("config.json", "DeformableDetrConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	act, err := ops.ActivationByName(h.Act)
	switch {
	case err != nil:
		return Config{}, nil, fmt.Errorf("config.json: activation_function: %w", err)
	case h.Positions != "sine":
		return Config{}, nil, fmt.Errorf("config.json: position_embedding_type is %q; sine is supported", h.Positions)
	case h.Dilation:
		return Config{}, nil, fmt.Errorf("config.json: dilation is true, which is not supported")
	case h.TwoStage && !h.Refines:
		return Config{}, nil, fmt.Errorf("config.json: two_stage is true and with_box_refine false; expected both, as the library does")
	}
	usual := []int{2, 3, 4}
	if h.Levels == 1 {
		usual = []int{4}
	}
	backbone, maps, err := resnet.Described(src, backbonePrefix, h.Backbone, config, usual)
	if err != nil {
		return Config{}, nil, err
	}
	if backbone.Channels != h.Channels {
		return Config{}, nil, fmt.Errorf("config.json: num_channels is %d and the backbone's %d", h.Channels, backbone.Channels)
	}
	c := Config{Backbone: backbone, Maps: maps, Levels: h.Levels, EncoderLayers: h.EncoderLayers, DecoderLayers: h.DecoderLayers, EncoderPoints: h.EncoderPoints, DecoderPoints: h.DecoderPoints,
		Encoder: transformer.LayerConfig{Width: h.Width, Heads: h.EncoderHeads, MLP: h.EncoderMLP, Act: act, Eps: eps},
		Decoder: transformer.LayerConfig{Width: h.Width, Heads: h.DecoderHeads, MLP: h.DecoderMLP, Act: act, Eps: eps},
		Queries: h.Queries, Refines: h.Refines, TwoStage: h.TwoStage}
	if h.TwoStage {
		c.Queries = h.Proposals
	}
	if err := c.checkDepths(); err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, names(c, heads{"class_embed", ".weight", src.Names()}, heads{"bbox_embed", ".layers.0.weight", src.Names()}))
	c.Classes = checkpoint.Rows(src, "class_head.weight")
	if c.Labels, err = checkpoint.Labels(h.Labels, max(c.Classes, 0)); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	return c, src, nil
}

// Standard is an architecture as published, with COCO's 91 classes.
func Standard(name string) (Config, bool) {
	backbone, _ := resnet.Standard("resnet50")
	backbone.Classes = 0
	layer := transformer.LayerConfig{Width: 256, Heads: 8, MLP: 1024, Act: ops.ReLU, Eps: eps}
	c := Config{Backbone: backbone, Maps: []int{2, 3, 4}, Levels: 4, Encoder: layer, Decoder: layer, EncoderLayers: 6, DecoderLayers: 6, EncoderPoints: 4, DecoderPoints: 4, Queries: 300, Classes: 91}
	return c, name == "deformable_detr_resnet50"
}
