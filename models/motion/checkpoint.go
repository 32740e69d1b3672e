package motion

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/models/unet"
	"saccade/weights"
)

// signaturesJSON are the keys of MotionAdapter with their defaults; golden/generate_signatures.py
// writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert is what diffusers' pipeline does not take from the adapter: it has the UNet's.
var inert = []string{"motion_norm_num_groups"}

// jsonConfig is config.json of a MotionAdapter.
type jsonConfig struct {
	Class     string          `json:"_class_name"`
	Widths    []int           `json:"block_out_channels"`
	Layers    diffusion.Ints  `json:"motion_layers_per_block"`
	Depths    diffusion.Ints  `json:"motion_transformer_layers_per_block"`
	MidLayers int             `json:"motion_mid_block_layers_per_block"`
	MidDepth  diffusion.Ints  `json:"motion_transformer_layers_per_mid_block"`
	Heads     diffusion.Ints  `json:"motion_num_attention_heads"`
	Most      int             `json:"motion_max_seq_length"`
	Middle    bool            `json:"use_motion_mid_block"`
	In        json.RawMessage `json:"conv_in_channels"`
}

// original are the rules from the names of the authors' files to diffusers'. Their positions
// stand with each attention, and are the same.
var original = []weights.Rule{
	{From: "**.temporal_transformer.transformer_blocks.*.attention_blocks.0.pos_encoder.pe", To: "**.transformer_blocks.*.pos_embed.pe"},
	{From: "**.temporal_transformer.transformer_blocks.*.attention_blocks.1.pos_encoder.pe", To: ""},
	{From: "**.temporal_transformer.transformer_blocks.*.attention_blocks.0.**", To: "**.transformer_blocks.*.attn1.**"},
	{From: "**.temporal_transformer.transformer_blocks.*.attention_blocks.1.**", To: "**.transformer_blocks.*.attn2.**"},
	{From: "**.temporal_transformer.transformer_blocks.*.norms.0.*", To: "**.transformer_blocks.*.norm1.*"},
	{From: "**.temporal_transformer.transformer_blocks.*.norms.1.*", To: "**.transformer_blocks.*.norm2.*"},
	{From: "**.temporal_transformer.transformer_blocks.*.ff_norm.*", To: "**.transformer_blocks.*.norm3.*"},
	{From: "**.temporal_transformer.**", To: "**.**"},
}

// first is a tensor that all adapters have.
const first = "down_blocks.0.motion_modules.0.transformer_blocks.0.attn1.to_q.weight"

// Describe gives c with the modules of a checkpoint, whose tensors it shows under diffusers' names.
// config is diffusers' config.json; of an author's file there is none.
func Describe(src weights.Source, config []byte, c unet.Config) (unet.Config, weights.Source, error) {
	src = weights.StripPrefix(src, "module")
	authors := slices.ContainsFunc(src.Names(), func(n string) bool { return strings.Contains(n, ".temporal_transformer.") })
	if authors {
		src = weights.Rename(src, original)
	}
	if !checkpoint.Has(src, first) {
		return c, nil, checkpoint.Unknown(src, "motion adapter", "no "+first+" (diffusers' MotionAdapter)")
	}
	j := jsonConfig{Depths: diffusion.Ints{1}, MidLayers: 1, MidDepth: diffusion.Ints{1}, Heads: diffusion.Ints{8}, Widths: c.Widths(),
		Most: checkpoint.Dim(src, "down_blocks.0.motion_modules.0.transformer_blocks.0.pos_embed.pe", 1), Middle: checkpoint.Has(src, "mid_block.motion_modules.0.proj_in.weight")}
	for _, l := range c.Down { // of an author's file, which binding finds out if it is wrong
		j.Layers = append(j.Layers, l.Blocks)
	}
	if !authors {
		if err := diffusion.Configured(config); err != nil {
			return c, nil, err
		}
		if err := signatures.Decode("config.json", "MotionAdapter", config, &j, inert...); err != nil {
			return c, nil, err
		}
	}
	m, err := j.config(c)
	if err != nil {
		return c, nil, err
	}
	c.Motion = m
	return c, src, nil
}

// config is that of the modules for a UNet.
func (j *jsonConfig) config(c unet.Config) (*diffusion.MotionConfig, error) {
	if in := strings.TrimSpace(string(j.In)); in != "" && in != "null" {
		return nil, fmt.Errorf("config.json has conv_in_channels %s, as those of PIA, which is not supported", in)
	}
	if !slices.Equal(j.Widths, c.Widths()) {
		return nil, fmt.Errorf("it is for another base: its blocks have the widths %v and the UNet's %v; give one for this kind of Stable Diffusion", j.Widths, c.Widths())
	}
	layers, err := j.Layers.Of("motion_layers_per_block", len(c.Down))
	if err != nil {
		return nil, err
	}
	for i, l := range c.Down {
		if l.Blocks != layers[i] {
			return nil, fmt.Errorf("it is for another base: level %d of it has %d modules and the UNet's %d blocks", i, layers[i], l.Blocks)
		}
	}
	depths, err := j.Depths.Of("motion_transformer_layers_per_block", len(c.Down))
	if err != nil {
		return nil, err
	}
	for _, list := range []diffusion.Ints{j.Heads, j.MidDepth} {
		if len(list) == 0 || slices.ContainsFunc(list, func(n int) bool { return n != list[0] }) {
			return nil, fmt.Errorf("config.json has the numbers %v for attention heads or layers in the middle; one for all is supported", []int(list))
		}
	}
	heads := j.Heads[0]
	if err := diffusion.Bounded(map[string]int{"motion_transformer_layers_per_mid_block": j.MidDepth[0], "motion_mid_block_layers_per_block": j.MidLayers}, diffusion.MostBlocks); err != nil {
		return nil, err
	}
	for _, d := range depths {
		if err := diffusion.Bounded(map[string]int{"motion_transformer_layers_per_block": d}, diffusion.MostBlocks); err != nil {
			return nil, err
		}
	}
	for _, width := range c.Widths() {
		if heads < 1 || width%heads != 0 {
			return nil, fmt.Errorf("config.json: motion_num_attention_heads is %d, which does not divide %d channels", heads, width)
		}
	}
	switch {
	case j.Most < 1 || j.Most > mostFrames:
		return nil, fmt.Errorf("config.json: motion_max_seq_length is %d; expected 1 to %d", j.Most, mostFrames)
	case j.Middle && (j.MidLayers != 1 || c.Middle.Blocks != 2):
		return nil, fmt.Errorf("config.json: motion_mid_block_layers_per_block is %d and the UNet's middle has %d blocks; 1 and 2 are supported", j.MidLayers, c.Middle.Blocks)
	}
	m := &diffusion.MotionConfig{Heads: heads, Groups: c.Block.Groups, Most: j.Most, Depths: depths}
	if j.Middle {
		m.Middle = j.MidDepth[0]
	}
	return m, nil
}

// mostFrames bounds the positions; published modules have 24 or 32.
const mostFrames = 4096
