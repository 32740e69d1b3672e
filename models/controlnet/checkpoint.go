package controlnet

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/models/unet"
	"saccade/weights"
)

// Describe finds the configuration of a checkpoint and shows its tensors under this package's
// names. config is diffusers' config.json.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	if !checkpoint.Has(src, "controlnet_cond_embedding.conv_in.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "ControlNet", "no controlnet_cond_embedding.conv_in.weight (diffusers)")
	}
	if err := diffusion.Configured(config); err != nil {
		return Config{}, nil, err
	}
	c, err := Parse(config)
	return c, diffusion.Renamed(src), err
}

// signaturesJSON are the keys of ControlNetModel with their defaults; golden/generate_signatures.py
// writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// jsonConfig is what config.json has beside the keys of a UNet.
type jsonConfig struct {
	Class      string   `json:"_class_name"`
	Down       []string `json:"down_block_types"`
	In         int      `json:"in_channels"`
	HintIn     int      `json:"conditioning_channels"`
	Hint       []int    `json:"conditioning_embedding_out_channels"`
	Order      string   `json:"controlnet_conditioning_channel_order"`
	GlobalPool bool     `json:"global_pool_conditions"`
}

// Parse reads config.json of diffusers' ControlNetModel: the keys of its own, and those of a UNet
// with a way up of the same blocks.
func Parse(config []byte) (Config, error) {
	var j jsonConfig
	if err := checkpoint.Decode("config.json", config, &j); err != nil {
		return Config{}, err
	}
	if err := signatures.Decode("config.json", j.Class, config, &j); err != nil {
		return Config{}, err
	}
	if j.GlobalPool {
		return Config{}, fmt.Errorf("config.json has global_pool_conditions, which is not supported; networks without it are, as those of edges, poses and depth")
	}
	if err := diffusion.OneOf("controlnet_conditioning_channel_order", j.Order, "rgb"); err != nil {
		return Config{}, err
	}
	if len(j.Hint) < 1 || len(j.Hint) > diffusion.MostLevels {
		return Config{}, fmt.Errorf("config.json has %d conditioning_embedding_out_channels; expected 1 to %d", len(j.Hint), diffusion.MostLevels)
	}
	hint := append([]int{j.HintIn}, j.Hint...)
	for i, width := range hint {
		if err := diffusion.Positive(map[string]int{fmt.Sprintf("channels %d of the hints", i): width}); err != nil {
			return Config{}, err
		}
	}
	text, err := j.network(config)
	if err != nil {
		return Config{}, err
	}
	c, err := unet.Parse(text)
	return Config{Config: c, Hint: hint}, err
}

// network is the config of a UNet2DConditionModel with the same way down.
func (j *jsonConfig) network(config []byte) ([]byte, error) {
	all, err := signatures()
	if err != nil {
		return nil, err
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(config, &given); err != nil {
		return nil, err
	}
	keys := maps.Clone(all[j.Class])
	for key, value := range given {
		if _, ok := keys[key]; ok {
			keys[key] = value
		}
	}
	up := slices.Clone(j.Down)
	slices.Reverse(up)
	for i, kind := range up {
		up[i] = strings.Replace(kind, "Down", "Up", 1)
	}
	for key, value := range map[string]any{"_class_name": "UNet2DConditionModel", "up_block_types": up, "out_channels": j.In} {
		if keys[key], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(keys)
}
