package whisper

import (
	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Model is a Whisper.
type Model struct {
	Config

	Encoder *Encoder    `w:"encoder"`
	Decoder *Decoder    `w:"decoder"`
	Head    *ops.Linear `w:"head"` // tied to the tokens
}

// Encoder reads a spectrogram.
type Encoder struct {
	Conv1     ops.Conv2d          `w:"conv1"`
	Conv2     ops.Conv2d          `w:"conv2"`
	Positions *ops.Parameter      `w:"positions"`
	Blocks    []transformer.Block `w:"blocks"`
	Norm      ops.LayerNorm       `w:"norm"`

	table *ops.Table // the positions
}

// Decoder writes a text.
type Decoder struct {
	Tokens    ops.Embedding       `w:"tokens"`
	Positions ops.Embedding       `w:"positions"`
	Layers    []transformer.Layer `w:"layers"`
	Norm      ops.LayerNorm       `w:"norm"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	head := b.Linear(c.EncoderBlock.Width, c.Vocab, false)
	return &Model{Config: c, Encoder: newEncoder(b, c), Decoder: newDecoder(b, c), Head: &head}, nil
}

// newEncoder makes the encoder. Its convolutions along time are of one row.
func newEncoder(b *ops.Builder, c Config) *Encoder {
	width := c.EncoderBlock.Width
	conv := func(in, stride int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: width, Kernel: [2]int{1, 3}, Stride: [2]int{1, stride}, Pad: ops.Padding{Left: 1, Right: 1}, Bias: true})
	}
	e := &Encoder{
		Conv1: conv(c.Bins, 1), Conv2: conv(width, stride),
		Positions: &ops.Parameter{Shape: []int{c.States, width}},
		Blocks:    transformer.Blocks(b, c.EncoderBlock, c.EncoderDepth), Norm: b.LayerNorm(width, eps),
		table: b.Table("positions", c.States, width),
	}
	b.Later(func() error { return e.table.Upload(e.Positions.Values) })
	return e
}

func newDecoder(b *ops.Builder, c Config) *Decoder {
	width := c.DecoderLayer.Width
	return &Decoder{
		Tokens: b.Embedding(c.Vocab, width), Positions: b.Embedding(c.Length, width),
		Layers: transformer.NewLayers(b, c.DecoderLayer, c.DecoderDepth), Norm: b.LayerNorm(width, eps),
	}
}

// forward is the states [N, frames/2, D] of spectrograms [N, bins, frames].
func (e *Encoder) forward(r *gpu.Recorder, spectrogram *gpu.Tensor) *gpu.Tensor {
	x := e.Conv1.Forward(r, spectrogram, ops.Then(ops.GELU)) // [N 1 frames D]
	r.Tap("encoder_conv1", x)
	x = ops.Tokens(r, e.Conv2.Forward(r, x, ops.Then(ops.GELU)), e.table) // [N frames/2 D]
	r.Tap("encoder_embeddings", x)
	x = e.Norm.Forward(r, transformer.Encode(r, "encoder_", e.Blocks, x, nil))
	r.Output("encoder_last_hidden_state", x)
	return x
}

// remember is what the cross-attentions of all layers read of states x [N, S, D].
func (d *Decoder) remember(r *gpu.Recorder, x *gpu.Tensor) []*gpu.Tensor {
	memory := make([]*gpu.Tensor, len(d.Layers))
	for i := range d.Layers {
		memory[i] = d.Layers[i].Remember(r, x)
	}
	return memory
}

// forward is the states [R, T, D] of ids and their positions, u32 [R, T].
func (d *Decoder) forward(r *gpu.Recorder, ids, positions *gpu.Tensor, s transformer.Sight) *gpu.Tensor {
	x := ops.Add(r, d.Tokens.Forward(r, ids, nil), d.Positions.Forward(r, positions, nil), 1)
	r.Tap("embeddings", x)
	return d.Norm.Forward(r, transformer.Run(r, "", d.Layers, x, s))
}
