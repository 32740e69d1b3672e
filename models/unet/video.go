package unet

import (
	"maps"

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
		const side = 32
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
		n.Usual["H"], n.Usual["W"] = side, side
		return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
	}, nil
}

// usualFrames is how many frames the published networks of videos were trained on.
const usualFrames = 16

// recordVideos records a network of videos on inputs by name: the frames of the sample
// [N, In, F, H, W] have the time and the prompt of their video.
func (m *Model) recordVideos(r *gpu.Recorder, in map[string]*gpu.Tensor) {
	n, frames := in[Sample].Shape[0], in[Sample].Shape[2]
	each := maps.Clone(in)
	each[Sample] = ops.PackNCHW(r, in[Sample])
	each[Context] = ops.Rows(r, ops.Pack(r, in[Context], 1), m.b.Repeat(n, in[Context].Shape[1], frames))
	r.OutputNCFHW(Sample, m.estimate(r, each, diffusion.Video{Frames: frames}), frames)
}
