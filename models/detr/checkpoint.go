package detr

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"saccade/models/internal/checkpoint"
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

// detrConfig is config.json of DetrConfig.
type detrConfig struct {
	checkpoint.Common
	Backbone      json.RawMessage `json:"backbone_config"`
	Channels      int             `json:"num_channels"`
	Queries       int             `json:"num_queries"`
	Width         int             `json:"d_model"`
	EncoderLayers int             `json:"encoder_layers"`
	EncoderHeads  int             `json:"encoder_attention_heads"`
	EncoderMLP    int             `json:"encoder_ffn_dim"`
	DecoderLayers int             `json:"decoder_layers"`
	DecoderHeads  int             `json:"decoder_attention_heads"`
	DecoderMLP    int             `json:"decoder_ffn_dim"`
	Act           string          `json:"activation_function"`
	NormEach      bool            `json:"auxiliary_loss"`
	Positions     string          `json:"position_embedding_type"`
	Dilation      bool            `json:"dilation"`
}

// inert change nothing of an inference: dropout, how weights begin, and the loss.
var inert = append([]string{
	"dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop", "init_std", "init_xavier_std", "problem_type",
	"class_cost", "bbox_cost", "giou_cost", "mask_loss_coefficient", "dice_loss_coefficient", "bbox_loss_coefficient", "giou_loss_coefficient", "eos_coefficient",
}, checkpoint.CommonInert...)

// backbonePrefix begins the names of the backbone's tensors.
const backbonePrefix = "model.backbone.conv_encoder.model"

// names are those of DetrForObjectDetection.
var names = append([]weights.Rule{
	{From: "model.input_projection.*", To: "projection.*"},
	{From: "model.query_position_embeddings.weight", To: "queries"},
	{From: "model.encoder.layers.*.self_attn.q_proj.*", To: "encoder.*.attn.q.*"},
	{From: "model.encoder.layers.*.self_attn.k_proj.*", To: "encoder.*.attn.k.*"},
	{From: "model.encoder.layers.*.self_attn.v_proj.*", To: "encoder.*.attn.v.*"},
	{From: "model.encoder.layers.*.self_attn.out_proj.*", To: "encoder.*.attn.proj.*"},
	{From: "model.encoder.layers.*.self_attn_layer_norm.*", To: "encoder.*.norm1.*"},
	{From: "model.encoder.layers.*.fc1.*", To: "encoder.*.mlp.fc1.*"},
	{From: "model.encoder.layers.*.fc2.*", To: "encoder.*.mlp.fc2.*"},
	{From: "model.encoder.layers.*.final_layer_norm.*", To: "encoder.*.norm2.*"},
	{From: "model.decoder.layers.*.self_attn.q_proj.*", To: "decoder.*.attn.q.*"},
	{From: "model.decoder.layers.*.self_attn.k_proj.*", To: "decoder.*.attn.k.*"},
	{From: "model.decoder.layers.*.self_attn.v_proj.*", To: "decoder.*.attn.v.*"},
	{From: "model.decoder.layers.*.self_attn.out_proj.*", To: "decoder.*.attn.proj.*"},
	{From: "model.decoder.layers.*.self_attn_layer_norm.*", To: "decoder.*.norm1.*"},
	{From: "model.decoder.layers.*.encoder_attn.q_proj.*", To: "decoder.*.cross.q.*"},
	{From: "model.decoder.layers.*.encoder_attn.k_proj.*", To: "decoder.*.cross.k.*"},
	{From: "model.decoder.layers.*.encoder_attn.v_proj.*", To: "decoder.*.cross.v.*"},
	{From: "model.decoder.layers.*.encoder_attn.out_proj.*", To: "decoder.*.cross.proj.*"},
	{From: "model.decoder.layers.*.encoder_attn_layer_norm.*", To: "decoder.*.cross_norm.*"},
	{From: "model.decoder.layers.*.fc1.*", To: "decoder.*.mlp.fc1.*"},
	{From: "model.decoder.layers.*.fc2.*", To: "decoder.*.mlp.fc2.*"},
	{From: "model.decoder.layers.*.final_layer_norm.*", To: "decoder.*.norm2.*"},
	{From: "model.decoder.layernorm.*", To: "norm.*"},
	{From: "class_labels_classifier.*", To: "class_head.*"},
	{From: "bbox_predictor.layers.*.*", To: "box_head.layers.*.*"},
}, resnet.BackboneNames(backbonePrefix+".", "backbone.")...)

// Describe reads a checkpoint of transformers' DetrForObjectDetection.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h detrConfig
	if err := signatures.Decode("config.json", "DetrConfig", config, &h, inert...); err != nil {
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
	}
	backbone, maps, err := resnet.Described(src, backbonePrefix, h.Backbone, config, []int{4})
	if err != nil {
		return Config{}, nil, err
	}
	if last := len(backbone.Stages); maps[len(maps)-1] != last {
		return Config{}, nil, fmt.Errorf("config.json: backbone_config: the maps %v are asked for; the last stage, %d, is to be the last of them", maps, last)
	}
	if backbone.Channels != h.Channels {
		return Config{}, nil, fmt.Errorf("config.json: num_channels is %d and the backbone's %d", h.Channels, backbone.Channels)
	}
	src = weights.Rename(src, names)
	layer := transformer.LayerConfig{Width: h.Width, Heads: h.EncoderHeads, MLP: h.EncoderMLP, Act: act, Eps: eps}
	c := Config{Backbone: backbone, Encoder: layer, Decoder: layer, EncoderLayers: h.EncoderLayers, DecoderLayers: h.DecoderLayers, Queries: h.Queries,
		Classes: checkpoint.Rows(src, "class_head.weight") - 1, NormEach: h.NormEach}
	c.Decoder.Heads, c.Decoder.MLP, c.Decoder.Cross = h.DecoderHeads, h.DecoderMLP, h.Width
	if c.Labels, err = checkpoint.Labels(h.Labels, max(c.Classes, 0)); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	return c, src, nil
}

// Standard is an architecture as published, with COCO's 91 classes.
func Standard(name string) (Config, bool) {
	backbone, ok := resnet.Standard(map[string]string{"detr_resnet50": "resnet50", "detr_resnet101": "resnet101"}[name])
	backbone.Classes = 0
	layer := transformer.LayerConfig{Width: 256, Heads: 8, MLP: 2048, Act: ops.ReLU, Eps: eps}
	c := Config{Backbone: backbone, Encoder: layer, Decoder: layer, EncoderLayers: 6, DecoderLayers: 6, Queries: 100, Classes: 91}
	c.Decoder.Cross = 256
	return c, ok
}
