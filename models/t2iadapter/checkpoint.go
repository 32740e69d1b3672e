package t2iadapter

import (
	_ "embed"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/weights"
)

// signaturesJSON are the keys of T2IAdapter with their defaults; golden/generate_signatures.py
// writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// jsonConfig is config.json of a T2IAdapter.
type jsonConfig struct {
	In     int    `json:"in_channels"`
	Widths []int  `json:"channels"`
	Blocks int    `json:"num_res_blocks"`
	Shrink int    `json:"downscale_factor"`
	Kind   string `json:"adapter_type"`
}

// Is says that tensors are a T2I-Adapter's.
func Is(src weights.Source) bool {
	return checkpoint.Has(src, "adapter.body.0.resnets.0.block1.weight")
}

// Describe finds the configuration of a checkpoint and shows its tensors under this package's
// names. config is diffusers' config.json.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	if err := diffusion.Configured(config); err != nil {
		return Config{}, nil, err
	}
	var j jsonConfig
	if err := signatures.Decode("config.json", "T2IAdapter", config, &j); err != nil {
		return Config{}, nil, err
	}
	if err := diffusion.OneOf("adapter_type", j.Kind, "full_adapter", "light_adapter", "full_adapter_xl"); err != nil {
		return Config{}, nil, err
	}
	c := Config{In: j.In, Widths: j.Widths, Blocks: j.Blocks, Shrink: j.Shrink, Light: j.Kind == "light_adapter", XL: j.Kind == "full_adapter_xl"}
	if err := c.check(); err != nil {
		return Config{}, nil, err
	}
	named := weights.StripPrefix(src, "adapter")
	name := "conv_in.weight"
	if c.Light { // whose list lacks the last, which is the one before again
		name = "body.0.in_conv.weight"
		c.Widths = append(append([]int{}, c.Widths...), c.Widths[len(c.Widths)-1])
	}
	first, err := checkpoint.Unshuffled(named, name, c.In, c.Shrink)
	if err != nil {
		return Config{}, nil, err
	}
	return c, weights.With(named, first), nil
}

// check refuses what no network can be made of.
func (c Config) check() error {
	if err := diffusion.Bounded(map[string]int{"in_channels": c.In, "downscale_factor": c.Shrink}, 64); err != nil {
		return err
	}
	if err := diffusion.Bounded(map[string]int{"number of channels": len(c.Widths)}, diffusion.MostLevels); err != nil {
		return err
	}
	for _, w := range c.Widths {
		if err := diffusion.Positive(map[string]int{"channels": w}); err != nil {
			return err
		}
		if c.Light && w < 4 {
			return fmt.Errorf("config.json: channels are %v; a light adapter has a fourth of them within", c.Widths)
		}
	}
	return diffusion.Bounded(map[string]int{"num_res_blocks": c.Blocks}, diffusion.MostBlocks)
}
