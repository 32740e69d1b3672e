package vit

import (
	"fmt"

	"saccade/models/nn"
	"saccade/ops"
	"saccade/picture"
)

// Family is the vision transformers that were trained with labels.
var Family = nn.Family{
	Name:          "vit",
	About:         "vision transformers, ViT and DeiT",
	Weights:       "a folder or hub id of transformers or timm, or a torchvision or timm state_dict by its architecture's name",
	Architectures: StandardNames(),
	Embedded:      "vit",
	Attention:     true,
	Standard:      standard,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config, in.Name)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes}, nil
	},
}

// DINO is those trained without labels as in Caron et al. 2021.
var DINO = nn.Family{
	Name:          "dino",
	About:         "vision transformers trained without labels: DINO",
	Weights:       "a folder or hub id of transformers or timm, or the authors' .pth by its architecture's name",
	Architectures: DINONames(),
	Attention:     true,
	Standard:      standard,
	Describe:      func(in nn.Checkpoint) (*nn.Description, error) { return describeDINO(in, false) },
}

// DINOv2 is those of Oquab et al. 2023, with and without registers.
var DINOv2 = nn.Family{
	Name:          "dinov2",
	About:         "vision transformers trained without labels: DINOv2, with and without registers",
	Weights:       "a folder or hub id of transformers or timm, or the authors' .pth by its architecture's name",
	Architectures: DINOv2Names(),
	Attention:     true,
	Standard:      standard,
	Describe:      func(in nn.Checkpoint) (*nn.Description, error) { return describeDINO(in, true) },
}

func standard(name string) (nn.Make, error) {
	c, _ := Standard(name)
	return c.layers, nil
}

// describeDINO describes both: they differ by the layer scale, which only a DINOv2 has.
func describeDINO(in nn.Checkpoint, v2 bool) (*nn.Description, error) {
	c, named, err := Describe(in.Tensors, in.Config, in.Name)
	if err != nil {
		return nil, err
	}
	switch {
	case v2 && !c.LayerScale:
		return nil, fmt.Errorf("the checkpoint is no DINOv2: it has no layer scale; it looks like a vision transformer (-model vit, or dino)")
	case !v2 && c.LayerScale:
		return nil, fmt.Errorf("the checkpoint is no DINO: it has a layer scale and looks like a DINOv2 (-model dinov2)")
	}
	if want, ok := Standard(in.Name); ok && in.Config == nil && (c.Width != want.Width || c.Depth != want.Depth || c.Patch != want.Patch) {
		return nil, fmt.Errorf("the checkpoint has %d blocks of width %d and patches of %d pixels, %s has %d of %d and %d; name the architecture that it is of",
			c.Depth, c.Width, c.Patch[0], in.Name, want.Depth, want.Width, want.Patch[0])
	}
	side := c.usual()[0]
	return &nn.Description{Tensors: named, Make: c.layers, Labels: c.Labels, Scores: c.Scores, Notes: c.Notes, Processor: picture.ImageNet(side*256/224, side, picture.Bicubic)}, nil
}

// headInputs are the intermediates that the head takes.
func (c Config) headInputs() []string {
	switch {
	case c.Classes == 0 || c.DistillHead || c.Pool == NoPool:
		return nil
	case c.WithPatches:
		return []string{"pooled", "pooled_patches"}
	}
	return []string{"pooled"}
}

// layers makes the network.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	l := nn.OfImages(m, c.Channels, c.usual(), c.Patch, nn.Image{Features: "last_hidden_state", Patch: c.Patch, Prefix: c.prefix(), PoolsPatches: c.Pool != ClassPool, HeadInputs: c.headInputs()}, m.Forward)
	if l.Projections, l.Head = m.projections(); c.Pool != NoPool && !c.DistillHead {
		l.Classes = c.Classes
	}
	l.Prompts = m.Prompts
	return l, nil
}
