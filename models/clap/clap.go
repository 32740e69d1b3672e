package clap

import (
	"math"
	"slices"

	"saccade/gpu"
	"saccade/models/bert"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/models/swin"
	"saccade/ops"
)

// Names of inputs and outputs.
const (
	InputFeatures = "input_features" // [N, 1 or 4, frames, bins]
	IsLonger      = "is_longer"      // [N, 1]
	AudioEmbeds   = "audio_embeds"
	TextEmbeds    = "text_embeds"
)

// Config is what the sizes of both towers depend on.
type Config struct {
	Audio      AudioConfig
	Text       bert.Config
	Projection int // width of the embeddings
	Act        ops.Activation
}

// Model is both towers, whose embeddings of unit length are compared.
type Model struct {
	Config

	Audio           *Audio         `w:"audio"`
	AudioProjection *Projection    `w:"audio_projection"`
	Text            *bert.Text     `w:"text"`
	Pooler          *ops.Linear    `w:"pooler"`
	TextProjection  *Projection    `w:"text_projection"`
	AudioScale      *ops.Parameter `w:"logit_scale_a"` // logarithm of what multiplies the cosine, for a sound's logits
	TextScale       *ops.Parameter `w:"logit_scale_t"` // for a text's, which nobody asks for
}

// Projection is two layers with an activation between.
type Projection struct {
	First  ops.Linear `w:"linear1"`
	Second ops.Linear `w:"linear2"`

	act ops.Activation
}

func newProjection(b *ops.Builder, in int, c Config) *Projection {
	return &Projection{First: b.Linear(in, c.Projection, true), Second: b.Linear(c.Projection, c.Projection, true), act: c.Act}
}

// forward gives an embedding of unit length under a name.
func (p *Projection) forward(r *gpu.Recorder, name string, x *gpu.Tensor) {
	r.Output(name, ops.Normalize(r, p.Second.Forward(r, p.First.Forward(r, x, ops.Then(p.act)))))
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	audio, err := newAudio(b, c.Audio)
	if err != nil {
		return nil, err
	}
	width := c.Text.Layer.Width
	pooler := b.Linear(width, width, true)
	return &Model{Config: c, Audio: audio, AudioProjection: newProjection(b, audio.width(), c),
		Text: bert.NewText(b, c.Text.TextConfig), Pooler: &pooler, TextProjection: newProjection(b, width, c),
		AudioScale: &ops.Parameter{Shape: []int{}}, TextScale: &ops.Parameter{Shape: []int{}}}, nil
}

// hear records audio_embeds [N, D], of unit length, of spectrograms.
func (m *Model) hear(r *gpu.Recorder, in map[string]*gpu.Tensor) {
	m.AudioProjection.forward(r, AudioEmbeds, m.Audio.forward(r, in))
}

// read records text_embeds [N, D], of unit length, of token ids.
func (m *Model) read(r *gpu.Recorder, in map[string]*gpu.Tensor) {
	x := m.Text.Forward(r, "text.", in[nn.InputIDs], in[positionIDs], in[typeIDs], transformer.Sight{Mask: ops.Mask{Lengths: in[nn.AttentionMask]}})
	r.Tap("text.last_hidden_state", x)
	pooled := m.Pooler.Forward(r, ops.Mean(r, x, 0, 1), ops.Then(ops.Tanh)) // of the first token
	r.Tap("text.pooler_output", pooled)
	m.TextProjection.forward(r, TextEmbeds, pooled)
}

// match is the logit of a sound and a text by the cosine of their embeddings.
func (m *Model) match(cosine float64) float64 {
	return cosine * math.Exp(float64(m.AudioScale.Values[0]))
}

// Inputs that are made of others.
const (
	positionIDs = "input_position_ids"
	typeIDs     = "token_type_ids"
)

// textNetwork is the text tower with its inputs.
func (m *Model) textNetwork() *nn.Network {
	most := m.Config.Text.Length - m.Config.Text.First
	tokens := nn.Dims("N", nn.Dim{Name: "T", Most: most})
	return &nn.Network{
		Name: "text",
		Inputs: []nn.Input{
			{Name: nn.InputIDs, Dims: tokens, Kind: nn.IDs, Below: m.Config.Text.Vocab},
			{Name: nn.AttentionMask, Dims: tokens, Kind: nn.Lengths, Optional: true},
			{Name: positionIDs, Dims: tokens, Kind: nn.IDs, From: m.Config.Text.Positions},
			{Name: typeIDs, Dims: tokens, Kind: nn.IDs, From: bert.Types},
		},
		Usual:  map[string]int{"T": min(77, most)},
		Text:   &nn.Text{Output: TextEmbeds, Masked: true},
		Record: m.read,
	}
}

// Layers makes both towers.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.audioNetwork(), m.textNetwork()},
		Pairing: &nn.Pairing{Match: m.match, Scores: nn.Softmax}}, nil
}

// Standard are the published architectures: without fusion and with it.
func Standard(name string) (Config, bool) {
	if name != "clap_htsat" && name != "clap_htsat_fused" {
		return Config{}, false
	}
	trunk := swin.Config{Image: ops.Square(256), FixedImage: true, Channels: 1, Patch: ops.Square(4), Width: 96, QKVBias: true, Unshift: swin.Both, Act: ops.GELU, Eps: layerNormEps}
	for i, depth := range []int{2, 2, 6, 2} {
		trunk.Stages = append(trunk.Stages, swin.StageConfig{Depth: depth, Width: 96 << i, Inner: 384 << i, Heads: 4 << i, Window: ops.Square(8), Shift: ops.Square(4)})
	}
	text := bert.Config{First: 2}
	text.TextConfig = bert.TextConfig{Depth: 12, Vocab: 50265, Length: 514, Types: 1,
		Layer: transformer.LayerConfig{Width: 768, Heads: 12, MLP: 3072, Act: ops.GELU, Eps: 1e-12, Post: true}}
	return Config{Audio: AudioConfig{Bins: 64, Trunk: trunk, Fused: name == "clap_htsat_fused", Reduction: 4, Scale: slices.Repeat([]float32{1}, 64), Shift: make([]float32, 64)}, Text: text, Projection: 512, Act: ops.ReLU}, true
}
