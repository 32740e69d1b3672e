package checkpoint

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// originalUNet is what the tensors tell of a UNet with its first publication's
// names, in which the blocks of all sizes are counted through: input_blocks.N,
// of which the convolutions to half the size are some.
type originalUNet struct {
	in, out, context int
	added            int  // width of the pooled prompt and the sizes together, 0: none
	addedTime        int  // width of each size's embedding
	linear           bool // projections are matrices, not convolutions
	levels           []originalLevel
	middle           int // transformer blocks in the middle
	rules            []weights.Rule
}

// originalLevel is the blocks at one size.
type originalLevel struct {
	width, blocks int
	depth         int // transformer blocks after each, 0: no attention
}

// below shows the tensors whose names begin with a prefix, without it.
func below(src weights.Source, prefix string) weights.Source {
	return weights.Rename(src, []weights.Rule{{From: prefix + "**", To: "**"}, {From: "**", To: ""}})
}

// readUNet tells a UNet by its tensors.
func readUNet(src weights.Source, kind string) (*originalUNet, error) {
	of := below(src, unetPrefix)
	for _, name := range []string{"input_blocks.0.0.weight", "time_embed.0.weight", "middle_block.0.in_layers.0.weight", "out.2.weight"} {
		if !checkpoint.Has(of, name) {
			return nil, fmt.Errorf("its UNet has no %s%s, which those of %s have; the file is of another network or damaged", unetPrefix, name, kind)
		}
	}
	u := &originalUNet{in: checkpoint.Dim(of, "input_blocks.0.0.weight", 1), out: checkpoint.Rows(of, "out.2.weight"), rules: unetRules}
	u.readDown(of)
	u.readUp(of)
	u.middle = depth(of, "middle_block.1")
	if u.context == 0 || len(u.levels) == 0 {
		return nil, fmt.Errorf("its UNet has no attention to a prompt below %sinput_blocks, which those of %s have", unetPrefix, kind)
	}
	if checkpoint.Has(of, "label_emb.0.0.weight") {
		return u, u.readAdded(src, of)
	}
	return u, nil
}

// readAdded reads SDXL's added embedding: the pooled prompt, and six sizes, or
// five where the refiner has a score.
func (u *originalUNet) readAdded(src, of weights.Source) error {
	u.added = checkpoint.Dim(of, "label_emb.0.0.weight", 1)
	pooled, sizes := checkpoint.Dim(src, "conditioner.embedders.1.model.text_projection", 1), 6
	if pooled == 0 {
		pooled, sizes = checkpoint.Dim(src, "conditioner.embedders.0.model.text_projection", 1), 5
	}
	rest := u.added - pooled
	if pooled == 0 || rest <= 0 || rest%sizes != 0 {
		return fmt.Errorf("its UNet embeds %d values besides the time (%slabel_emb), which are not a pooled prompt of %d and %d sizes as in SDXL; unCLIP and others are not supported", u.added, unetPrefix, pooled, sizes)
	}
	u.addedTime = rest / sizes
	return nil
}

// depth is the number of transformer blocks below a prefix.
func depth(of weights.Source, prefix string) int {
	n := 0
	for checkpoint.Has(of, fmt.Sprintf("%s.transformer_blocks.%d.norm1.weight", prefix, n)) {
		n++
	}
	return n
}

// unetRules bring what is no numbered block to diffusers' names; readDown and
// readUp add those.
var unetRules = []weights.Rule{
	{From: "time_embed.0.*", To: "time_embedding.linear_1.*"},
	{From: "time_embed.2.*", To: "time_embedding.linear_2.*"},
	{From: "label_emb.0.0.*", To: "add_embedding.linear_1.*"},
	{From: "label_emb.0.2.*", To: "add_embedding.linear_2.*"},
	{From: "input_blocks.0.0.*", To: "conv_in.*"},
	{From: "middle_block.0.**", To: "mid_block.resnets.0.**"},
	{From: "middle_block.1.**", To: "mid_block.attentions.0.**"},
	{From: "middle_block.2.**", To: "mid_block.resnets.1.**"},
	{From: "out.0.*", To: "conv_norm_out.*"},
	{From: "out.2.*", To: "conv_out.*"},
}

// resnetRules are those of a residual block's layers.
var resnetRules = []weights.Rule{
	{From: "**.in_layers.0.*", To: "**.norm1.*"},
	{From: "**.in_layers.2.*", To: "**.conv1.*"},
	{From: "**.emb_layers.1.*", To: "**.time_emb_proj.*"},
	{From: "**.out_layers.0.*", To: "**.norm2.*"},
	{From: "**.out_layers.3.*", To: "**.conv2.*"},
	{From: "**.skip_connection.*", To: "**.conv_shortcut.*"},
}

// rule adds a rule between two names that are given by formats.
func (u *originalUNet) rule(from, to string) {
	u.rules = append(u.rules[:len(u.rules):len(u.rules)], weights.Rule{From: from, To: to})
}

// readDown goes through input_blocks.
func (u *originalUNet) readDown(of weights.Source) {
	level := originalLevel{}
	end := func() {
		if level.blocks > 0 {
			u.levels = append(u.levels, level)
		}
		level = originalLevel{}
	}
	for i := 1; ; i++ {
		block, l := fmt.Sprintf("input_blocks.%d", i), len(u.levels)
		switch {
		case checkpoint.Has(of, block+".0.op.weight"):
			u.rule(block+".0.op.*", fmt.Sprintf("down_blocks.%d.downsamplers.0.conv.*", l))
			end()
		case checkpoint.Has(of, block+".0.in_layers.0.weight"):
			u.rule(block+".0.**", fmt.Sprintf("down_blocks.%d.resnets.%d.**", l, level.blocks))
			u.rule(block+".1.**", fmt.Sprintf("down_blocks.%d.attentions.%d.**", l, level.blocks))
			level.blocks++
			level.width = checkpoint.Rows(of, block+".0.out_layers.3.weight")
			if d := depth(of, block+".1"); d > 0 {
				level.depth = d
				u.context = checkpoint.Dim(of, block+".1.transformer_blocks.0.attn2.to_k.weight", 1)
				t, ok := of.Tensor(block + ".1.proj_in.weight")
				u.linear = ok && len(t.Shape) == 2
			}
		default:
			end()
			return
		}
	}
}

// readUp goes through output_blocks, where the convolution after doubling the
// size is the last layer of a level's last block.
func (u *originalUNet) readUp(of weights.Source) {
	for i, l, j := 0, 0, 0; ; i++ {
		block := fmt.Sprintf("output_blocks.%d", i)
		if !checkpoint.Has(of, block+".0.in_layers.0.weight") {
			return
		}
		last := false
		for _, layer := range []string{".1.conv", ".2.conv"} {
			if checkpoint.Has(of, block+layer+".weight") {
				u.rule(block+layer+".*", fmt.Sprintf("up_blocks.%d.upsamplers.0.conv.*", l))
				last = true
			}
		}
		u.rule(block+".0.**", fmt.Sprintf("up_blocks.%d.resnets.%d.**", l, j))
		u.rule(block+".1.**", fmt.Sprintf("up_blocks.%d.attentions.%d.**", l, j))
		if j++; last {
			l, j = l+1, 0
		}
	}
}

// source shows the tensors under diffusers' names.
func (u *originalUNet) source(src weights.Source) weights.Source {
	return weights.Rename(weights.Rename(below(src, unetPrefix), resnetRules), u.rules)
}

// config is config.json for maps of size×size. Heads have 64 channels where the
// projections are matrices, as in Stable Diffusion 2 and XL; else there are 8, as
// in Stable Diffusion 1.
func (u *originalUNet) config(size int) map[string]any {
	var down, up []string
	var widths, blocks, heads, depths []int
	for i, l := range u.levels {
		kind, up1, d, h := "CrossAttnDownBlock2D", "CrossAttnUpBlock2D", l.depth, 8
		if d == 0 {
			kind, up1, d = "DownBlock2D", "UpBlock2D", 1
			if i == len(u.levels)-1 { // the middle has the depth of the last
				d = max(1, u.middle)
			}
		}
		if u.linear {
			h = max(1, l.width/64)
		}
		down, up = append(down, kind), append([]string{up1}, up...)
		widths, blocks, heads, depths = append(widths, l.width), append(blocks, l.blocks), append(heads, h), append(depths, d)
	}
	c := map[string]any{
		"_class_name": "UNet2DConditionModel", "sample_size": size, "in_channels": u.in, "out_channels": u.out,
		"down_block_types": down, "mid_block_type": "UNetMidBlock2DCrossAttn", "up_block_types": up,
		"block_out_channels": widths, "layers_per_block": blocks, "cross_attention_dim": u.context, "attention_head_dim": heads,
		"transformer_layers_per_block": depths, "use_linear_projection": u.linear,
		"act_fn": "silu", "norm_num_groups": 32, "norm_eps": 1e-5, "flip_sin_to_cos": true, "freq_shift": 0, "downsample_padding": 1,
	}
	if u.added > 0 {
		c["addition_embed_type"], c["addition_time_embed_dim"], c["projection_class_embeddings_input_dim"] = "text_time", u.addedTime, u.added
	}
	return c
}
