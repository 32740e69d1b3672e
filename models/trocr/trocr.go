package trocr

import (
	"math"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/vit"
	"saccade/ops"
)

// Config is what a TrOCR's size depends on.
type Config struct {
	Encoder vit.Config
	Decoder DecoderConfig
	// Project says that a layer brings the patches to the decoder's width, which its
	// cross-attentions read; else they read the encoder's.
	Project bool
}

// DecoderConfig is what the decoder's size depends on, and its special tokens.
type DecoderConfig struct {
	Layer      transformer.LayerConfig
	Depth      int // layers
	Vocab      int // token ids
	Length     int // the most tokens of a text
	Sinusoidal bool
	Norm       bool // the embeddings are normed
	Scaled     bool // the tokens' embeddings are multiplied by √width, which is folded into them
	Tied       bool // the head's weight is that of the tokens' embeddings
	Start, Pad int
	End        []int
}

// Model is a TrOCR.
type Model struct {
	Config

	Encoder   *vit.Model          `w:"encoder"`
	Project   *ops.Linear         `w:"enc_to_dec_proj"` // or nil
	Tokens    ops.Embedding       `w:"tokens"`
	Positions ops.Embedding       `w:"positions"`
	Norm      *ops.LayerNorm      `w:"norm"` // or nil
	Layers    []transformer.Layer `w:"layers"`
	Head      ops.Linear          `w:"head"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	encoder, err := vit.New(b, c.Encoder)
	if err != nil {
		return nil, err
	}
	d := c.Decoder
	m := &Model{
		Config: c, Encoder: encoder,
		Tokens: b.Embedding(d.Vocab, d.Layer.Width), Positions: b.Embedding(d.positions(), d.Layer.Width),
		Layers: transformer.NewLayers(b, d.Layer, d.Depth),
		Head:   b.Linear(d.Layer.Width, d.Vocab, false),
	}
	if c.Project {
		l := b.Linear(c.Encoder.Width, d.Layer.Width, true)
		m.Project = &l
	}
	if d.Norm {
		l := b.LayerNorm(d.Layer.Width, d.Layer.Eps)
		m.Norm = &l
	}
	return m, nil
}

// patches are the states of images [N, C, H, W] behind the encoder's last norm,
// [N, S, D].
func (m *Model) patches(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := m.Encoder.Encode(r, pixels)
	r.Output("encoder_last_hidden_state", x)
	return x
}

// remember is what the cross-attentions of all layers read of patches.
func (m *Model) remember(r *gpu.Recorder, patches *gpu.Tensor) []*gpu.Tensor {
	if m.Project != nil {
		patches = m.Project.Forward(r, patches)
	}
	memory := make([]*gpu.Tensor, len(m.Layers))
	for i := range m.Layers {
		memory[i] = m.Layers[i].Remember(r, patches)
	}
	return memory
}

// states are those of ids and their positions, u32 [R, T]: [R, T, D].
func (m *Model) states(r *gpu.Recorder, ids, positions *gpu.Tensor, s transformer.Sight) *gpu.Tensor {
	x := ops.Add(r, m.Tokens.Forward(r, ids, nil), m.Positions.Forward(r, positions, nil), 1)
	if m.Norm != nil {
		x = m.Norm.Forward(r, x)
	}
	r.Tap("embeddings", x)
	return transformer.Run(r, "", m.Layers, x, s)
}

// logits are those of states x [R, T, D]: f32 [R, T, Vocab].
func (m *Model) logits(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return m.Head.Forward(r, x, ops.Floats())
}

// ahead is how many learned positions stand before that of the first token.
const ahead = 2

// positions is the number of embedded positions. Of sinusoidal ones those up to the pad
// token's are none of a text.
func (d DecoderConfig) positions() int {
	if d.Sinusoidal {
		return d.Pad + 1 + d.Length
	}
	return ahead + d.Length
}

// place are the numbers of the positions of tokens behind so many others. Of sinusoidal
// ones padding has its own, and is not counted but where it stands before a step, as
// the class counts.
func (d DecoderConfig) place(ids []uint32, before int) []uint32 {
	all, at := make([]uint32, len(ids)), before
	for i, id := range ids {
		switch {
		case !d.Sinusoidal:
			all[i] = uint32(ahead + before + i)
		case int(id) == d.Pad:
			all[i] = uint32(d.Pad)
		default:
			at++
			all[i] = uint32(d.Pad + at)
		}
	}
	return all
}

// sinusoids are the values of sinusoidal positions, sines before cosines, in f32 as the
// class computes them; zeros are the pad token's and the last of an odd width.
func (d DecoderConfig) sinusoids() []float32 {
	width, half := d.Layer.Width, d.Layer.Width/2
	values := make([]float32, d.positions()*width)
	step := float32(-math.Log(10000) / float64(half-1))
	for p := range d.positions() {
		if p == d.Pad {
			continue
		}
		row := values[p*width:]
		for i := range half {
			frequency := float32(math.Exp(float64(float32(i) * step)))
			angle := float64(float32(p) * frequency)
			row[i], row[half+i] = float32(math.Sin(angle)), float32(math.Cos(angle))
		}
	}
	return values
}
