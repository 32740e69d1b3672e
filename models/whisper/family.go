package whisper

import (
	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is Whisper.
var Family = nn.Family{
	Name:          "whisper",
	About:         "speech written down or translated: Whisper",
	Weights:       "a folder or hub id of transformers (WhisperForConditionalGeneration)",
	Architectures: StandardNames(),
	Attention:     true,
	Texts:         true,
	Writes:        true,
	Hears:         true,
	Standard: func(name string) (nn.Make, error) {
		c, _ := Standard(name)
		return c.layers, nil
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers}, nil
	},
}

// InputFeatures is the name of the spectrograms, [N, bins, frames].
const InputFeatures = "input_features"

// layers makes the layers with their network.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	l := &nn.Layers{Parameters: m, Decoder: m.decoder()}
	l.Networks = []*nn.Network{l.Decoder.Forced()}
	return l, nil
}

func (m *Model) decoder() *nn.Decoder {
	d := &nn.Decoder{
		Vocab: m.Vocab, Context: m.Length,
		Begin: func([]uint32) []uint32 { return []uint32{uint32(m.Start)} },
		Pad:   uint32(m.Pad),
		IDs:   "decoder_input_ids", Mask: "decoder_attention_mask",
		Inputs: []nn.Input{{Name: InputFeatures, Dims: nn.Dims("N", m.Bins, m.Frames())}},
		Caches: nn.Caches{Layers: m.DecoderDepth, Heads: m.DecoderLayer.Heads, Width: m.DecoderLayer.Width},
		Remember: func(r *gpu.Recorder, in map[string]*gpu.Tensor) []*gpu.Tensor {
			return m.Decoder.remember(r, m.Encoder.forward(r, in[InputFeatures]))
		},
		States: func(r *gpu.Recorder, s nn.Step) *gpu.Tensor {
			return m.Decoder.forward(r, s.IDs, s.Positions, transformer.Sight{Mask: ops.Mask{Causal: true, Lengths: s.Lengths}, Cache: s.Cache, Memory: s.Memory})
		},
		Logits: func(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor { return m.Head.Forward(r, x, ops.Floats()) },
	}
	for _, id := range m.End {
		d.End = append(d.End, uint32(id))
	}
	return d
}
