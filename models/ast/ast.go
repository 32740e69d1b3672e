package ast

import (
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// InputValues is the name of the spectrograms, [N, frames, bins].
const InputValues = "input_values"

// Config is what the network's size depends on.
type Config struct {
	Frames, Bins int    // of a spectrogram
	Patch        int    // a side
	Stride       [2]int // from patch to patch along bins and along frames
	Block        transformer.Config
	Depth        int // blocks
	Classes      int // 0: the tokens alone

	Labels []string
	Scores nn.Scores
}

// Model is the network. Its tokens are the class token, the distillation token and the
// patches, those of the lowest bins first.
type Model struct {
	Config

	ClassToken   *ops.Parameter      `w:"cls_token"`
	DistillToken *ops.Parameter      `w:"dist_token"`
	Positions    *ops.Parameter      `w:"pos_embed"`
	PatchEmbed   ops.Conv2d          `w:"patch_embed.proj"`
	Blocks       []transformer.Block `w:"blocks"`
	Norm         ops.LayerNorm       `w:"norm"`
	HeadNorm     *ops.LayerNorm      `w:"head_norm"` // nil without classes
	Head         *ops.Linear         `w:"head"`

	table *ops.Table // the sequence's constant part
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	width := c.Block.Width
	rows, columns := c.Spectrogram().Grid()
	tokens := prefix + rows*columns
	m := &Model{Config: c,
		ClassToken:   &ops.Parameter{Shape: []int{1, 1, width}},
		DistillToken: &ops.Parameter{Shape: []int{1, 1, width}},
		Positions:    &ops.Parameter{Shape: []int{1, tokens, width}},
		PatchEmbed:   b.Conv2d(ops.Conv{In: 1, Out: width, Kernel: ops.Square(c.Patch), Stride: c.Stride, Bias: true}),
		Blocks:       transformer.Blocks(b, c.Block, c.Depth),
		Norm:         b.LayerNorm(width, c.Block.Eps),
		table:        b.Table("pos_embed", tokens, width),
	}
	if c.Classes > 0 {
		norm, head := b.LayerNorm(width, c.Block.Eps), b.Linear(width, c.Classes, true)
		m.HeadNorm, m.Head = &norm, &head
	}
	b.Later(func() error { return m.table.Upload(m.constant()) })
	return m, nil
}

// constant are the tokens before the patches with their positions, and the positions.
func (m *Model) constant() []float32 {
	values := append([]float32(nil), m.Positions.Values...)
	for i, v := range m.ClassToken.Values {
		values[i] += v
	}
	for i, v := range m.DistillToken.Values {
		values[m.Block.Width+i] += v
	}
	return values
}

// Forward records the network on spectrograms [N, 1, bins, frames]. Its output is logits
// [N, classes], without classes last_hidden_state [N, T, D] and pooler_output [N, D], the
// mean of the class and the distillation token.
func (m *Model) Forward(r *gpu.Recorder, x *gpu.Tensor) {
	x = ops.Tokens(r, m.PatchEmbed.Forward(r, x), m.table) // [N T D]
	r.Tap("embeddings", x)
	x = m.Norm.Forward(r, transformer.Encode(r, "", m.Blocks, x, nil))
	pooled := ops.Mean(r, x, 0, prefix) // [N D]
	if m.Head == nil {
		r.Output("last_hidden_state", x)
		r.Output("pooler_output", pooled)
		return
	}
	r.Tap("last_hidden_state", x)
	r.Tap("pooler_output", pooled)
	r.Output("logits", m.Head.Forward(r, m.HeadNorm.Forward(r, pooled)))
}

// Spectrogram is how the network cuts its spectrograms.
func (c Config) Spectrogram() *nn.Spectrogram {
	return &nn.Spectrogram{Input: InputValues, Frames: c.Frames, Bins: c.Bins, Patch: c.Patch, Stride: c.Stride, Prefix: prefix}
}

// prefix are the class and the distillation token.
const prefix = 2

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{
		"max_length": c.Frames, "num_mel_bins": c.Bins, "patch_size": c.Patch, "frequency_stride": c.Stride[0], "time_stride": c.Stride[1], "hidden_size": c.Block.Width,
		"num_hidden_layers": c.Depth, "num_attention_heads": c.Block.Heads, "intermediate_size": c.Block.MLP,
	} {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	if c.Block.Width%c.Block.Heads != 0 {
		return fmt.Errorf("the config's hidden_size %d is not a multiple of its %d attention heads", c.Block.Width, c.Block.Heads)
	}
	if c.Bins < c.Patch || c.Frames < c.Patch {
		return fmt.Errorf("the config's spectrogram of %d frames of %d bins is smaller than its patch of %d", c.Frames, c.Bins, c.Patch)
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
		Inputs: []nn.Input{{Name: InputValues, Dims: nn.Dims("N", c.Frames, c.Bins), Convert: turned}},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) { m.Forward(r, in[InputValues]) },
	}}}, nil
}

// turned brings spectrograms [N, frames, bins] to the pictures [N, 1, bins, frames] that
// the patches are cut from.
func turned(in map[string]nn.Array) (nn.Array, error) {
	x := in[InputValues]
	if len(x.Shape) != 3 {
		return nn.Array{}, errors.New("it is no spectrogram")
	}
	n, frames, bins := x.Shape[0], x.Shape[1], x.Shape[2]
	out := nn.Array{Shape: []int{n, 1, bins, frames}, Data: make([]float32, len(x.Data))}
	for i, v := range x.Data {
		item, t, b := i/(frames*bins), i/bins%frames, i%bins
		out.Data[(item*bins+b)*frames+t] = v
	}
	return out, nil
}

// Standard is the architecture as published, with AudioSet's 527 classes.
func Standard(name string) (Config, bool) {
	if name != "ast_base" {
		return Config{}, false
	}
	return Config{Frames: 1024, Bins: 128, Patch: 16, Stride: [2]int{10, 10}, Depth: 12, Classes: 527,
		Block: transformer.Config{Width: 768, Heads: 12, MLP: 3072, Act: ops.GELU, Eps: 1e-12, QKVBias: true}}, true
}
