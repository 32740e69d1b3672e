package llama

import (
	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Layers makes a model that writes texts about nothing else.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	d := &nn.Decoder{
		Vocab: c.Vocab, Context: c.Context, IDs: nn.InputIDs, Mask: nn.AttentionMask,
		Begin:    func(ids []uint32) []uint32 { return ids },
		Remember: func(*gpu.Recorder, map[string]*gpu.Tensor) []*gpu.Tensor { return nil },
		Caches:   c.Caches(),
		States:   func(r *gpu.Recorder, s nn.Step) *gpu.Tensor { return m.States(r, "", m.Embed(r, s.IDs), s) },
		Logits:   m.Logits,
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{d.Forced()}, Decoder: d}, nil
}
