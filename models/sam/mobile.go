package sam

import (
	"fmt"
	"math"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// describeMobile reads MobileSAM's file, whose tensors tell all but the size of pictures.
func describeMobile(src weights.Source) (Config, weights.Source, error) {
	const encoder = "image_encoder."
	dim := func(i int, name string) int { return checkpoint.Dim(src, encoder+name, i) }
	t := TinyViTConfig{Channels: dim(1, "patch_embed.seq.0.c.weight"), Out: dim(0, "neck.0.weight"), Stem: [2]int{dim(0, "patch_embed.seq.0.c.weight"), dim(0, "patch_embed.seq.2.c.weight")}}
	for i := 0; ; i++ {
		inner := dim(0, fmt.Sprintf("layers.0.blocks.%d.conv1.c.weight", i))
		if inner == 0 {
			break
		}
		t.Convs = append(t.Convs, inner)
	}
	var heads []int
	for l := 1; ; l++ {
		layer := fmt.Sprintf("layers.%d.", l)
		of := func(i int, name string) int { return dim(i, layer+"blocks.0."+name) }
		s := TinyViTStage{Width: of(0, "attn.norm.weight"), Inner: of(0, "mlp.fc1.weight"), Heads: of(0, "attn.attention_biases"), Kernel: of(2, "local_conv.c.weight")}
		if s.Heads == 0 {
			break
		}
		distances := of(1, "attn.attention_biases")
		s.Window = int(math.Round(math.Sqrt(float64(distances))))
		if s.Window*s.Window != distances {
			return Config{}, nil, fmt.Errorf("%s%sblocks.0.attn.attention_biases has %d columns, which are the distances of no square window", encoder, layer, distances)
		}
		for dim(0, fmt.Sprintf("%sblocks.%d.attn.norm.weight", layer, s.Depth)) > 0 {
			s.Depth++
		}
		var err error
		if src, err = splitHeads(src, encoder+layer, s); err != nil {
			return Config{}, nil, err
		}
		t.Stages, heads = append(t.Stages, s), append(heads, s.Heads)
	}
	c := Config{Tiny: &t, Points: checkpoint.Dim(src, "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", 1), Decoder: authorsDecoder(src)}
	return c, weights.Rename(withPadding(src, "prompt_encoder.not_a_point_embed.weight"), mobileNames(heads)), nil
}

// splitHeads shows the fused projections of a stage's blocks, which have queries, keys and
// values of one head after the other, as those.
func splitHeads(src weights.Source, layer string, s TinyViTStage) (weights.Source, error) {
	var err error
	for i := range s.Depth {
		at := fmt.Sprintf("%sblocks.%d.attn.", layer, i)
		for _, kind := range []string{"weight", "bias"} {
			var parts []string
			for h := range s.Heads {
				for _, part := range []string{"q", "k", "v"} {
					parts = append(parts, fmt.Sprintf("%shead%d.%s.%s", at, h, part, kind))
				}
			}
			if src, err = checkpoint.SplitRows(src, at+"qkv."+kind, parts...); err != nil {
				return nil, err
			}
		}
		src = weights.Rename(src, []weights.Rule{{From: at + "qkv.*", To: ""}})
	}
	return src, nil
}
