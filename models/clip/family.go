package clip

import (
	"strings"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is CLIP.
var Family = nn.Family{
	Name:          "clip",
	About:         "pictures and texts compared: CLIP",
	Weights:       "a folder or hub id of transformers (CLIPModel, OpenCLIP's too; CLIPVisionModel and CLIPVisionModelWithProjection for pictures alone)",
	Architectures: architectures(),
	Embedded:      "clip",
	Attention:     true,
	Texts:         true,
	Standard:      standard,
	Describe:      describe,
}

// SigLIP is those with a sigmoid for each pair.
var SigLIP = nn.Family{
	Name:      "siglip",
	About:     "pictures and texts compared: SigLIP",
	Weights:   "a folder or hub id of transformers (SiglipModel; SiglipVisionModel for pictures alone)",
	Attention: true,
	Texts:     true,
	Describe:  describe,
}

// TextEncoder is a text tower alone.
var TextEncoder = nn.Family{
	Name:    "text_encoder",
	About:   "CLIP's text tower alone, a part of diffusion models",
	Weights: "a folder or hub id of transformers (CLIPTextModel, CLIPTextModelWithProjection), or that of a whole pipeline of diffusers, or its single file",
	Texts:   true,
	Part:    true,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := DescribeText(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers}, nil
	},
}

func describe(in nn.Checkpoint) (*nn.Description, error) {
	c, alone, named, err := Describe(in.Tensors, in.Config)
	if err != nil {
		return nil, err
	}
	if alone {
		return &nn.Description{Tensors: named, Make: c.Vision.Layers, Labels: c.Vision.Labels, Scores: c.Vision.Scores}, nil
	}
	return &nn.Description{Tensors: named, Make: c.layers}, nil
}

// layers makes both towers.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	scores := nn.Softmax
	if c.Sigmoid {
		scores = nn.Sigmoid
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.Vision.network(), m.Text.network()},
		Pairing: &nn.Pairing{Match: m.match, Scores: scores}, Context: m.learnContext}, nil
}

// Layers makes a picture tower alone.
func (c VisionConfig) Layers(b *ops.Builder) (*nn.Layers, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	v := NewVision(b, c)
	return v.learnable(&nn.Layers{Parameters: v, Networks: []*nn.Network{v.network()}}), nil
}

// Layers makes a text tower alone.
func (c TextConfig) Layers(b *ops.Builder) (*nn.Layers, error) {
	t, err := NewText(b, c)
	if err != nil {
		return nil, err
	}
	return t.learnable(&nn.Layers{Parameters: t, Networks: []*nn.Network{t.network()}}), nil
}

func (v *Vision) network() *nn.Network {
	image := nn.Image{Features: "last_hidden_state", Patch: v.Patch, Prefix: v.prefix()}
	if v.Classifier != nil {
		image.HeadInputs, image.PoolsPatches = []string{"pooled"}, true
	}
	return nn.ImageNetwork("vision", v.Channels, v.Image, v.Patch, image, v.Forward)
}

func (t *Text) network() *nn.Network {
	tokens, embedding := nn.Dim{Name: "T", Most: t.Length}, "text_embeds"
	if t.Alone {
		embedding = ""
	}
	return &nn.Network{
		Name: "text",
		Inputs: []nn.Input{
			{Name: nn.InputIDs, Dims: nn.Dims("N", tokens), Kind: nn.IDs, Below: t.Vocab},
			{Name: nn.AttentionMask, Dims: nn.Dims("N", tokens), Kind: nn.Lengths, Optional: true},
			{Name: "pooled_at", Dims: nn.Dims("N", 1), Kind: nn.IDs, From: t.PooledAt},
		},
		Usual: map[string]int{"T": t.Length},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			t.Forward(r, in[nn.InputIDs], in["pooled_at"], in[nn.AttentionMask])
		},
		// A text that sees its padding must have that of the training.
		Text: &nn.Text{Output: embedding, Fixed: !t.Block.Causal},
	}
}

// textSuffix ends the name under which a text tower is timed.
const textSuffix = "_text"

// architectures are the published sizes, each tower on its own.
func architectures() []string {
	var names []string
	for _, name := range StandardNames() {
		names = append(names, name, name+textSuffix)
	}
	return names
}

func standard(name string) (nn.Make, error) {
	tower, text := strings.CutSuffix(name, textSuffix)
	c, _ := Standard(tower)
	return func(b *ops.Builder) (*nn.Layers, error) {
		m, err := New(b, c)
		if err != nil {
			return nil, err
		}
		if text {
			return &nn.Layers{Parameters: m.Text, Networks: []*nn.Network{m.Text.network()}}, nil
		}
		return &nn.Layers{Parameters: m.Vision, Networks: []*nn.Network{m.Vision.network()}}, nil
	}, nil
}
