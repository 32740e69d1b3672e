package blip

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is BLIP.
var Family = nn.Family{
	Name:      "blip",
	Embedded:  "blip",
	Answers:   "blip_vqa",
	About:     "captions and answers of images, and how well texts fit them: BLIP",
	Weights:   "a folder or hub id of transformers (BlipForConditionalGeneration, BlipForQuestionAnswering, BlipForImageTextRetrieval)",
	Attention: true,
	Texts:     true,
	Writes:    true,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers}, nil
	},
}

// layers makes the layers with their networks.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	l := &nn.Layers{Parameters: m}
	if c.Task == Match {
		l.Networks = []*nn.Network{m.matching(), m.imageNetwork(), m.textNetwork()}
		return l, nil
	}
	l.Decoder = m.decoder()
	l.Networks = []*nn.Network{l.Decoder.Forced()}
	return l, nil
}

// asked is the question's or text's positions.
const asked = "input_position_ids"

// texts are the inputs of a text of an encoder.
func (m *Model) texts() []nn.Input {
	rows := "N"
	if m.Task == Match {
		rows = "texts"
	}
	tokens := nn.Dims(rows, nn.Dim{Name: "T", Most: m.Text.Length})
	return []nn.Input{
		{Name: nn.InputIDs, Dims: tokens, Kind: nn.IDs, Below: m.Text.Vocab},
		{Name: nn.AttentionMask, Dims: tokens, Kind: nn.Lengths, Optional: true},
		{Name: asked, Dims: tokens, Kind: nn.IDs, From: nn.Counted(nn.InputIDs)},
	}
}

func (m *Model) pixels() nn.Input { return nn.Pixels(m.Config.Vision.Channels, m.Config.Vision.Patch) }

func (m *Model) usual() map[string]int {
	return map[string]int{"H": m.Config.Vision.Image[0], "W": m.Config.Vision.Image[1], "T": min(16, m.Text.Length)}
}

func (m *Model) image() *nn.Image { return &nn.Image{Patch: m.Config.Vision.Patch, Prefix: 1} }

// decoder is that of captions or of answers.
func (m *Model) decoder() *nn.Decoder {
	layer := m.Text.Layer
	d := &nn.Decoder{
		Vocab: m.Text.Vocab, Context: m.Text.Length, Usual: m.usual(), Image: m.image(),
		Start: []uint32{uint32(m.Text.Start)}, End: []uint32{uint32(m.Text.End)}, Pad: uint32(m.Text.Pad), OwnEnd: true,
		Caches: nn.Caches{Layers: m.Text.Depth, Heads: layer.Heads, Width: layer.Width},
		States: func(r *gpu.Recorder, s nn.Step) *gpu.Tensor {
			sight := transformer.Sight{Mask: ops.Mask{Causal: true, Lengths: s.Lengths}, Cache: s.Cache, Memory: s.Memory}
			return m.Decoder.Forward(r, "", s.IDs, s.Positions, nil, sight)
		},
		Logits: m.Head.forward,
	}
	if m.Task == Caption {
		d.IDs, d.Mask = nn.InputIDs, nn.AttentionMask
		d.Inputs = []nn.Input{m.pixels()}
		d.Begin, d.Looks = m.prompt, "cross_attentions"
		d.Remember = func(r *gpu.Recorder, in map[string]*gpu.Tensor) []*gpu.Tensor {
			return m.Decoder.Remember(r, m.patches(r, in[nn.PixelValues]))
		}
		return d
	}
	// The class gives the answer's cross-attention the question's mask, which its layers
	// lose on the way (transformers 5.23): the answer sees the question's padding too.
	d.IDs, d.Mask = "decoder_input_ids", "decoder_attention_mask"
	d.Inputs = append([]nn.Input{m.pixels()}, m.texts()...)
	d.Words, d.Looks, d.LooksOf = nn.InputIDs, "question.cross_attentions", nn.InputIDs
	d.Begin = func([]uint32) []uint32 { return []uint32{uint32(m.Text.Start)} }
	d.Remember = func(r *gpu.Recorder, in map[string]*gpu.Tensor) []*gpu.Tensor {
		x := m.question(r, m.patches(r, in[nn.PixelValues]), in[nn.InputIDs], in[asked], in[nn.AttentionMask])
		return m.Decoder.Remember(r, x)
	}
	return d
}

// prompt is what a caption goes on from: the start token in place of the first of ids,
// and the others but for the last, which ends them.
func (m *Model) prompt(ids []uint32) []uint32 {
	start := []uint32{uint32(m.Text.Start)}
	if len(ids) < 2 {
		return start
	}
	return append(start, ids[1:len(ids)-1]...)
}

// matching scores texts with images: as many to each of them as there are for one, in
// order.
func (m *Model) matching() *nn.Network {
	return &nn.Network{Name: "itm", Inputs: append([]nn.Input{m.pixels()}, m.texts()...), Usual: m.usual(), Image: m.image(), Text: &nn.Text{},
		Check: func(sizes map[string]int) error {
			if n := sizes["texts"]; n%sizes["N"] != 0 {
				return fmt.Errorf("%s: found %d texts and %d images; expected as many for each image", nn.InputIDs, n, sizes["N"])
			}
			return nil
		},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			m.match(r, in[nn.PixelValues], in[nn.InputIDs], in[asked], in[nn.AttentionMask])
		}}
}

// imageNetwork embeds images, textNetwork texts.
func (m *Model) imageNetwork() *nn.Network {
	return &nn.Network{Name: "image", Inputs: []nn.Input{m.pixels()}, Usual: m.usual(),
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) { m.embedImage(r, in[nn.PixelValues]) }}
}

func (m *Model) textNetwork() *nn.Network {
	return &nn.Network{Name: "text", Inputs: m.texts(), Usual: m.usual(),
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			m.embedText(r, in[nn.InputIDs], in[asked], in[nn.AttentionMask])
		}}
}
