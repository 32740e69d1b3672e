package vae

import (
	"encoding/json"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/ops"
	"saccade/weights"
)

// Config is what an autoencoder's size depends on.
type Config struct {
	Channels  int    // of pictures
	Size      [2]int // height and width of the pictures it was trained on
	Latent    int    // channels of latents
	Widths    []int  // channels at each size of the map, the largest map's first
	Layers    int    // blocks at each size on the way to latents, one more on the way back
	Block     diffusion.Config
	Attention bool // in the middle
	Quant     bool // a convolution of the latents' mean and variance
	PostQuant bool // a convolution of the latents before the decoder

	Scale, Shift float64 // a pipeline's latents are (latents − Shift)·Scale
}

// Reduction is the pixels of a picture's side for one of the latents'.
func (c Config) Reduction() int { return 1 << (len(c.Widths) - 1) }

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"in_channels": c.Channels, "latent_channels": c.Latent, "layers_per_block": c.Layers, "norm_num_groups": c.Block.Groups,
		"number of block_out_channels": len(c.Widths)}
	for i, w := range c.Widths {
		sizes[fmt.Sprintf("block_out_channels (block %d)", i)] = w
	}
	if err := diffusion.Positive(sizes); err != nil {
		return err
	}
	if c.Block.Act.Twin(0) != 0 {
		return fmt.Errorf("config.json: act_fn %s is not zero at zero, which the norms need", c.Block.Act)
	}
	return diffusion.CheckGroups(c.Block.Groups, c.Widths)
}

// jsonConfig is config.json of AutoencoderKL.
type jsonConfig struct {
	Class     string          `json:"_class_name"`
	In        int             `json:"in_channels"`
	Out       int             `json:"out_channels"`
	DownTypes []string        `json:"down_block_types"`
	UpTypes   []string        `json:"up_block_types"`
	Widths    []int           `json:"block_out_channels"`
	Layers    int             `json:"layers_per_block"`
	Act       string          `json:"act_fn"`
	Latent    int             `json:"latent_channels"`
	Groups    int             `json:"norm_num_groups"`
	Sample    checkpoint.Pair `json:"sample_size"`
	Scale     float64         `json:"scaling_factor"`
	Shift     float64         `json:"shift_factor"`
	Quant     bool            `json:"use_quant_conv"`
	PostQuant bool            `json:"use_post_quant_conv"`
	Attention bool            `json:"mid_block_add_attention"`
}

// Parse reads config.json of diffusers' AutoencoderKL; absent keys have the
// library's defaults.
func Parse(config []byte) (Config, error) {
	j := jsonConfig{In: 3, Out: 3, DownTypes: []string{"DownEncoderBlock2D"}, UpTypes: []string{"UpDecoderBlock2D"}, Widths: []int{64}, Layers: 1, Act: "silu",
		Latent: 4, Groups: 32, Sample: checkpoint.Pair{32, 32}, Scale: 0.18215, Quant: true, PostQuant: true, Attention: true}
	if err := json.Unmarshal(config, &j); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	if err := diffusion.OneOf("_class_name", j.Class, "AutoencoderKL", "AutoencoderTiny"); err != nil {
		return Config{}, err
	}
	for _, kind := range j.DownTypes {
		if err := diffusion.OneOf("a block of down_block_types", kind, "DownEncoderBlock2D"); err != nil {
			return Config{}, err
		}
	}
	for _, kind := range j.UpTypes {
		if err := diffusion.OneOf("a block of up_block_types", kind, "UpDecoderBlock2D"); err != nil {
			return Config{}, err
		}
	}
	if n := len(j.Widths); len(j.DownTypes) != n || len(j.UpTypes) != n || j.In != j.Out {
		return Config{}, fmt.Errorf("config.json has %d block_out_channels, %d down_block_types and %d up_block_types, %d in_channels and %d out_channels; expected as many of each", n, len(j.DownTypes), len(j.UpTypes), j.In, j.Out)
	}
	act, err := ops.ActivationByName(j.Act)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: act_fn: %w", err)
	}
	const eps = 1e-6 // of all norms, whatever the config
	return Config{Channels: j.In, Size: j.Sample, Latent: j.Latent, Widths: j.Widths, Layers: j.Layers, Block: diffusion.Config{Groups: j.Groups, Eps: eps, Act: act},
		Attention: j.Attention, Quant: j.Quant, PostQuant: j.PostQuant, Scale: j.Scale, Shift: j.Shift}, nil
}

// IsTiny says that a config.json is AutoencoderTiny's.
func IsTiny(config []byte) bool {
	var j jsonConfig
	return json.Unmarshal(config, &j) == nil && j.Class == "AutoencoderTiny"
}

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is diffusers' config.json.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	if !checkpoint.Has(src, "encoder.conv_in.weight") || !checkpoint.Has(src, "decoder.conv_in.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "autoencoder", "no encoder.conv_in.weight beside decoder.conv_in.weight (diffusers' AutoencoderKL)")
	}
	if err := diffusion.Configured(config); err != nil {
		return Config{}, nil, err
	}
	c, err := Parse(config)
	if err != nil {
		return Config{}, nil, err
	}
	last := "encoder.conv_out"
	if c.Quant {
		last = "quant_conv"
	}
	src, err = split(src, last, c.Latent)
	if err != nil {
		return Config{}, nil, err
	}
	rules := []weights.Rule{{From: last + ".*", To: ""}, {From: "post_quant_conv.*", To: "decoder.post_quant_conv.*"}}
	return c, weights.Rename(diffusion.Renamed(src), rules), nil
}

// split shows the output channels of a convolution as the mean's and the
// logarithm of the variance's. Nothing is copied.
func split(src weights.Source, layer string, latent int) (weights.Source, error) {
	var parts []*weights.Tensor
	for _, kind := range []string{"weight", "bias"} {
		t, ok := src.Tensor(layer + "." + kind)
		if !ok || len(t.Shape) < 1 || t.Shape[0] != 2*latent {
			return nil, fmt.Errorf("the checkpoint has no %s.%s of %d rows, twice latent_channels", layer, kind, 2*latent)
		}
		data := t.Bytes()
		for i, name := range []string{"mean", "logvar"} {
			part := *t
			part.Name = "encoder." + name + "." + kind
			part.Origin = fmt.Sprintf("%s (%s)", t.Origin, name)
			part.Shape = append([]int{latent}, t.Shape[1:]...)
			part.Data = data[i*len(data)/2 : (i+1)*len(data)/2]
			parts = append(parts, &part)
		}
	}
	return weights.With(src, parts...), nil
}
