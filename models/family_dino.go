package models

import (
	"fmt"

	"saccade/models/vit"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

var dinoFamily = Family{
	Name:          "dino",
	About:         "vision transformers trained without labels: DINO",
	Weights:       "a folder or hub id of transformers or timm, or the authors' .pth by its architecture's name",
	architectures: vit.DINONames(),
	open:          openDINO,
	attention:     true,
	standard:      standardViT,
}

var dinov2Family = Family{
	Name:          "dinov2",
	About:         "vision transformers trained without labels: DINOv2, with and without registers",
	Weights:       "a folder or hub id of transformers or timm, or the authors' .pth by its architecture's name",
	architectures: vit.DINOv2Names(),
	open:          openDINOv2,
	attention:     true,
	standard:      standardViT,
}

func openDINO(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error) {
	return openEither(b, src, config, name, false)
}

func openDINOv2(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error) {
	return openEither(b, src, config, name, true)
}

// openEither opens both: they differ by the layer scale, which only a DINOv2 has.
func openEither(b *ops.Builder, src weights.Source, config []byte, name string, v2 bool) (opened, error) {
	c, named, err := vit.Describe(src, config, name)
	if err != nil {
		return opened{}, err
	}
	switch {
	case v2 && !c.LayerScale:
		return opened{}, fmt.Errorf("the checkpoint is no DINOv2: it has no layer scale; it looks like a vision transformer (-model vit, or dino)")
	case !v2 && c.LayerScale:
		return opened{}, fmt.Errorf("the checkpoint is no DINO: it has a layer scale and looks like a DINOv2 (-model dinov2)")
	}
	if want, ok := vit.Standard(name); ok && config == nil && (c.Width != want.Width || c.Depth != want.Depth || c.Patch != want.Patch) {
		return opened{}, fmt.Errorf("the checkpoint has %d blocks of width %d and patches of %d pixels, %s has %d of %d and %d; name the architecture that it is of",
			c.Depth, c.Width, c.Patch[0], name, want.Depth, want.Width, want.Patch[0])
	}
	m, err := vit.New(b, c)
	if err != nil {
		return opened{}, err
	}
	_, h, _ := m.Input()
	return opened{net: m, src: named, labels: c.Labels, processor: picture.ImageNet(h*256/224, h, picture.Bicubic)}, nil
}
