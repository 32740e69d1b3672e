package vit

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Model is a vision transformer.
type Model struct {
	Config

	ClassToken     *ops.Parameter             `w:"cls_token"`  // or nil
	DistillToken   *ops.Parameter             `w:"dist_token"` // DeiT's, or nil
	RegisterTokens *ops.Parameter             `w:"reg_token"`  // DINOv2's, or nil
	Prompts        *ops.Parameter             `w:"prompts"`    // or nil
	Positions      *ops.Parameter             `w:"pos_embed"`
	PatchEmbed     ops.Conv2d                 `w:"patch_embed.proj"`
	PreNorm        *ops.LayerNorm             `w:"norm_pre"` // before the blocks, or nil
	Blocks         []transformer.Block        `w:"blocks"`
	Norm           *ops.LayerNorm             `w:"norm"`         // of all tokens, or nil
	AttentionPool  *transformer.AttentionPool `w:"attn_pool"`    // or nil
	PooledNorm     *ops.LayerNorm             `w:"fc_norm"`      // of the pooled tokens, or nil
	Head           *ops.Linear                `w:"head"`         // nil without classes
	DistillHead    *ops.Linear                `w:"head_dist"`    // DeiT's with teacher, or nil
	PatchHead      *ops.Linear                `w:"head_patches"` // what DINOv2's head takes of the patches' mean, or nil
	Pooler         *ops.Linear                `w:"pooler"`       // ViTModel's, or nil

	b       *ops.Builder
	tables  map[[2]int]*ops.Table  // the sequence's constant part by patch grid
	indices map[[2]int]*gpu.Tensor // of prompts that are trained, by sequences and tokens
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, b: b, tables: map[[2]int]*ops.Table{}, indices: map[[2]int]*gpu.Tensor{}}
	if !c.NoClass {
		m.ClassToken = &ops.Parameter{Trains: true, Shape: []int{1, 1, c.Width}}
	}
	if c.Distilled {
		m.DistillToken = &ops.Parameter{Trains: true, Shape: []int{1, 1, c.Width}}
	}
	if c.Registers > 0 {
		m.RegisterTokens = &ops.Parameter{Trains: true, Shape: []int{1, c.Registers, c.Width}}
	}
	if c.Prompts > 0 {
		m.Prompts = &ops.Parameter{Trains: true, Shape: []int{1, c.Prompts, c.Width}}
	}
	grid := c.grid(c.Image)
	m.Positions = &ops.Parameter{Trains: true, Shape: []int{1, c.Placed + grid[0]*grid[1], c.Width}}
	m.PatchEmbed = b.Conv2d(ops.Conv{In: c.Channels, Out: c.Width, Kernel: c.Patch, Stride: c.Patch, Bias: !c.PreNorm})
	block := transformer.Config{Width: c.Width, Heads: c.Heads, MLP: c.MLP, Act: c.Act, Eps: c.Eps, QKVBias: c.QKVBias, Gated: c.Gated}
	m.Blocks = transformer.Blocks(b, block, c.Depth)
	m.addNorms()
	if c.Pool == AttentionPool {
		if c.Gated { // the pool's perceptron is plain, and as wide as both halves
			block.MLP *= 2
		}
		m.AttentionPool = transformer.NewAttentionPool(b, block)
	}
	m.addHeads()
	return m, nil
}

// addNorms makes the norms outside the blocks.
func (m *Model) addNorms() {
	norm := func() *ops.LayerNorm { l := m.b.LayerNorm(m.Width, m.Eps); return &l }
	if m.Config.PreNorm {
		m.PreNorm = norm()
	}
	switch {
	case m.NoNorm:
	case m.Config.PooledNorm:
		m.PooledNorm = norm()
	default:
		m.Norm = norm()
	}
}

// addHeads makes the layers behind the tokens.
func (m *Model) addHeads() {
	linear := func(out int, bias bool) *ops.Linear { l := m.b.Linear(m.Width, out, bias); return &l }
	if m.Classes > 0 {
		m.Head = linear(m.Classes, true)
	}
	if m.Config.DistillHead {
		m.DistillHead = linear(m.Classes, true)
	}
	if m.WithPatches {
		m.PatchHead = linear(m.Classes, false)
	}
	if m.Config.Pooler > 0 {
		m.Pooler = linear(m.Config.Pooler, true)
	}
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, classes] where there are classes (and cls_logits and distillation_logits
// of DeiT with its teacher's head, whose mean logits is), else
// last_hidden_state [N, T, D] and, with a pooler, in a DINOv2 or in one of timm's that
// pools, pooler_output [N, P].
// A classifier's last_hidden_state and the attention probabilities attentions.i
// [N, heads, T, T] can be asked for.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	m.output(r, m.Encode(r, pixels))
}

// Encode records the network up to its tokens, behind the last norm where there is one:
// [N, T, D] of images [N, C, H, W].
func (m *Model) Encode(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := m.embed(r, pixels)
	if m.PreNorm != nil {
		x = m.PreNorm.Forward(r, x)
	}
	x = transformer.Encode(r, "", m.Blocks, x, nil)
	if m.Norm != nil {
		x = m.Norm.Forward(r, x)
		r.Tap("norm", x)
	}
	return x
}

// Stages records the network on images [N, C, H, W] up to the last of the blocks of those
// numbers, counted from one in rising order, and gives what each gave, [N, T, D], behind the
// last norm if it is wanted.
func (m *Model) Stages(r *gpu.Recorder, pixels *gpu.Tensor, numbers []int, normed bool) []*gpu.Tensor {
	x := m.embed(r, pixels)
	var stages []*gpu.Tensor
	for i := range m.Blocks {
		if len(stages) == len(numbers) {
			break
		}
		x = transformer.Step(r, "", m.Blocks, i, x, nil)
		if i+1 != numbers[len(stages)] {
			continue
		}
		if stages = append(stages, x); normed {
			stages[len(stages)-1] = m.Norm.Forward(r, x)
		}
	}
	return stages
}

// embed is the sequence of images [N, C, H, W]: [N, T, D].
func (m *Model) embed(r *gpu.Recorder, pixels *gpu.Tensor) (x *gpu.Tensor) {
	x = m.PatchEmbed.Forward(r, pixels)
	switch h, w := pixels.Shape[2], pixels.Shape[3]; {
	case m.Positions.State != nil:
		x = ops.TokensOf(r, m.b, x, m.trainedTable(r, h, w))
	case m.Prompts != nil && m.Prompts.State != nil:
		x = ops.Tokens(r, x, m.table(h, w))
		x = ops.LearnedRows(r, x, m.Prompts.State, m.promptIndex(x.Shape[0], x.Shape[1]), 0)
	default:
		x = ops.Tokens(r, x, m.table(h, w))
	}
	r.Tap("embeddings", x)
	return x
}

// promptIndex tells which prompt each token of n sequences is.
func (m *Model) promptIndex(n, tokens int) *gpu.Tensor {
	key := [2]int{n, tokens}
	if t, ok := m.indices[key]; ok {
		return t
	}
	first := m.prefix() - m.Config.Prompts
	index := make([]uint32, n*tokens)
	for i := range index {
		if index[i] = ops.NoRow; i%tokens >= first && i%tokens < m.prefix() {
			index[i] = uint32(i%tokens - first)
		}
	}
	m.indices[key] = m.b.Index("prompts", index, n, tokens)
	return m.indices[key]
}

// trainedTable is [Model.table] of parameters that are trained, which are of the size that the
// position embeddings are for.
func (m *Model) trainedTable(r *gpu.Recorder, h, w int) *gpu.Tensor {
	if grid := m.grid([2]int{h, w}); grid != m.grid(m.Image) || m.Buckets {
		r.Fail(fmt.Errorf("images of %dx%d pixels: position embeddings are trained at their own size alone; give images of %dx%d", w, h, m.Image[1], m.Image[0]))
	}
	var parts []ops.Stacked
	rows := 0
	for _, p := range []*ops.Parameter{m.ClassToken, m.DistillToken, m.RegisterTokens, m.Prompts} {
		if p == nil {
			continue
		}
		part := ops.Stacked{A: p.State, Count: p.State.Rows()}
		if rows < m.Placed {
			part.B, part.FirstB = m.Positions.State, rows
		}
		parts, rows = append(parts, part), rows+part.Count
	}
	return ops.Stack(r, append(parts, ops.Stacked{A: m.Positions.State, First: m.Placed, Count: m.Positions.State.Rows() - m.Placed})...)
}

// output pools the tokens x [N, T, D] and records the heads.
func (m *Model) output(r *gpu.Recorder, x *gpu.Tensor) {
	if m.Head == nil {
		r.Output("last_hidden_state", x)
	} else {
		r.Tap("last_hidden_state", x)
	}
	if m.Head == nil && m.Pooler == nil && !m.Pooled {
		return
	}
	pooled := m.pool(r, x)
	switch {
	case m.Pooler != nil:
		r.Output("pooler_output", m.Pooler.Forward(r, pooled, ops.Then(m.PoolerAct)))
	case m.Head == nil:
		r.Output("pooler_output", pooled)
	}
	if m.Head != nil {
		r.Output("logits", m.logits(r, x, pooled))
	}
}

// pool is what the heads take of the tokens x [N, T, D]: [N, D], or without a
// pooling all of them.
func (m *Model) pool(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	first, end := m.prefix(), x.Shape[1]
	if m.PoolsPrefix {
		first = 0
	}
	pooled := x
	switch m.Pool {
	case ClassPool:
		pooled = ops.Mean(r, x, 0, 1)
	case MeanPool:
		pooled = ops.Mean(r, x, first, end)
	case MaxPool:
		pooled = ops.Max(r, x, first)
	case MeanMaxPool:
		pooled = ops.Add(r, ops.Max(r, x, first), ops.Mean(r, x, first, end), 0.5)
	case AttentionPool:
		pooled = m.AttentionPool.Forward(r, x)
	}
	if m.PooledNorm != nil {
		pooled = m.PooledNorm.Forward(r, pooled)
	}
	r.Tap("pooled", pooled)
	return pooled
}

// logits are those of the pooled tokens [N, D] of x [N, T, D]: [N, classes], or
// without a pooling [N, T, classes].
func (m *Model) logits(r *gpu.Recorder, x, pooled *gpu.Tensor) *gpu.Tensor {
	logits := m.Head.Forward(r, pooled)
	if m.PatchHead != nil {
		patches := ops.Mean(r, x, m.prefix(), x.Shape[1])
		r.Tap("pooled_patches", patches)
		return m.PatchHead.Forward(r, patches, ops.Residual(logits))
	}
	if m.DistillHead != nil {
		teacher := m.DistillHead.Forward(r, ops.Mean(r, x, 1, 2))
		r.Output("cls_logits", logits)
		r.Output("distillation_logits", teacher)
		logits = ops.Add(r, logits, teacher, 0.5)
	}
	return logits
}

// table is the constant part of the sequence for a picture size: the tokens
// before the patches, those of them that have positions with these, and the
// patches' positions.
func (m *Model) table(h, w int) *ops.Table {
	grid := m.grid([2]int{h, w})
	if t, ok := m.tables[grid]; ok {
		return t
	}
	t := m.b.Table("pos_embed", m.prefix()+grid[0]*grid[1], m.Width)
	m.tables[grid] = t
	m.b.Later(func() error { return t.Upload(m.tableValues(grid)) })
	return t
}

// tableValues are the table's rows for a patch grid. The parameters must be loaded.
func (m *Model) tableValues(grid [2]int) []float32 {
	var values []float32
	for _, t := range []*ops.Parameter{m.ClassToken, m.DistillToken, m.RegisterTokens, m.Prompts} {
		if t != nil {
			values = append(values, t.Values...)
		}
	}
	placed := m.Placed * m.Width
	for i, v := range m.Positions.Values[:placed] {
		values[i] += v
	}
	return append(values, m.patchPositions(m.Positions.Values[placed:], grid)...)
}

// patchPositions brings the patches' position embeddings to a patch grid.
func (m *Model) patchPositions(positions []float32, grid [2]int) []float32 {
	from := m.grid(m.Image)
	if m.Buckets {
		return bucketPositions(positions, m.Width, from, grid)
	}
	if m.Linear {
		return ops.InterpolateLinear(positions, m.Width, from, grid)
	}
	if m.Offset != 0 {
		return ops.InterpolatePositionsOffset(positions, m.Width, from, grid, m.Offset)
	}
	return ops.InterpolatePositions(positions, m.Width, from, grid, m.Antialias)
}

// bucketPositions takes for each patch of a grid the position embedding of the place in
// the grid from that it falls in. (The classes compute that in f32, by which for some
// sizes, such as 19 or 25 patches a side, a patch on a boundary falls beneath it, on
// processors of some vector widths; for those of published checkpoints, 26, 27 and 32, it
// does not.)
func bucketPositions(positions []float32, width int, from, grid [2]int) []float32 {
	var all []float32
	for y := range grid[0] {
		for x := range grid[1] {
			place := y*from[0]/grid[0]*from[1] + x*from[1]/grid[1]
			all = append(all, positions[place*width:][:width]...)
		}
	}
	return all
}
