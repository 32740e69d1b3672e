package hybrid

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/hgnet"
	"saccade/models/nn"
	"saccade/models/resnet"
	"saccade/ops"
)

// Maps is a backbone.
type Maps interface {
	// Maps records the network on images [N, C, H, W] up to what the stem and each stage gives,
	// [N, h, w, C].
	Maps(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor
}

// Backbone is one that a checkpoint describes: the one that is not nil.
type Backbone struct {
	ResNet *resnet.Config
	HGNet  *hgnet.Config
}

// Make makes its layers.
func (b Backbone) Make(builder *ops.Builder) (Maps, error) {
	if b.HGNet != nil {
		return hgnet.New(builder, *b.HGNet)
	}
	return resnet.New(builder, *b.ResNet)
}

// channels are those of images.
func (b Backbone) channels() int {
	if b.HGNet != nil {
		return b.HGNet.Channels
	}
	return b.ResNet.Channels
}

// Width is the channels of a map.
func (b Backbone) Width(i int) int {
	if b.HGNet != nil {
		return b.HGNet.Width(i)
	}
	return b.ResNet.StageWidth(i)
}

// size is the height (axis 0) or width (axis 1) of a map for images of n pixels.
func (b Backbone) size(i, axis, n int) int {
	if b.HGNet != nil {
		return b.HGNet.MapSize(i, axis, n)
	}
	return b.ResNet.StageSize(i, n)
}

// Inputs are the projections of the backbone's maps.
func (c Config) Inputs(b *ops.Builder) []ops.Conv2d {
	var all []ops.Conv2d
	for _, i := range c.Maps {
		all = append(all, b.Conv2d(ops.Conv{In: c.Backbone.Width(i), Out: c.Width, Kernel: ops.Square(1), Norm: inputEps}))
	}
	return all
}

// inputEps is of the norms behind the backbone: PyTorch's default, whatever the config says.
const inputEps = 1e-5

// LevelsOf are the maps of those sizes with the points that are looked at, from a store of
// them by their sizes.
func LevelsOf(b *ops.Builder, made map[string]*ops.Levels, sizes [][2]int, points []int) *ops.Levels {
	key := fmt.Sprint(sizes)
	if made[key] == nil {
		var list []ops.Level
		for i, s := range sizes {
			list = append(list, ops.Level{H: s[0], W: s[1], Points: points[i]})
		}
		made[key] = b.Levels(list...)
	}
	return made[key]
}

// pixelMask is [N, H, W]. The reference takes it and goes by it nowhere.
const pixelMask = "pixel_mask"

// Network is one of images that forward records.
func (c Config) Network(forward func(r *gpu.Recorder, pixels *gpu.Tensor)) *nn.Network {
	usual := ops.Square(640)
	if c.Anchors != [2]int{} {
		usual = c.Anchors
	}
	image := nn.Image{Objects: &nn.Objects{Scores: nn.Sigmoid, Best: c.Queries, Threshold: 0.5}}
	n := nn.ImageNetwork("", c.Backbone.channels(), usual, ops.Square(1), image, forward)
	n.Inputs = append(n.Inputs, nn.Input{Name: pixelMask, Dims: nn.Dims("N", "H", "W"), Optional: true,
		Convert: func(map[string]nn.Array) (nn.Array, error) { return nn.Array{}, nil }})
	n.Check = c.checkSizes
	return n
}

// checkSizes refuses images whose maps do not fit each other, or the anchors.
func (c Config) checkSizes(sizes map[string]int) error {
	pixels := 0
	for i, m := range c.Maps {
		at := [2]int{c.Backbone.size(m, 0, sizes["H"]), c.Backbone.size(m, 1, sizes["W"])}
		if i > 0 {
			before := [2]int{c.Backbone.size(c.Maps[i-1], 0, sizes["H"]), c.Backbone.size(c.Maps[i-1], 1, sizes["W"])}
			if before != [2]int{2 * at[0], 2 * at[1]} {
				return fmt.Errorf("images of %d×%d make maps of %d×%d and %d×%d, which do not double; take sides that are multiples of 32", sizes["H"], sizes["W"], before[0], before[1], at[0], at[1])
			}
		}
		if c.Anchors != [2]int{} && (i >= len(c.Strides) || at != [2]int{c.Anchors[0] / c.Strides[i], c.Anchors[1] / c.Strides[i]}) {
			return fmt.Errorf("images of %d×%d do not fit anchor_image_size %v of the config with feat_strides %v", sizes["H"], sizes["W"], c.Anchors, c.Strides)
		}
		pixels += at[0] * at[1]
		if i == len(c.Maps)-1 {
			pixels += (c.Levels - len(c.Maps)) * ((at[0] + 1) / 2) * ((at[1] + 1) / 2)
		}
	}
	if pixels < c.Queries {
		return fmt.Errorf("images of %d×%d have %d places for objects; the network looks for %d", sizes["H"], sizes["W"], pixels, c.Queries)
	}
	return nil
}

// Check refuses what no network can be made of.
func (c Config) Check() error {
	for name, v := range map[string]int{
		"encoder_hidden_dim": c.Width, "encoder_attention_heads": c.Attention.Heads, "encoder_ffn_dim": c.Attention.MLP, "encoder_layers, plus one,": c.EncoderDepth + 1,
		"d_model": c.Decoder.Width, "decoder_attention_heads": c.Decoder.Heads, "decoder_ffn_dim": c.Decoder.MLP, "decoder_layers": c.DecoderDepth, "num_queries": c.Queries,
		"number of the backbone's maps": len(c.Maps), "number of classes": c.Classes, "num_feature_levels": c.Levels,
	} {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	if len(c.Points) != c.Levels || slices.Min(c.Points) < 1 || slices.Max(c.Points) > 1<<10 {
		return fmt.Errorf("the config's decoder_n_points are %v; expected one to %d of each of %d levels", c.Points, 1<<10, c.Levels)
	}
	if c.Width%4 != 0 || c.Width%c.Attention.Heads != 0 || c.Decoder.Width%c.Decoder.Heads != 0 {
		return fmt.Errorf("the config's encoder_hidden_dim %d is not a multiple of four and of its %d heads, or d_model %d of its %d", c.Width, c.Attention.Heads, c.Decoder.Width, c.Decoder.Heads)
	}
	for _, i := range c.Attended {
		if i < 0 || i >= len(c.Maps) {
			return fmt.Errorf("the config's encode_proj_layers are %v; there are %d maps", c.Attended, len(c.Maps))
		}
	}
	if h := float64(c.Width) * c.Expansion; !(h >= 2) || h > 1<<16 {
		return fmt.Errorf("the config's hidden_expansion is %g; it makes layers of %g channels", c.Expansion, h)
	}
	return nil
}
