package segformer

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Channels int
	Stages   []StageConfig
	Width    int // of the head
	Classes  int
	Act      ops.Activation

	Labels []string
}

// StageConfig is the size of a stage.
type StageConfig struct {
	Depth, Width, Heads, Inner int
	Patch, Stride              int // of the convolution that begins it
	Reduce                     int // by how much keys and values are fewer a side
}

// eps of layer norms and of the batch norm: PyTorch's default, whatever the config's
// layer_norm_eps is, which the class does not look at.
const eps = 1e-5

// Model is the network.
type Model struct {
	Config

	Stages      []Stage      `w:"stages"`
	Projections []ops.Linear `w:"projections"`
	Fuse        ops.Conv2d   `w:"fuse"`
	Head        ops.Conv2d   `w:"head"`
}

// Stage makes a map smaller and wider, and has its pixels attend to each other.
type Stage struct {
	Embed     ops.Conv2d    `w:"embed"`
	EmbedNorm ops.LayerNorm `w:"embed_norm"`
	Blocks    []Block       `w:"blocks"`
	Norm      ops.LayerNorm `w:"norm"`
}

// Block is attention to a smaller map, and a perceptron with a depthwise convolution.
type Block struct {
	Norm1      ops.LayerNorm  `w:"norm1"`
	Q          ops.Linear     `w:"q"`
	KV         ops.Linear     `w:"kv"`
	Reduce     *ops.Conv2d    `w:"reduce"`      // or nil
	ReduceNorm *ops.LayerNorm `w:"reduce_norm"` // or nil
	Proj       ops.Linear     `w:"proj"`
	Norm2      ops.LayerNorm  `w:"norm2"`
	FC1        ops.Linear     `w:"fc1"`
	Conv       ops.Conv2d     `w:"conv"`
	FC2        ops.Linear     `w:"fc2"`

	heads int
	act   ops.Activation
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c,
		Fuse: b.Conv2d(ops.Conv{In: len(c.Stages) * c.Width, Out: c.Width, Kernel: ops.Square(1), Norm: eps}),
		Head: b.Conv2d(ops.Conv{In: c.Width, Out: c.Classes, Kernel: ops.Square(1), Bias: true})}
	in := c.Channels
	for _, s := range c.Stages {
		stage := Stage{EmbedNorm: b.LayerNorm(s.Width, eps), Norm: b.LayerNorm(s.Width, eps),
			Embed: b.Conv2d(ops.Conv{In: in, Out: s.Width, Kernel: ops.Square(s.Patch), Stride: ops.Square(s.Stride), Pad: ops.Pad(s.Patch / 2), Bias: true})}
		for range s.Depth {
			stage.Blocks = append(stage.Blocks, newBlock(b, s, c.Act))
		}
		m.Stages = append(m.Stages, stage)
		m.Projections = append(m.Projections, b.Linear(s.Width, c.Width, true))
		in = s.Width
	}
	return m, nil
}

func newBlock(b *ops.Builder, s StageConfig, act ops.Activation) Block {
	block := Block{heads: s.Heads, act: act,
		Norm1: b.LayerNorm(s.Width, eps), Q: b.Linear(s.Width, s.Width, true, ops.Grouped{Out: s.Heads}), KV: b.Linear(s.Width, 2*s.Width, true, ops.Grouped{Out: 2 * s.Heads}),
		Proj: b.Linear(s.Width, s.Width, true, ops.Grouped{In: s.Heads}), Norm2: b.LayerNorm(s.Width, eps),
		FC1: b.Linear(s.Width, s.Inner, true), FC2: b.Linear(s.Inner, s.Width, true),
		Conv: b.Conv2d(ops.Conv{In: s.Inner, Out: s.Inner, Kernel: ops.Square(3), Pad: ops.Pad(1), Groups: s.Inner, Bias: true})}
	if s.Reduce > 1 {
		conv, norm := b.Conv2d(ops.Conv{In: s.Width, Out: s.Width, Kernel: ops.Square(s.Reduce), Stride: ops.Square(s.Reduce), Bias: true}), b.LayerNorm(s.Width, eps)
		block.Reduce, block.ReduceNorm = &conv, &norm
	}
	return block
}

// Forward records the network on images [N, C, H, W]. Its output is logits
// [N, classes, h, w], of a map as large as the first stage's.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x, layer := pixels, 0
	var maps []*gpu.Tensor
	for i := range m.Stages {
		s := &m.Stages[i]
		x = s.EmbedNorm.Forward(r, s.Embed.Forward(r, x))
		r.TapNCHW([]string{"stem", fmt.Sprintf("embedded.%d", i)}[min(i, 1)], x)
		for j := range s.Blocks {
			x = s.Blocks[j].Forward(r, x)
			r.TapNCHW(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
		x = s.Norm.Forward(r, x)
		maps = append(maps, x)
	}
	size := [2]int{maps[0].Shape[1], maps[0].Shape[2]}
	var all *gpu.Tensor
	for i := len(maps) - 1; i >= 0; i-- { // the deepest first
		y := ops.Resize(r, m.Projections[i].Forward(r, maps[i]), size, ops.Resampling{})
		if all == nil {
			all = y
		} else {
			all = ops.Concat(r, all, y)
		}
	}
	r.OutputNCHW("logits", m.Head.Forward(r, m.Fuse.Forward(r, all, ops.Then(ops.ReLU))))
}

// Forward is the block on a map x [N, h, w, C].
func (b *Block) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := b.Norm1.Forward(r, x)
	q := b.Q.Forward(r, y)
	if b.Reduce != nil {
		y = b.ReduceNorm.Forward(r, b.Reduce.Forward(r, y))
	}
	a := ops.KeyValueAttention(r, q, b.heads, b.KV.Forward(r, y), ops.Mask{})
	x = b.Proj.Forward(r, a, ops.Residual(x))
	h := b.Conv.Forward(r, b.FC1.Forward(r, b.Norm2.Forward(r, x)), ops.Then(b.act))
	return b.FC2.Forward(r, h, ops.Residual(x))
}

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"num_channels": c.Channels, "decoder_hidden_size": c.Width, "number of classes": c.Classes, "number of stages": len(c.Stages)}
	for i, s := range c.Stages {
		of := fmt.Sprintf("stage %d's ", i)
		sizes[of+"depth"], sizes[of+"hidden_size"], sizes[of+"attention heads"], sizes[of+"mlp_ratio"] = s.Depth, s.Width, s.Heads, s.Inner
		sizes[of+"patch_size"], sizes[of+"stride"], sizes[of+"sr_ratio"] = s.Patch, s.Stride, s.Reduce
	}
	for name, v := range sizes {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	for i, s := range c.Stages {
		if s.Width%s.Heads != 0 {
			return fmt.Errorf("the config's stage %d of width %d does not make its %d attention heads", i, s.Width, s.Heads)
		}
	}
	return nil
}

// least is the height and width of the smallest picture whose maps can be reduced.
func (c Config) least() int {
	n := 1
	for i := len(c.Stages) - 1; i >= 0; i-- {
		s := c.Stages[i]
		n = max(n, s.Reduce)
		n = (n-1)*s.Stride + s.Patch - 2*(s.Patch/2)
	}
	return max(n, 1)
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return nn.OfImages(m, c.Channels, ops.Square(512), ops.Square(c.least()), nn.Image{}, m.Forward), nil
}
