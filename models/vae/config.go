package vae

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/models/internal/original"
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

	Scaling
}

// Scaling is between an autoencoder's latents and those that pipelines work with.
type Scaling struct {
	Scale float64 // a pipeline's latents are the autoencoder's times this

	// Mean and Std, of each channel, are what SDXL's pipelines take off and divide by
	// as well, and no others do; nil: nothing.
	Mean, Std []float64
}

// Reduction is the pixels of a picture's side for one of the latents'.
func (c Config) Reduction() int { return 1 << (len(c.Widths) - 1) }

// Encoded brings an autoencoder's latents, maps of area values of each channel in turn,
// to those of a pipeline. normed says that it is one of SDXL's, which heed Mean and Std.
func (s Scaling) Encoded(latents []float32, area int, normed bool) []float32 {
	out := make([]float32, len(latents))
	for i, v := range latents {
		v *= float32(s.Scale)
		if normed && s.Mean != nil {
			c := i / area % len(s.Mean)
			v = (latents[i] - float32(s.Mean[c])) * float32(s.Scale) / float32(s.Std[c])
		}
		out[i] = v
	}
	return out
}

// Decodable is the inverse of Encoded.
func (s Scaling) Decodable(latents []float32, area int, normed bool) []float32 {
	out := make([]float32, len(latents))
	for i, v := range latents {
		if normed && s.Mean != nil {
			c := i / area % len(s.Mean)
			out[i] = v*float32(s.Std[c])/float32(s.Scale) + float32(s.Mean[c])
			continue
		}
		out[i] = v / float32(s.Scale)
	}
	return out
}

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"in_channels": c.Channels, "latent_channels": c.Latent, "norm_num_groups": c.Block.Groups}
	for i, w := range c.Widths {
		sizes[fmt.Sprintf("block_out_channels (block %d)", i)] = w
	}
	if err := cmp.Or(
		diffusion.Positive(sizes), diffusion.CheckSample(c.Size),
		diffusion.Bounded(map[string]int{"number of block_out_channels": len(c.Widths)}, diffusion.MostLevels),
		diffusion.Bounded(map[string]int{"layers_per_block": c.Layers}, diffusion.MostBlocks),
	); err != nil {
		return err
	}
	if c.Block.Act.Twin(0) != 0 {
		return fmt.Errorf("config.json: act_fn %s is not zero at zero, which the norms need", c.Block.Act)
	}
	return diffusion.CheckGroups(c.Block.Groups, c.Widths)
}

// jsonConfig is config.json of AutoencoderKL.
type jsonConfig struct {
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
	Mean      []float64       `json:"latents_mean"`
	Std       []float64       `json:"latents_std"`
	Quant     bool            `json:"use_quant_conv"`
	PostQuant bool            `json:"use_post_quant_conv"`
	Attention bool            `json:"mid_block_add_attention"`
}

// signaturesJSON are the keys of AutoencoderKL and AutoencoderTiny with their
// defaults; golden/generate_signatures.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference: in what precision the library
// computes, what only helpers of AutoencoderTiny look at that no pipeline calls, and
// shift_factor, which the pipelines of Stable Diffusion 3 and later alone look at.
var inert = []string{"force_upcast", "latent_magnitude", "latent_shift", "shift_factor"}

// Parse reads config.json of diffusers' AutoencoderKL; absent keys have the
// library's defaults.
func Parse(config []byte) (Config, error) {
	var j jsonConfig
	if err := decode(config, "AutoencoderKL", &j); err != nil {
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
	scaling, err := newScaling(j.Scale, j.Mean, j.Std, j.Latent)
	if err != nil {
		return Config{}, err
	}
	const eps = 1e-6 // of all norms, whatever the config
	c := Config{Channels: j.In, Size: j.Sample, Latent: j.Latent, Widths: j.Widths, Layers: j.Layers, Block: diffusion.Config{Groups: j.Groups, Eps: eps, Act: act},
		Attention: j.Attention, Quant: j.Quant, PostQuant: j.PostQuant, Scaling: scaling}
	return c, c.check()
}

// newScaling checks the scaling of latents of so many channels.
func newScaling(scale float64, mean, std []float64, channels int) (Scaling, error) {
	if scale == 0 {
		return Scaling{}, errors.New("config.json: scaling_factor is 0; latents are divided by it")
	}
	if mean == nil || std == nil { // as diffusers, which asks for both
		return Scaling{Scale: scale}, nil
	}
	if len(mean) != channels || len(std) != channels || slices.Contains(std, 0) {
		return Scaling{}, fmt.Errorf("config.json: latents_mean has %d values and latents_std %d; expected %d each, those of latents_std not 0", len(mean), len(std), channels)
	}
	return Scaling{Scale: scale, Mean: mean, Std: std}, nil
}

// decode reads the config.json of a class.
func decode(config []byte, class string, into any) error {
	found, err := classOf(config)
	if err != nil {
		return err
	}
	if err := diffusion.OneOf("_class_name", found, signatures.Classes()...); err != nil {
		return err
	}
	return signatures.Decode("config.json", class, config, into, inert...)
}

// classOf is what a config.json says that it is of.
func classOf(config []byte) (string, error) {
	var head struct {
		Class string `json:"_class_name"`
	}
	err := checkpoint.Decode("config.json", config, &head)
	return head.Class, err
}

// IsTiny says that a config.json is AutoencoderTiny's.
func IsTiny(config []byte) bool {
	class, err := classOf(config)
	return err == nil && class == "AutoencoderTiny"
}

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is diffusers' config.json; without one the names may
// be those of the first publication, whose tensors tell all but the scaling.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	if config == nil && original.IsAutoencoder(src) {
		var err error
		if src, config, err = fromOriginal(src); err != nil {
			return Config{}, nil, err
		}
	}
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

// fromOriginal brings an autoencoder to diffusers' names, scaled as those of Stable
// Diffusion 1 and 2 are.
func fromOriginal(src weights.Source) (weights.Source, []byte, error) {
	const side, scale = 512, 0.18215
	named, config, err := original.Autoencoder(src, side, scale)
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(config)
	return named, text, err
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
