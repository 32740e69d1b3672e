package unet

import (
	"saccade/gpu"
	"saccade/models/internal/diffusion"
	"saccade/models/nn"
	"saccade/ops"
)

// timedVideo is Stable Diffusion 1.5's UNet with AnimateDiff's third version, of 16 frames of
// 256×256 pixels, without guidance.
const timedVideo = "animatediff_16f"

// standardVideo makes that network.
func standardVideo() (nn.Make, error) {
	c, err := Standard("sd15_unet")
	if err != nil {
		return nil, err
	}
	c.Motion = &diffusion.MotionConfig{Heads: 8, Groups: c.Block.Groups, Most: 32, Depths: []int{1, 1, 1, 1}}
	return func(b *ops.Builder) (*nn.Layers, error) {
		const frames, side = 16, 32
		m, err := New(b, c)
		if err != nil {
			return nil, err
		}
		n := c.Network(func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			m.Record(r, in, diffusion.Video{Frames: in[Sample].Shape[0]})
		})
		for i := range n.Inputs { // whose items are frames of one video
			n.Inputs[i].Dims[0].Name = "F"
		}
		n.Usual["F"], n.Usual["H"], n.Usual["W"] = frames, side, side
		return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
	}, nil
}
