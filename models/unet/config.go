package unet

import (
	"cmp"
	"fmt"
	"slices"

	"saccade/models/internal/diffusion"
	"saccade/ops"
)

// Config is what a network's size depends on.
type Config struct {
	In, Out int    // channels of the map
	Size    [2]int // height and width of the maps it was trained on, 0: not told
	Block   diffusion.Config

	KernelIn, KernelOut int // of the first and the last convolution, pixels
	DownPadding         int // of the convolutions to half the size; 0: at the bottom and right alone
	ActOut              ops.Activation
	ActTime             ops.Activation // between the layers of the time's embedding
	ActClass            ops.Activation // of the class's

	Down    []Level // from the largest map to the smallest
	Middle  Middle
	Up      []Level // from the smallest map to the largest
	Context int     // width of the prompt's tokens, 0: no prompt

	Images []float64               // the weights of the attention to the tokens of images (IP-Adapter), of each adapter
	Motion *diffusion.MotionConfig // of the modules among the frames of a video, or nil
	Frames int                     // channels of an attention head of a network that is of videos itself (UNet3DConditionModel), 0: of images

	CosFirst  bool    // the cosines of a time precede its sines
	FreqShift float64 // of the frequencies; see [ops.Builder.Sinusoid]

	TimeCond  int  // width of what is told beside the time, the guidance of distilled models; 0: nothing
	Class     int  // width of the class's embedding, 0: none
	ClassTime bool // the class is a number, embedded as the time is
	Added     int  // width of SDXL's pooled prompt and sizes together, 0: none
	AddedTime int  // width of the embedding of each of the sizes
}

// Level is the blocks at one size of the map.
type Level struct {
	Width     int // channels
	Blocks    int
	Attention Attention // after each
}

// Middle is the blocks at the smallest map, between the ways.
type Middle struct {
	Blocks    int // 0: none; 1; or 2 with the attention between them
	Attention Attention
}

// Attention is what follows a block.
type Attention struct {
	Kind   Kind
	Heads  int
	Depths []int // transformer blocks after each block, of CrossAttention
}

// Kind is a kind of attention.
type Kind int

// The kinds of attention.
const (
	NoAttention Kind = iota
	PixelAttention
	CrossAttention // a transformer that sees the prompt
)

// Widths are the channels of the levels, the largest map's first.
func (c Config) Widths() []int {
	widths := make([]int, len(c.Down))
	for i, l := range c.Down {
		widths[i] = l.Width
	}
	return widths
}

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"in_channels": c.In, "out_channels": c.Out, "norm_num_groups": c.Block.Groups, "time_embedding_dim": c.Block.Time}
	levels, blocks := slices.Concat(c.Down, c.Up), map[string]int{}
	for i, l := range levels {
		sizes[fmt.Sprintf("block_out_channels (block %d)", i)], blocks[fmt.Sprintf("layers_per_block (block %d)", i)] = l.Width, l.Blocks
	}
	if err := cmp.Or(
		diffusion.Bounded(map[string]int{"number of down_block_types": len(c.Down)}, diffusion.MostLevels),
		diffusion.Positive(sizes), diffusion.Bounded(blocks, diffusion.MostBlocks),
		diffusion.Bounded(map[string]int{"conv_in_kernel": c.KernelIn, "conv_out_kernel": c.KernelOut}, mostKernel),
	); err != nil {
		return err
	}
	if c.KernelIn%2 == 0 || c.KernelOut%2 == 0 {
		return fmt.Errorf("config.json: conv_in_kernel %d and conv_out_kernel %d must be odd", c.KernelIn, c.KernelOut)
	}
	if c.Block.Act.Twin(0) != 0 {
		return fmt.Errorf("config.json: act_fn %s is not zero at zero, which the norms need", c.Block.Act)
	}
	if err := diffusion.CheckGroups(c.Block.Groups, c.Widths()); err != nil {
		return err
	}
	if c.Middle.Blocks > 0 {
		levels = append(levels, Level{Width: c.Down[len(c.Down)-1].Width, Attention: c.Middle.Attention})
	}
	for _, l := range levels {
		if err := c.checkAttention(l.Width, l.Attention); err != nil {
			return err
		}
	}
	return nil
}

const mostKernel = 99 // pixels

// mostFrameHead bounds the head of a network of videos, which has eight of them before all blocks,
// however narrow the maps are. Published ones have 64 channels.
const mostFrameHead = 1024

// framesIn is the attention among frames before all blocks.
func (c Config) framesIn() diffusion.MotionSize {
	const heads = 8
	return diffusion.MotionSize{Width: c.Widths()[0], Inner: heads * c.Frames, Heads: heads, Groups: c.Block.Groups, Depth: 1}
}

// frames is that behind an attention of the pixels of maps of width channels.
func (c Config) frames(width int) diffusion.MotionSize {
	return diffusion.MotionSize{Width: width, Inner: width, Heads: width / c.Frames, Groups: c.Block.Groups, Depth: 1}
}

func (c Config) checkAttention(width int, a Attention) error {
	switch {
	case a.Kind == NoAttention:
		return nil
	case a.Heads < 1 || width%a.Heads != 0:
		return fmt.Errorf("config.json: %d channels do not make %d attention heads of one size (attention_head_dim)", width, a.Heads)
	case a.Kind == PixelAttention:
		return nil
	}
	for _, depth := range a.Depths {
		if err := diffusion.Bounded(map[string]int{"transformer_layers_per_block": depth}, diffusion.MostBlocks); err != nil {
			return err
		}
	}
	return diffusion.Positive(map[string]int{"cross_attention_dim": c.Context})
}
