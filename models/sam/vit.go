package sam

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/windows"
	"saccade/ops"
)

// VisionConfig is what the image encoder's size depends on.
type VisionConfig struct {
	Image, Patch int // pixels a side
	Channels     int
	Width, Depth int
	Heads, MLP   int
	Out          int   // channels of its map
	Window       int   // tokens a side of the windows that blocks look within
	Global       []int // blocks that look at the whole map
	QKVBias      bool
	Positions    bool // embeddings of the tokens' places
	Relative     bool // attention by relative positions
	Act          ops.Activation
	Eps          float64 // of the blocks' layer norms
}

// neckEps is of the neck's layer norms.
const neckEps = 1e-6

// ViT is the image encoder.
type ViT struct {
	Patch     ops.Conv2d     `w:"patch"`
	Positions *ops.Parameter `w:"pos_embed"` // or nil
	Blocks    []Block        `w:"blocks"`
	Neck      Neck           `w:"neck"`

	VisionConfig
	b     *ops.Builder
	table *ops.Table // of positions, once they are asked for
	plans *windows.Plans
}

// Block is attention within windows or of the whole map, then a perceptron.
type Block struct {
	Norm1    ops.LayerNorm         `w:"norm1"`
	QKV      ops.Linear            `w:"attn.qkv"`
	Relative *ops.RelativePosition `w:"attn"` // or nil
	Proj     ops.Linear            `w:"attn.proj"`
	Norm2    ops.LayerNorm         `w:"norm2"`
	FC1      ops.Linear            `w:"mlp.fc1"`
	FC2      ops.Linear            `w:"mlp.fc2"`

	window int // 0: the whole map
}

// Neck brings the tokens to the map that is decoded.
type Neck struct {
	Conv1 ops.Conv2d    `w:"conv1"`
	Norm1 ops.LayerNorm `w:"norm1"`
	Conv2 ops.Conv2d    `w:"conv2"`
	Norm2 ops.LayerNorm `w:"norm2"`
}

func newNeck(b *ops.Builder, in, out int) Neck {
	return Neck{
		Conv1: b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(1)}), Norm1: b.LayerNorm(out, neckEps),
		Conv2: b.Conv2d(ops.Conv{In: out, Out: out, Kernel: ops.Square(3), Pad: ops.Pad(1), Exact: true}), Norm2: b.LayerNorm(out, neckEps),
	}
}

// check refuses what no encoder can be made of.
func (c VisionConfig) check() error {
	for name, v := range map[string]int{
		"image_size": c.Image, "patch_size": c.Patch, "num_channels": c.Channels, "hidden_size": c.Width, "num_hidden_layers": c.Depth,
		"num_attention_heads": c.Heads, "mlp_dim": c.MLP, "output_channels": c.Out,
	} {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the image encoder's %s is %d; expected 1 to %d", name, v, 1<<16)
		}
	}
	switch {
	case c.Width%c.Heads != 0:
		return fmt.Errorf("the image encoder's hidden_size of %d does not make its %d heads", c.Width, c.Heads)
	case c.Image < c.Patch || c.Image/c.Patch > 256:
		return fmt.Errorf("the image encoder's image_size is %d and its patch_size %d; expected 1 to 256 patches a side", c.Image, c.Patch)
	case c.Window < 0 || c.Window > 256:
		return fmt.Errorf("the image encoder's window_size is %d; expected 0 to 256", c.Window)
	case !(c.Eps > 0 && c.Eps < 1):
		return fmt.Errorf("the image encoder's layer_norm_eps is %g; it must be between 0 and 1", c.Eps)
	}
	return nil
}

func (c VisionConfig) image() int    { return c.Image }
func (c VisionConfig) channels() int { return c.Channels }
func (c VisionConfig) side() int     { return c.Image / c.Patch }
func (c VisionConfig) out() int      { return c.Out }

// window is the side of the windows of block i, 0 if it looks at the whole map.
func (c VisionConfig) window(i int) int {
	if slices.Contains(c.Global, i) {
		return 0
	}
	return c.Window
}

func newViT(b *ops.Builder, c VisionConfig) *ViT {
	m := &ViT{VisionConfig: c, b: b, plans: windows.NewPlans(b),
		Patch: b.Conv2d(ops.Conv{In: c.Channels, Out: c.Width, Kernel: ops.Square(c.Patch), Stride: ops.Square(c.Patch), Bias: true}),
		Neck:  newNeck(b, c.Width, c.Out),
	}
	if c.Positions {
		m.Positions = &ops.Parameter{Shape: []int{1, c.side(), c.side(), c.Width}}
	}
	for i := range c.Depth {
		m.Blocks = append(m.Blocks, newBlock(b, c, c.window(i)))
	}
	return m
}

func newBlock(b *ops.Builder, c VisionConfig, window int) Block {
	block := Block{
		Norm1: b.LayerNorm(c.Width, c.Eps),
		QKV:   b.Linear(c.Width, 3*c.Width, c.QKVBias, ops.Grouped{Out: 3 * c.Heads}),
		Proj:  b.Linear(c.Width, c.Width, true, ops.Grouped{In: c.Heads}),
		Norm2: b.LayerNorm(c.Width, c.Eps),
		FC1:   b.Linear(c.Width, c.MLP, true),
		FC2:   b.Linear(c.MLP, c.Width, true), window: window,
	}
	if c.Relative {
		side := window
		if side == 0 {
			side = c.side()
		}
		relative := b.RelativePosition(side, side, c.Width/c.Heads)
		block.Relative = &relative
	}
	return block
}

// forward is the map [N, h, w, Out] of images [N, C, H, W].
func (m *ViT) forward(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := m.Patch.Forward(r, pixels) // [N h w D]
	if m.Positions != nil {
		x = ops.AddTable(r, x, m.positions())
	}
	r.Tap("embeddings", x)
	for i := range m.Blocks {
		r.Enter(fmt.Sprintf("vision.blocks.%d", i))
		x = m.block(r, &m.Blocks[i], x)
		r.Leave()
		r.Tap(fmt.Sprintf("layer.%d", i), x)
	}
	return m.Neck.forward(r, x)
}

// positions is the table of the tokens' places, made at the first use.
func (m *ViT) positions() *ops.Table {
	if m.table == nil {
		m.table = m.b.Table("pos_embed", m.side()*m.side(), m.Width)
		m.b.Later(func() error { return m.table.Upload(m.Positions.Values) })
	}
	return m.table
}

// block is x + attention(norm(x)), then x + mlp(norm(x)). x: [N, h, w, D].
func (m *ViT) block(r *gpu.Recorder, b *Block, x *gpu.Tensor) *gpu.Tensor {
	x = b.Proj.Forward(r, m.attention(r, b, b.Norm1.Forward(r, x)), ops.Residual(x))
	return b.FC2.Forward(r, b.FC1.Forward(r, b.Norm2.Forward(r, x), ops.Then(m.Act)), ops.Residual(x))
}

// attention is that of x [N, h, w, D], with the heads as groups. What fills the last
// windows is zero behind the norm, and is looked at as other tokens are.
func (m *ViT) attention(r *gpu.Recorder, b *Block, x *gpu.Tensor) *gpu.Tensor {
	if b.window == 0 {
		return b.attend(r, m.Heads, x, x.Shape[1], x.Shape[2])
	}
	p := m.plans.Of(x.Shape[0], windows.Partition{H: x.Shape[1], W: x.Shape[2], Window: ops.Square(b.window)})
	return ops.Rows(r, b.attend(r, m.Heads, ops.Rows(r, x, p.Into), b.window, b.window), p.Back)
}

// attend is the attention of items of x on maps of h×w tokens.
func (b *Block) attend(r *gpu.Recorder, heads int, x *gpu.Tensor, h, w int) *gpu.Tensor {
	qkv := b.QKV.Forward(r, x)
	var options []ops.AttentionOption
	if b.Relative != nil {
		options = append(options, ops.RelativePositions(b.Relative.Forward(r, qkv, heads, h, w), h, w))
	}
	return ops.Attention(r, qkv, heads, ops.Mask{}, options...)
}

// forward is the map [N, h, w, Out] of tokens [N, h, w, In].
func (n *Neck) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = n.Norm1.Forward(r, n.Conv1.Forward(r, x))
	return n.Norm2.Forward(r, n.Conv2.Forward(r, x))
}
