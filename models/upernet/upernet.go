package upernet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Backbone Backbone
	Maps     []int // of the backbone's that are read, by the number of stages before
	Width    int   // of the head
	Pools    []int // sides of the maps that the deepest is pooled to
	Classes  int

	Labels []string
}

// eps of all batch norms: PyTorch's default.
const eps = 1e-5

// Model is the network.
type Model struct {
	Config

	Backbone   maps            `w:"backbone"`
	Norms      []ops.LayerNorm `w:"norms"` // of the maps, or nil
	Pools      []ops.Conv2d    `w:"pools"`
	Bottleneck ops.Conv2d      `w:"bottleneck"` // of the deepest map and what is pooled of it
	Lateral    []ops.Conv2d    `w:"lateral"`
	Smooth     []ops.Conv2d    `w:"smooth"`
	Fuse       ops.Conv2d      `w:"fuse"`
	Head       ops.Conv2d      `w:"head"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	backbone, err := c.Backbone.make(b)
	if err != nil {
		return nil, err
	}
	conv := func(in, kernel int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: c.Width, Kernel: ops.Square(kernel), Pad: ops.Pad(kernel / 2), Norm: eps})
	}
	m := &Model{Config: c, Backbone: backbone, Fuse: conv(len(c.Maps)*c.Width, 3), Head: b.Conv2d(ops.Conv{In: c.Width, Out: c.Classes, Kernel: ops.Square(1), Bias: true})}
	for i, stages := range c.Maps {
		width := c.Backbone.width(stages)
		if eps := c.Backbone.normEps(); eps > 0 {
			m.Norms = append(m.Norms, b.LayerNorm(width, eps))
		}
		if i < len(c.Maps)-1 {
			m.Lateral, m.Smooth = append(m.Lateral, conv(width, 1)), append(m.Smooth, conv(c.Width, 3))
			continue
		}
		for range c.Pools {
			m.Pools = append(m.Pools, conv(width, 1))
		}
		m.Bottleneck = conv(width+len(c.Pools)*c.Width, 3)
	}
	return m, nil
}

// Forward records logits [N, classes, H, W] of images [N, C, H, W].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	all := m.Backbone.Maps(r, pixels)
	var maps []*gpu.Tensor
	for i, stages := range m.Maps {
		x := all[stages]
		if m.Norms != nil {
			x = m.Norms[i].Forward(r, x)
		}
		r.TapNCHW(fmt.Sprintf("feature_maps.%d", i), x)
		maps = append(maps, x)
	}
	x := m.fuse(r, maps)
	r.OutputNCHW("logits", ops.Resize(r, m.Head.Forward(r, x), [2]int{pixels.Shape[2], pixels.Shape[3]}, ops.Resampling{}))
}

// fuse is what the maps [N, h, w, C], the largest first, say together: [N, h, w, D].
func (m *Model) fuse(r *gpu.Recorder, maps []*gpu.Tensor) *gpu.Tensor {
	last, then := len(maps)-1, ops.Then(ops.ReLU)
	x := m.pooled(r, maps[last])
	r.TapNCHW("bottleneck", x)
	out := make([]*gpu.Tensor, len(maps))
	out[last] = x
	for i := last - 1; i >= 0; i-- { // top-down: Lin et al. 2016
		x = ops.Add(r, m.Lateral[i].Forward(r, maps[i], then), ops.Resize(r, x, sizeOf(maps[i]), ops.Resampling{}), 1)
		out[i] = m.Smooth[i].Forward(r, x, then)
		r.TapNCHW(fmt.Sprintf("fpn_convs.%d", i), out[i])
	}
	joined := out[0]
	for _, y := range out[1:] {
		joined = ops.Concat(r, joined, ops.Resize(r, y, sizeOf(out[0]), ops.Resampling{}))
	}
	return m.Fuse.Forward(r, joined, then)
}

// pooled joins the deepest map with what it is at fewer pixels: Zhao et al. 2016, "Pyramid Scene
// Parsing Network".
func (m *Model) pooled(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	joined, then := x, ops.Then(ops.ReLU)
	for i, side := range m.Config.Pools {
		y := m.Pools[i].Forward(r, ops.AdaptiveAvgPool(r, x, side, side), then)
		joined = ops.Concat(r, joined, ops.Resize(r, y, sizeOf(x), ops.Resampling{}))
	}
	return m.Bottleneck.Forward(r, joined, then)
}

// sizeOf is the height and width of a map.
func sizeOf(x *gpu.Tensor) [2]int { return [2]int{x.Shape[1], x.Shape[2]} }

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{"hidden_size": c.Width, "number of classes": c.Classes, "number of maps": len(c.Maps), "number of pool_scales": len(c.Pools)} {
		if v < 1 || v > 1<<14 {
			return fmt.Errorf("the config's %s is %d; expected 1 to %d", name, v, 1<<14)
		}
	}
	for _, side := range c.Pools {
		if side < 1 || side > 1<<8 {
			return fmt.Errorf("the config's pool_scales are %v; expected 1 to %d", c.Pools, 1<<8)
		}
	}
	if len(c.Pools) > 1<<6 {
		return fmt.Errorf("the config's pool_scales are %d; at most %d are supported", len(c.Pools), 1<<6)
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return nn.OfImages(m, c.Backbone.channels(), ops.Square(512), ops.Square(c.Backbone.least()), nn.Image{}, m.Forward), nil
}
