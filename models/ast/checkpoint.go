package ast

import (
	_ "embed"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' class and of its feature
// extractor with their defaults; golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// astConfig is config.json of ASTConfig.
type astConfig struct {
	checkpoint.Common
	transformer.ViT
	Bins   int `json:"num_mel_bins"`
	Frames int `json:"max_length"`
	Across int `json:"frequency_stride"`
	Along  int `json:"time_stride"`
}

// inert change nothing of an inference: dropout, and how weights begin.
var inert = append([]string{"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"}, checkpoint.CommonInert...)

// names are those of ASTForAudioClassification, and of ASTModel alone.
var names = slices.Concat(
	[]weights.Rule{{From: "classifier.layernorm.*", To: "head_norm.*"}, {From: "classifier.dense.*", To: "head.*"}},
	transformer.Behind("audio_spectrogram_transformer.", transformer.ViTNames), transformer.ViTNames,
)

// Describe reads a checkpoint of transformers' ASTForAudioClassification or ASTModel.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h astConfig
	if err := signatures.Decode("config.json", "ASTConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	patch, block, err := h.Blocks()
	if err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(src, names)
	c := Config{Frames: h.Frames, Bins: h.Bins, Patch: patch, Stride: [2]int{h.Across, h.Along}, Depth: h.Layers,
		Block:   block,
		Classes: checkpoint.Rows(src, "head.weight")}
	if c.Labels, c.Scores, err = h.Head(c.Classes); err != nil {
		return Config{}, nil, err
	}
	return c, src, nil
}
