package sam

import (
	"fmt"
	"maps"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/windows"
	"saccade/ops"
)

// HieraConfig is what the size of a Hiera depends on.
type HieraConfig struct {
	Channels            int
	Kernel, Stride, Pad [2]int // of patches, which overlap
	Background          [2]int // height and width of the position embeddings that are resampled
	Stages              []HieraStage
	Pool                [2]int // by what queries are pooled where they are
	Pools               int    // stages from the second on whose first block pools queries
	Global              []int  // blocks, counted through, whose attention is over the whole map
	Act                 ops.Activation
	Eps                 float64
}

// HieraStage is the size of a stage. Its first block has the windows of the stage before.
type HieraStage struct{ Depth, Width, Inner, Heads, Window int }

// hieraBlock is the size of a block.
type hieraBlock struct {
	in, width, inner, heads int
	window                  int  // 0: the map
	pool                    bool // of the queries
}

// blocks are those of all stages.
func (c HieraConfig) blocks() (all []hieraBlock) {
	in, window := c.Stages[0].Width, c.Stages[0].Window
	for i, s := range c.Stages {
		for j := range s.Depth {
			b := hieraBlock{in: in, width: s.Width, inner: s.Inner, heads: s.Heads, window: window, pool: j == 0 && 0 < i && i <= c.Pools}
			if slices.Contains(c.Global, len(all)) {
				b.window = 0
			}
			all = append(all, b)
			in, window = s.Width, s.Window
		}
	}
	return all
}

// maps are the heights and widths of the stages' maps of a picture, or an error if it is
// of a size that they do not divide.
func (c HieraConfig) maps(image [2]int) ([][2]int, error) {
	var size [2]int
	for axis := range size {
		size[axis] = (image[axis]+2*c.Pad[axis]-c.Kernel[axis])/c.Stride[axis] + 1
		if window := c.Stages[0].Window; size[axis] < 1 || size[axis]%window != 0 {
			return nil, fmt.Errorf("pictures of %v make maps of %v tokens along an axis, which must be a multiple of the first windows' %d", image, size[axis], window)
		}
	}
	maps := make([][2]int, len(c.Stages))
	for i := range maps {
		if 0 < i && i <= c.Pools {
			for axis := range size {
				if size[axis]%c.Pool[axis] != 0 {
					return nil, fmt.Errorf("pictures of %v make maps of %v in stage %d, which do not divide by the %v of the pooling", image, size, i-1, c.Pool)
				}
				size[axis] /= c.Pool[axis]
			}
		}
		maps[i] = size
	}
	return maps, nil
}

// check refuses what no network can be made of.
func (c HieraConfig) check() error {
	sizes := map[string]int{"num_channels": c.Channels, "number of stages": len(c.Stages)}
	for name, pair := range map[string][2]int{"patch_kernel_size": c.Kernel, "patch_stride": c.Stride, "window_positional_embedding_background_size": c.Background, "query_stride": c.Pool} {
		sizes[name] = min(pair[0], pair[1])
	}
	for i, s := range c.Stages {
		for name, n := range map[string]int{"width": s.Width, "depth": s.Depth, "inner width": s.Inner, "number of heads": s.Heads, "window": s.Window} {
			sizes[fmt.Sprintf("%s of stage %d", name, i)] = n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if n := sizes[name]; n < 1 || n > 1<<16 {
			return fmt.Errorf("the encoder's %s is %d; expected 1 to %d", name, n, 1<<16)
		}
	}
	if c.Pools < 0 || c.Pools >= len(c.Stages) {
		return fmt.Errorf("num_query_pool_stages is %d; expected fewer than the %d stages", c.Pools, len(c.Stages))
	}
	for i, b := range c.blocks() {
		if b.pool && b.window == 0 {
			return fmt.Errorf("block %d pools queries and is among global_attention_blocks; its attention must be within windows", i)
		}
	}
	for i, s := range c.Stages {
		switch before := c.Stages[max(0, i-1)]; {
		case s.Width%s.Heads != 0:
			return fmt.Errorf("stage %d's width of %d does not make its %d heads", i, s.Width, s.Heads)
		case s.Window > 64:
			return fmt.Errorf("stage %d's windows are of %d tokens a side; at most 64 are supported", i, s.Window)
		case 0 < i && i <= c.Pools && (before.Window%c.Pool[0] != 0 || before.Window%c.Pool[1] != 0 || c.Pool[0] != c.Pool[1]):
			return fmt.Errorf("windows of %d tokens a side do not divide by the query_stride %v of stage %d", before.Window, c.Pool, i)
		case 0 < i && i <= c.Pools && s.Width == before.Width:
			return fmt.Errorf("stage %d pools queries and is as wide as the one before, which is not supported", i)
		}
	}
	return nil
}

// Hiera is the hierarchical vision transformer of SAM 2 (Ryali et al. 2023, Bolya et al.
// 2024), whose position embeddings are those of the map and of a window together.
type Hiera struct {
	HieraConfig

	Patch     ops.Conv2d     `w:"patch"`
	Positions *ops.Parameter `w:"positions"`        // [1, D, h, w], resampled
	InWindow  *ops.Parameter `w:"window_positions"` // [1, D, window, window], repeated
	Blocks    []HieraBlock   `w:"blocks"`

	b      *ops.Builder
	plans  *windows.Plans
	tables map[[2]int]*ops.Table // position embeddings by map
}

// HieraBlock is attention within windows, then a perceptron.
type HieraBlock struct {
	Norm1 ops.LayerNorm `w:"norm1"`
	QKV   *ops.Linear   `w:"qkv"` // nil where queries are pooled, which are apart:
	Q     *ops.Linear   `w:"q"`
	KV    *ops.Linear   `w:"kv"`
	Proj  ops.Linear    `w:"proj"`
	Skip  *ops.Linear   `w:"skip"` // of another width than the block before, or nil
	Norm2 ops.LayerNorm `w:"norm2"`
	FC1   ops.Linear    `w:"fc1"`
	FC2   ops.Linear    `w:"fc2"`

	hieraBlock
}

func newHiera(b *ops.Builder, c HieraConfig) Hiera {
	first := c.Stages[0]
	h := Hiera{
		HieraConfig: c, b: b, plans: windows.NewPlans(b), tables: map[[2]int]*ops.Table{},
		Patch: b.Conv2d(ops.Conv{In: c.Channels, Out: first.Width, Kernel: c.Kernel, Stride: c.Stride, Bias: true,
			Pad: ops.Padding{Top: c.Pad[0], Bottom: c.Pad[0], Left: c.Pad[1], Right: c.Pad[1]}}),
		Positions: &ops.Parameter{Shape: []int{1, first.Width, c.Background[0], c.Background[1]}},
		InWindow:  &ops.Parameter{Shape: []int{1, first.Width, first.Window, first.Window}},
	}
	for _, size := range c.blocks() {
		h.Blocks = append(h.Blocks, newHieraBlock(b, c, size))
	}
	return h
}

func newHieraBlock(b *ops.Builder, c HieraConfig, size hieraBlock) HieraBlock {
	linear := func(in, out int, groups ops.Grouped) *ops.Linear {
		l := b.Linear(in, out, true, groups)
		return &l
	}
	block := HieraBlock{
		hieraBlock: size,
		Norm1:      b.LayerNorm(size.in, c.Eps),
		Proj:       b.Linear(size.width, size.width, true, ops.Grouped{In: size.heads}),
		Norm2:      b.LayerNorm(size.width, c.Eps),
		FC1:        b.Linear(size.width, size.inner, true),
		FC2:        b.Linear(size.inner, size.width, true),
	}
	if size.pool {
		block.Q, block.KV = linear(size.in, size.width, ops.Grouped{Out: size.heads}), linear(size.in, 2*size.width, ops.Grouped{Out: 2 * size.heads})
	} else {
		block.QKV = linear(size.in, 3*size.width, ops.Grouped{Out: 3 * size.heads})
	}
	if size.in != size.width {
		block.Skip = linear(size.in, size.width, ops.Grouped{})
	}
	return block
}

// forward gives the maps [N, h, w, C] of the stages of images [N, C, H, W], the finest first.
func (h *Hiera) forward(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	x := h.Patch.Forward(r, pixels) // [N h w C]
	x = ops.AddTable(r, x, h.positions([2]int{x.Shape[1], x.Shape[2]}))
	r.Tap("stem", x)
	var maps []*gpu.Tensor
	end := h.Stages[0].Depth
	for i := range h.Blocks {
		r.Enter(fmt.Sprintf("blocks.%d", i))
		x = h.block(r, &h.Blocks[i], x)
		r.Leave()
		r.Tap(fmt.Sprintf("layer.%d", i), x)
		if i == end-1 {
			maps = append(maps, x)
			if len(maps) < len(h.Stages) {
				end += h.Stages[len(maps)].Depth
			}
		}
	}
	return maps
}

// block is x + attention, then + perceptron, of x [N, H, W, C]. Where queries are pooled,
// so is what the attention is added to.
func (h *Hiera) block(r *gpu.Recorder, b *HieraBlock, x *gpu.Tensor) *gpu.Tensor {
	normed := b.Norm1.Forward(r, x)
	if b.Skip != nil {
		x = b.Skip.Forward(r, normed)
	}
	if b.pool {
		x = ops.MaxPool(r, x, ops.Pool{Kernel: h.Pool})
	}
	x = b.Proj.Forward(r, h.attention(r, b, normed), ops.Residual(x))
	y := b.FC1.Forward(r, b.Norm2.Forward(r, x), ops.Then(h.Act))
	return b.FC2.Forward(r, y, ops.Residual(x))
}

// attention is that of x [N, H, W, C] within the windows, which zeros fill up.
func (h *Hiera) attention(r *gpu.Recorder, b *HieraBlock, x *gpu.Tensor) *gpu.Tensor {
	n, height, width := x.Shape[0], x.Shape[1], x.Shape[2]
	window := ops.Square(b.window)
	if b.window > 0 {
		x = ops.Rows(r, x, h.plans.Of(n, windows.Partition{H: height, W: width, Window: window}).Into) // [N·windows h w C]
	}
	if !b.pool {
		x = ops.Attention(r, b.QKV.Forward(r, x), b.heads, ops.Mask{})
	} else {
		q := ops.MaxPool(r, b.Q.Forward(r, x), ops.Pool{Kernel: h.Pool})
		x = ops.KeyValueAttention(r, q, b.heads, b.KV.Forward(r, x), ops.Mask{})
		height, width = height/h.Pool[0], width/h.Pool[1]
		window = [2]int{window[0] / h.Pool[0], window[1] / h.Pool[1]}
	}
	if b.window > 0 {
		x = ops.Rows(r, x, h.plans.Of(n, windows.Partition{H: height, W: width, Window: window}).Back)
	}
	return x
}

// positions is the table of a map's position embeddings, made at the first use.
func (h *Hiera) positions(size [2]int) *ops.Table {
	if t, ok := h.tables[size]; ok {
		return t
	}
	width, window := h.Stages[0].Width, h.Stages[0].Window
	t := h.b.Table("positions", size[0]*size[1], width)
	h.b.Later(func() error {
		values := slices.Clone(ops.InterpolatePositions(pixelsFirst(h.Positions.Values, width), width, h.Background, size, false))
		inWindow := pixelsFirst(h.InWindow.Values, width)
		for i := range values {
			y, x, c := i/width/size[1], i/width%size[1], i%width
			values[i] += inWindow[(y%window*window+x%window)*width+c]
		}
		return t.Upload(values)
	})
	h.tables[size] = t
	return t
}

// pixelsFirst are the values of a map [channels, pixels] as [pixels, channels].
func pixelsFirst(values []float32, channels int) []float32 {
	pixels := len(values) / channels
	turned := make([]float32, len(values))
	for i, v := range values {
		turned[i%pixels*channels+i/pixels] = v
	}
	return turned
}
