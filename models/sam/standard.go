package sam

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// The parts of published networks that are timed: the image encoders, and the decoder for
// a click.
const (
	baseEncoder   = "sam_b_encode"
	slimEncoder   = "slimsam_encode"
	mobileEncoder = "mobilesam_encode"
	secondEncoder = "sam2_t_encode"
	baseClick     = "sam_click"
)

// Base is SAM's smallest size as published, ViT-B.
func Base() Config {
	return Config{
		Vision: &VisionConfig{Image: 1024, Patch: 16, Channels: 3, Width: 768, Depth: 12, Heads: 12, MLP: 3072, Out: 256, Window: 14, Global: []int{2, 5, 8, 11},
			QKVBias: true, Positions: true, Relative: true, Act: ops.GELU, Eps: authorsEps},
		Points:  128,
		Decoder: DecoderConfig{Width: 256, Depth: 2, Heads: authorsHeads, MLP: 2048, Downsample: 2, Final: 2, Masks: 3, ScoreDepth: 3, ScoreWidth: 256, Act: ops.ReLU, Eps: finalEps},
	}
}

// Slim is SlimSAM as published, pruned by 77 %.
func Slim() Config {
	c := Base()
	c.Vision.Width, c.Vision.MLP = 168, 696
	return c
}

// Mobile is MobileSAM as published.
func Mobile() Config {
	c := Base()
	c.Vision, c.Tiny = nil, &TinyViTConfig{Channels: 3, Stem: [2]int{32, 64}, Convs: []int{256, 256}, Stages: []TinyViTStage{
		{Depth: 2, Width: 128, Inner: 512, Heads: 4, Window: 7, Kernel: 3},
		{Depth: 6, Width: 160, Inner: 640, Heads: 5, Window: 14, Kernel: 3},
		{Depth: 2, Width: 320, Inner: 1280, Heads: 10, Window: 7, Kernel: 3},
	}, Out: 256}
	return c
}

// SecondTiny is SAM 2's smallest size as published.
func SecondTiny() Config {
	c, second := Base(), secondSize("sam2_hiera_tiny")
	c.Vision, c.Second, c.Decoder.Objects = nil, &second, true
	return c
}

// Standard is a part of a published network.
func Standard(name string) (nn.Make, error) {
	c := Base()
	switch name {
	case baseEncoder, baseClick:
	case slimEncoder:
		c = Slim()
	case mobileEncoder:
		c = Mobile()
	case secondEncoder:
		c = SecondTiny()
	default:
		return nil, fmt.Errorf("%s is no part of a SAM that is known", name)
	}
	return func(b *ops.Builder) (*nn.Layers, error) {
		m, err := New(b, c)
		if err != nil {
			return nil, err
		}
		n := m.decoder()
		if name != baseClick {
			n = nn.ImageNetwork("", c.encoder().channels(), ops.Square(c.usual()), ops.Square(c.usual()), nn.Image{}, func(r *gpu.Recorder, pixels *gpu.Tensor) { m.Encode(r, pixels) })
		}
		return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
	}, nil
}
