package checkpoint

import (
	"encoding/json"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// The names that begin a ControlNet's tensors in its authors' files, and SDXL's pooled prompt, whose
// width those do not tell.
const (
	controlPrefix = "control_model."
	xlPooled      = 1280
	xlSizes       = 6
)

// OriginalControl shows the tensors of a ControlNet with the names of its first publication under
// diffusers', with the config.json that they tell; ok says that they are such.
func OriginalControl(src weights.Source) (named weights.Source, config []byte, ok bool, err error) {
	of := src
	if hasPart(src, controlPrefix) {
		of = below(src, controlPrefix)
	}
	if !checkpoint.Has(of, "input_hint_block.0.weight") {
		return nil, nil, false, nil
	}
	for _, name := range []string{"input_blocks.0.0.weight", "time_embed.0.weight", "middle_block.0.in_layers.0.weight", "zero_convs.0.0.weight"} {
		if !checkpoint.Has(of, name) {
			return nil, nil, true, fmt.Errorf("it has input_hint_block.0.weight and no %s; the file is damaged, or not a whole ControlNet", name)
		}
	}
	u := &originalUNet{in: checkpoint.Dim(of, "input_blocks.0.0.weight", 1), rules: unetRules}
	u.readDown(of)
	u.middle = depth(of, "middle_block.1")
	if u.context == 0 || len(u.levels) == 0 {
		return nil, nil, true, fmt.Errorf("it has no attention to a prompt below input_blocks; the file is damaged, or not a whole ControlNet")
	}
	if u.added = checkpoint.Dim(of, "label_emb.0.0.weight", 1); u.added > 0 {
		if u.addedTime = (u.added - xlPooled) / xlSizes; u.addedTime < 1 || u.addedTime*xlSizes+xlPooled != u.added {
			return nil, nil, true, fmt.Errorf("it embeds %d values besides the time, which are not a pooled prompt of %d and %d sizes as in SDXL", u.added, xlPooled, xlSizes)
		}
	}
	keys := u.config(0)
	for _, key := range []string{"sample_size", "out_channels", "up_block_types"} {
		delete(keys, key)
	}
	keys["_class_name"], keys["conditioning_channels"] = "ControlNetModel", checkpoint.Dim(of, "input_hint_block.0.weight", 1)
	keys["conditioning_embedding_out_channels"] = u.readHint(of)
	u.rule("zero_convs.*.0.*", "controlnet_down_blocks.*.*")
	u.rule("middle_block_out.0.*", "controlnet_mid_block.*")
	config, err = json.Marshal(keys)
	return weights.Rename(weights.Rename(of, resnetRules), u.rules), config, true, err
}

// readHint goes through input_hint_block, convolutions with an activation behind each, and gives
// their widths but for those within a pair and of the last.
func (u *originalUNet) readHint(of weights.Source) (widths []int) {
	for i := 0; ; i += 2 {
		block := fmt.Sprintf("input_hint_block.%d", i)
		switch width := checkpoint.Rows(of, block+".weight"); {
		case i == 0:
			u.rule(block+".*", "controlnet_cond_embedding.conv_in.*")
			widths = append(widths, width)
		case !checkpoint.Has(of, fmt.Sprintf("input_hint_block.%d.weight", i+2)):
			u.rule(block+".*", "controlnet_cond_embedding.conv_out.*")
			return widths
		default:
			u.rule(block+".*", fmt.Sprintf("controlnet_cond_embedding.blocks.%d.*", i/2-1))
			if i%4 == 0 {
				widths = append(widths, width)
			}
		}
	}
}
