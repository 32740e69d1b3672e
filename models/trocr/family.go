package trocr

import (
	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/picture"
)

// Family is TrOCR.
var Family = nn.Family{
	Name:          "trocr",
	About:         "the text of an image of one line: TrOCR",
	Weights:       "a folder or hub id of transformers (VisionEncoderDecoderModel of a ViT or DeiT and TrOCRForCausalLM)",
	Architectures: StandardNames(),
	Attention:     true,
	Texts:         true,
	Writes:        true,
	Standard: func(name string) (nn.Make, error) {
		c, _ := Standard(name)
		return c.layers, nil
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, notes, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Notes: notes, Processor: c.processor()}, nil
	},
}

// processor is for checkpoints that state none: the whole image at the encoder's size,
// as the processors of ViT and DeiT bring it there.
func (c Config) processor() *picture.Processor {
	filter := picture.Bilinear
	if c.Encoder.Distilled {
		filter = picture.Bicubic
	}
	p := picture.Squash(c.Encoder.Image[0], c.Encoder.Image[1], filter)
	p.Mean, p.Std = picture.HalfMean, picture.HalfStd
	return p
}

// layers makes the layers with their networks.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	d := m.decoder()
	return &nn.Layers{Parameters: m, Decoder: d, Networks: []*nn.Network{d.Forced()}}, nil
}

// decoder is what writes the line.
func (m *Model) decoder() *nn.Decoder {
	e, d := m.Config.Encoder, m.Decoder
	out := &nn.Decoder{
		Vocab: d.Vocab, Context: d.Length, Start: []uint32{uint32(d.Start)}, Pad: uint32(d.Pad),
		IDs: "decoder_input_ids", Mask: "decoder_attention_mask",
		Inputs:    []nn.Input{nn.Pixels(e.Channels, e.Patch)},
		Usual:     map[string]int{"H": e.Image[0], "W": e.Image[1]},
		Looks:     "cross_attentions",
		Image:     &nn.Image{Patch: e.Patch, Prefix: e.Placed},
		Caches:    nn.Caches{Layers: d.Depth, Heads: d.Layer.Heads, Width: d.Layer.Width},
		Positions: d.place,
		Remember: func(r *gpu.Recorder, in map[string]*gpu.Tensor) []*gpu.Tensor {
			return m.remember(r, m.patches(r, in[nn.PixelValues]))
		},
		States: func(r *gpu.Recorder, s nn.Step) *gpu.Tensor {
			sight := transformer.Sight{Mask: ops.Mask{Causal: true, Lengths: s.Lengths}, Cache: s.Cache, Memory: s.Memory}
			return m.states(r, s.IDs, s.Positions, sight)
		},
		Logits: m.logits,
	}
	for _, id := range d.End {
		out.End = append(out.End, uint32(id))
	}
	return out
}
