package vit

import (
	"fmt"

	"saccade/ops"
)

// Config is what a vision transformer's size depends on.
type Config struct {
	Image    [2]int // height and width that the position embeddings are for, pixels
	Patch    [2]int // height and width, pixels
	Channels int
	Width    int // of a token
	Depth    int // blocks
	Heads    int
	MLP      int // hidden width of a block's perceptron
	Act      ops.Activation
	Eps      float64 // of the layer norms
	QKVBias  bool

	Distilled   bool // a distillation token stands second (DeiT)
	Classes     int  // 0: no head
	DistillHead bool // DeiT's second head; the logits are the mean of both
	AveragePool bool // over the patches, with a norm after it (timm's global_pool "avg")
	Pooler      int  // width of ViTModel's pooler, 0: none
	PoolerAct   ops.Activation
	Antialias   bool // in interpolating the position embeddings (timm)

	Labels []string // by class, or nil
}

// Standard are the sizes of Dosovitskiy et al. (table 1) and Touvron et al.
// under torchvision's names, at 224×224 with 1000 classes.
func Standard(name string) (Config, bool) {
	sizes := map[string][5]int{ // patch, width, depth, heads, MLP
		"vit_ti_16": {16, 192, 12, 3, 768}, "vit_s_16": {16, 384, 12, 6, 1536},
		"vit_b_16": {16, 768, 12, 12, 3072}, "vit_b_32": {32, 768, 12, 12, 3072},
		"vit_l_16": {16, 1024, 24, 16, 4096}, "vit_l_32": {32, 1024, 24, 16, 4096},
		"vit_h_14": {14, 1280, 32, 16, 5120},
	}
	s, ok := sizes[name]
	return Config{
		Image: [2]int{224, 224}, Patch: [2]int{s[0], s[0]}, Channels: 3, Width: s[1], Depth: s[2], Heads: s[3], MLP: s[4],
		Act: ops.GELU, Eps: 1e-6, QKVBias: true, Classes: 1000,
	}, ok
}

// StandardNames are the names of [Standard].
func StandardNames() []string {
	return []string{"vit_ti_16", "vit_s_16", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"}
}

// prefix is the tokens before the patches.
func (c Config) prefix() int {
	if c.Distilled {
		return 2
	}
	return 1
}

// grid is the patches in a column and in a row of a picture.
func (c Config) grid(image [2]int) [2]int {
	return [2]int{image[0] / c.Patch[0], image[1] / c.Patch[1]}
}

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{
		"image height": c.Image[0], "image width": c.Image[1], "patch height": c.Patch[0], "patch width": c.Patch[1],
		"num_channels": c.Channels, "hidden_size": c.Width, "num_hidden_layers": c.Depth, "num_attention_heads": c.Heads, "intermediate_size": c.MLP,
	} {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	switch {
	case c.Width%c.Heads != 0:
		return fmt.Errorf("the config's hidden_size %d is not a multiple of its %d attention heads", c.Width, c.Heads)
	case c.Image[0] < c.Patch[0] || c.Image[1] < c.Patch[1]:
		return fmt.Errorf("the config's picture of %dx%d is smaller than its patch of %dx%d", c.Image[0], c.Image[1], c.Patch[0], c.Patch[1])
	case c.DistillHead && !c.Distilled:
		return fmt.Errorf("the checkpoint has a distillation head but no distillation token")
	}
	return nil
}

// Smallest is the height and width of one patch.
func (c Config) Smallest() (h, w int) { return c.Patch[0], c.Patch[1] }

// Input is the channels, height and width of the pictures that the position
// embeddings are for; others of at least one patch can be given.
func (c Config) Input() (channels, h, w int) { return c.Channels, c.Image[0], c.Image[1] }
