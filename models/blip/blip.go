package blip

import (
	"saccade/gpu"
	"saccade/models/bert"
	"saccade/models/internal/transformer"
	"saccade/models/vit"
	"saccade/ops"
)

// Task is what a checkpoint was trained for.
type Task int

// The tasks, by transformers' classes.
const (
	Caption Task = iota // BlipForConditionalGeneration
	Answer              // BlipForQuestionAnswering
	Match               // BlipForImageTextRetrieval
)

// Config is what a BLIP's size depends on.
type Config struct {
	Task   Task
	Vision vit.Config
	Text   TextConfig
	Shared int // width of the embeddings that Match compares
}

// TextConfig is what the size of a text encoder or decoder depends on, and its special
// tokens.
type TextConfig struct {
	bert.TextConfig
	Start, End, Pad int // token ids
}

// Model is a BLIP.
type Model struct {
	Config

	Vision     *vit.Model  `w:"vision"`
	Encoder    *bert.Text  `w:"encoder"` // of Answer's questions and Match's texts, or nil
	Decoder    *bert.Text  `w:"decoder"` // of Caption and Answer, or nil
	Head       *Head       `w:"head"`    // of the decoder
	VisionProj *ops.Linear `w:"vision_proj"`
	TextProj   *ops.Linear `w:"text_proj"`
	ITM        *ops.Linear `w:"itm_head"` // of Match, as the other two
}

// Head gives the logits of the next token.
type Head struct {
	Transform ops.Linear    `w:"transform"`
	Norm      ops.LayerNorm `w:"norm"`
	Decoder   ops.Linear    `w:"decoder"`

	act ops.Activation
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	vision, err := vit.New(b, c.Vision)
	if err != nil {
		return nil, err
	}
	m := &Model{Config: c, Vision: vision}
	if c.Task != Caption {
		m.Encoder = bert.NewText(b, c.Text.TextConfig)
	}
	if c.Task == Match {
		linear := func(in, out int) *ops.Linear { l := b.Linear(in, out, true); return &l }
		m.VisionProj, m.TextProj, m.ITM = linear(c.Vision.Width, c.Shared), linear(c.Text.Layer.Width, c.Shared), linear(c.Text.Layer.Width, 2)
		return m, nil
	}
	t := c.Text.Layer
	m.Decoder = bert.NewText(b, c.Text.TextConfig)
	m.Head = &Head{Transform: b.Linear(t.Width, t.Width, true), Norm: b.LayerNorm(t.Width, t.Eps), Decoder: b.Linear(t.Width, c.Text.Vocab, true), act: t.Act}
	return m, nil
}

// forward is the logits of states x [R, T, D]: f32 [R, T, Vocab].
func (h *Head) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return h.Decoder.Forward(r, h.Norm.Forward(r, h.Transform.Forward(r, x, ops.Then(h.act))), ops.Floats())
}

// patches are the states of images [N, C, H, W] behind the last norm, [N, S, D].
func (m *Model) patches(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := m.Vision.Encode(r, pixels)
	r.Output("encoder_last_hidden_state", x)
	return x
}

// question is the states of a question about patches, [N, T, D].
func (m *Model) question(r *gpu.Recorder, patches, ids, positions, lengths *gpu.Tensor) *gpu.Tensor {
	return m.Encoder.Forward(r, "question.", ids, positions, nil, transformer.Sight{Mask: ops.Mask{Lengths: lengths}, Memory: m.Encoder.Remember(r, patches)})
}

// match records how well texts go with images, itm_score [N, 2]: the logits of not and
// of well.
func (m *Model) match(r *gpu.Recorder, pixels, ids, positions, lengths *gpu.Tensor) {
	x := m.question(r, m.patches(r, pixels), ids, positions, lengths)
	r.Output("itm_score", m.ITM.Forward(r, ops.Mean(r, x, 0, 1), ops.Floats()))
}

// embedImage records the image's embedding of unit length, [N, Shared].
func (m *Model) embedImage(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := m.patches(r, pixels)
	r.Output("image_embeds", ops.Normalize(r, m.VisionProj.Forward(r, ops.Mean(r, x, 0, 1))))
}

// embedText records that of a text, read without an image.
func (m *Model) embedText(r *gpu.Recorder, ids, positions, lengths *gpu.Tensor) {
	x := m.Encoder.Forward(r, "text.", ids, positions, nil, transformer.Sight{Mask: ops.Mask{Lengths: lengths}})
	r.Output("text_embeds", ops.Normalize(r, m.TextProj.Forward(r, ops.Mean(r, x, 0, 1))))
}
