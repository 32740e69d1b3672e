// Package original reads autoencoders with the names of their first publication,
// those of latent-diffusion: alone in a file or in a pipeline's single file. It makes
// of the tensors what diffusers' config.json says.
package original

import (
	"fmt"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// vaeRules bring an autoencoder to diffusers' names but for the decoder's sizes,
// which are counted from the other end.
var vaeRules = []weights.Rule{
	{From: "encoder.down.*.block.*.**", To: "encoder.down_blocks.*.resnets.*.**"},
	{From: "encoder.down.*.downsample.conv.*", To: "encoder.down_blocks.*.downsamplers.0.conv.*"},
	{From: "*.mid.block_1.**", To: "*.mid_block.resnets.0.**"},
	{From: "*.mid.block_2.**", To: "*.mid_block.resnets.1.**"},
	{From: "*.mid.attn_1.norm.*", To: "*.mid_block.attentions.0.group_norm.*"},
	{From: "*.mid.attn_1.q.*", To: "*.mid_block.attentions.0.to_q.*"},
	{From: "*.mid.attn_1.k.*", To: "*.mid_block.attentions.0.to_k.*"},
	{From: "*.mid.attn_1.v.*", To: "*.mid_block.attentions.0.to_v.*"},
	{From: "*.mid.attn_1.proj_out.*", To: "*.mid_block.attentions.0.to_out.0.*"},
	{From: "*.norm_out.*", To: "*.conv_norm_out.*"},
	{From: "loss.**", To: ""}, // the discriminator of the training
	{From: "model_ema.**", To: ""},
}

// Prefix is that of an autoencoder's tensors in the single file of a pipeline.
const Prefix = "first_stage_model."

// needed are tensors that every autoencoder has.
var needed = []string{"encoder.conv_in.weight", "decoder.conv_in.weight", "encoder.down.0.block.0.conv1.weight"}

// IsAutoencoder says that a checkpoint has an autoencoder's tensors, without a prefix.
func IsAutoencoder(src weights.Source) bool {
	return !slices.ContainsFunc(needed, func(name string) bool { return !checkpoint.Has(src, name) })
}

// Autoencoder shows an autoencoder under diffusers' names, its attention as the
// matrices that its 1×1 convolutions are, with what its config.json would say: of
// pictures of side×side pixels, with latents scaled by scale.
func Autoencoder(of weights.Source, side int, scale float64) (weights.Source, map[string]any, error) {
	for _, name := range needed {
		if !checkpoint.Has(of, name) {
			return nil, nil, fmt.Errorf("there is no %s%s; the file is damaged or its autoencoder is of another kind", Prefix, name)
		}
	}
	var widths []int
	for {
		w := checkpoint.Rows(of, fmt.Sprintf("encoder.down.%d.block.0.conv1.weight", len(widths)))
		if w == 0 {
			break
		}
		widths = append(widths, w)
	}
	layers := 0
	for checkpoint.Has(of, fmt.Sprintf("encoder.down.0.block.%d.conv1.weight", layers)) {
		layers++
	}
	rules := vaeRules
	var down, up []string
	for i := range widths {
		to := fmt.Sprintf("decoder.up_blocks.%d.", len(widths)-1-i)
		rules = append(rules[:len(rules):len(rules)],
			weights.Rule{From: fmt.Sprintf("decoder.up.%d.block.*.**", i), To: to + "resnets.*.**"},
			weights.Rule{From: fmt.Sprintf("decoder.up.%d.upsample.conv.*", i), To: to + "upsamplers.0.conv.*"})
		down, up = append(down, "DownEncoderBlock2D"), append(up, "UpDecoderBlock2D")
	}
	named := weights.Rename(weights.Rename(of, []weights.Rule{{From: "**.nin_shortcut.*", To: "**.conv_shortcut.*"}}), rules)
	config := map[string]any{
		"_class_name": "AutoencoderKL", "sample_size": side, "in_channels": checkpoint.Dim(of, "encoder.conv_in.weight", 1),
		"out_channels": checkpoint.Rows(of, "decoder.conv_out.weight"), "latent_channels": checkpoint.Dim(of, "decoder.conv_in.weight", 1),
		"down_block_types": down, "up_block_types": up, "block_out_channels": widths, "layers_per_block": layers,
		"act_fn": "silu", "norm_num_groups": 32, "scaling_factor": scale,
		"use_quant_conv": checkpoint.Has(of, "quant_conv.weight"), "use_post_quant_conv": checkpoint.Has(of, "post_quant_conv.weight"),
	}
	return checkpoint.Matrices(named, "to_q", "to_k", "to_v", "to_out.0"), config, nil
}
