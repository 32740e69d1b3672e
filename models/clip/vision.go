package clip

import (
	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Vision is the picture tower: a vision transformer.
type Vision struct {
	VisionConfig

	ClassToken *ops.Parameter             `w:"class_token"` // CLIP's, or nil
	Positions  *ops.Parameter             `w:"positions"`
	PatchEmbed ops.Conv2d                 `w:"patch_embed"`
	PreNorm    *ops.LayerNorm             `w:"pre_norm"` // CLIP's, or nil
	Blocks     []transformer.Block        `w:"blocks"`
	PostNorm   ops.LayerNorm              `w:"post_norm"`
	Pool       *transformer.AttentionPool `w:"pool"`       // SigLIP's, or nil
	Projection *ops.Linear                `w:"projection"` // CLIP's, or nil
	Classifier *ops.Linear                `w:"classifier"` // or nil

	b      *ops.Builder
	tables map[[2]int]*ops.Table // the sequence's constant part by patch grid
}

// NewVision makes a picture tower.
func NewVision(b *ops.Builder, c VisionConfig) *Vision {
	v := &Vision{VisionConfig: c, b: b, tables: map[[2]int]*ops.Table{}}
	grid := c.grid(c.Image)
	v.Positions = &ops.Parameter{Shape: []int{c.prefix() + grid[0]*grid[1], c.Block.Width}}
	v.PatchEmbed = b.Conv2d(ops.Conv{In: c.Channels, Out: c.Block.Width, Kernel: c.Patch, Stride: c.Patch, Bias: c.AttentionPool})
	v.Blocks = transformer.Blocks(b, c.Block, c.Depth)
	v.PostNorm = b.LayerNorm(c.Block.Width, c.Block.Eps)
	if c.Classes > 0 {
		classifier := b.Linear(c.Block.Width, c.Classes, true)
		v.Classifier = &classifier
	}
	if c.AttentionPool {
		if !c.Headless {
			v.Pool = transformer.NewAttentionPool(b, c.Block)
		}
		return v
	}
	v.ClassToken = &ops.Parameter{Shape: []int{c.Block.Width}}
	norm := b.LayerNorm(c.Block.Width, c.Block.Eps)
	v.PreNorm = &norm
	if c.Projection > 0 {
		projection := b.Linear(c.Block.Width, c.Projection, false)
		v.Projection = &projection
	}
	return v
}

// Forward records the tower on images [N, C, H, W]. Its output is image_embeds
// [N, D], of unit length; a tower on its own gives last_hidden_state [N, T, D] too, and
// without a projection pooler_output [N, D] in place of the embeddings.
// attentions.i [N, heads, T, T] and last_hidden_state can be asked for. A classifier
// (CLIPForImageClassification, SiglipForImageClassification) gives logits [N, classes]
// alone.
func (v *Vision) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := v.Encode(r, pixels)
	if v.AttentionPool {
		x = v.PostNorm.Forward(r, x)
		r.Tap("norm", x)
	}
	if v.Classifier != nil {
		r.Tap("last_hidden_state", x)
		patches := ops.Mean(r, x, v.prefix(), x.Shape[1]) // [N D]
		r.Tap("pooled", patches)
		r.Output("logits", v.Classifier.Forward(r, patches))
		return
	}
	if v.Alone {
		r.Output("last_hidden_state", x)
	} else {
		r.Tap("last_hidden_state", x)
	}
	if v.Headless {
		return
	}
	pooled := v.pool(r, x)
	if v.Alone && v.Projection == nil {
		r.Output("pooler_output", pooled)
		return
	}
	r.Tap(Projected, pooled)
	embed(r, "image_embeds", pooled)
}

// Projected is an image's embedding [N, D] before it is brought to unit length, which can be
// asked for: image_embeds of transformers' CLIPVisionModelWithProjection.
const Projected = "projected"

// Encode records the tower on images [N, C, H, W] up to its tokens before the last norm,
// [N, T, D].
func (v *Vision) Encode(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := ops.Tokens(r, v.PatchEmbed.Forward(r, pixels), v.table(pixels.Shape[2], pixels.Shape[3])) // [N T D]
	r.Tap("embeddings", x)
	if v.PreNorm != nil {
		x = v.PreNorm.Forward(r, x)
	}
	return transformer.Encode(r, "", v.Blocks, x, nil)
}

// pool is what the tower makes of its tokens x [N, T, D]: [N, D].
func (v *Vision) pool(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if v.Pool != nil {
		return v.Pool.Forward(r, x)
	}
	class := v.PostNorm.Forward(r, ops.Mean(r, x, 0, 1)) // [N D]
	r.Tap("norm", class)
	if v.Projection == nil {
		return class
	}
	return v.Projection.Forward(r, class)
}

// table is the constant part of the sequence for a picture size.
func (v *Vision) table(h, w int) *ops.Table {
	grid := v.grid([2]int{h, w})
	if t, ok := v.tables[grid]; ok {
		return t
	}
	t := v.b.Table("positions", v.prefix()+grid[0]*grid[1], v.Block.Width)
	v.tables[grid] = t
	v.b.Later(func() error { return t.Upload(v.tableValues(grid)) })
	return t
}

// tableValues are the table's rows for a patch grid: the class token with its
// position, then the patches' positions. The parameters must be loaded.
func (v *Vision) tableValues(grid [2]int) []float32 {
	prefix := v.prefix() * v.Block.Width
	values := append([]float32{}, v.Positions.Values[:prefix]...)
	if v.ClassToken != nil {
		for i, x := range v.ClassToken.Values {
			values[i] += x
		}
	}
	return append(values, ops.InterpolatePositions(v.Positions.Values[prefix:], v.Block.Width, v.grid(v.Image), grid, false)...)
}
