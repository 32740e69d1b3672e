package clip

import (
	"fmt"

	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the sizes of a dual encoder depend on.
type Config struct {
	Vision  VisionConfig
	Text    TextConfig
	Sigmoid bool  // SigLIP: the logits have a bias, each is a probability of its own
	Scalar  []int // the shape of logit_scale in the checkpoint: [] or [1]
}

// VisionConfig is what a picture tower's size depends on.
type VisionConfig struct {
	Image         [2]int // height and width that the position embeddings are for, pixels
	Patch         [2]int // height and width, pixels
	Channels      int
	Depth         int // blocks
	Block         transformer.Config
	AttentionPool bool // SigLIP's head in place of a class token
	Headless      bool // a SigLIP's without that
	Projection    int  // width of the embeddings, CLIP's; 0: none
	Alone         bool // not one of two towers
	Classes       int  // of a classifier over the mean of the patches, 0: none

	Labels []string // by class, or nil
	Scores nn.Scores
}

// TextConfig is what a text tower's size depends on.
type TextConfig struct {
	Vocab          int // token ids
	Length         int // positions
	Depth          int // blocks
	Block          transformer.Config
	End            int // id of the end token, or LegacyEnd
	Projection     int // width of the embeddings, 0: none
	ProjectionBias bool
	Alone          bool // not one of two towers
}

// LegacyEnd is what configs of 2023 and before name as the end token: the
// library then pools at the greatest id.
const LegacyEnd = 2

// prefix is the tokens before the patches.
func (c VisionConfig) prefix() int {
	if c.AttentionPool {
		return 0
	}
	return 1
}

// grid is the patches in a column and in a row of a picture.
func (c VisionConfig) grid(image [2]int) [2]int {
	return [2]int{image[0] / c.Patch[0], image[1] / c.Patch[1]}
}

// check refuses what no network can be made of.
func (c Config) check() error {
	if err := c.Vision.Check(); err != nil {
		return err
	}
	v := c.Vision
	width := v.Projection
	if v.AttentionPool {
		width = v.Block.Width
	}
	if width < 1 || width != c.Text.Projection {
		return fmt.Errorf("the config's pictures are embedded in %d values and its texts in %d; expected as many", width, c.Text.Projection)
	}
	return nil
}

// Check refuses what no tower can be made of.
func (v VisionConfig) Check() error {
	if err := positive("vision_config", map[string]int{
		"image_size": min(v.Image[0], v.Image[1]), "patch_size": min(v.Patch[0], v.Patch[1]), "num_channels": v.Channels, "num_hidden_layers": v.Depth,
	}); err != nil {
		return err
	}
	if v.Image[0] < v.Patch[0] || v.Image[1] < v.Patch[1] {
		return fmt.Errorf("vision_config: the picture of %dx%d is smaller than its patch of %dx%d", v.Image[0], v.Image[1], v.Patch[0], v.Patch[1])
	}
	return checkBlock("vision_config", v.Block)
}

func (c TextConfig) check() error {
	if err := positive("text_config", map[string]int{"vocab_size": c.Vocab, "max_position_embeddings": c.Length, "num_hidden_layers": c.Depth}); err != nil {
		return err
	}
	return checkBlock("text_config", c.Block)
}

func checkBlock(where string, b transformer.Config) error {
	err := positive(where, map[string]int{"hidden_size": b.Width, "num_attention_heads": b.Heads, "intermediate_size": b.MLP})
	if err == nil && b.Width%b.Heads != 0 {
		err = fmt.Errorf("%s: hidden_size %d is not a multiple of its %d attention heads", where, b.Width, b.Heads)
	}
	return err
}

func positive(where string, sizes map[string]int) error {
	for name, v := range sizes {
		if v < 1 || v > 1<<22 {
			return fmt.Errorf("%s: %s is %d; it must be positive", where, name, v)
		}
	}
	return nil
}

// Standard are the published sizes, under names in torchvision's manner. The
// embeddings and the end token are those of OpenAI's CLIP and Google's SigLIP.
func Standard(name string) (Config, bool) {
	sizes := map[string]struct{ patch, image, width, depth, mlp, projection int }{
		"clip_vit_b_32": {32, 224, 768, 12, 3072, 512}, "clip_vit_b_16": {16, 224, 768, 12, 3072, 512},
		"clip_vit_l_14": {14, 224, 1024, 24, 4096, 768}, "clip_vit_l_14_336": {14, 336, 1024, 24, 4096, 768},
		"siglip_b_16": {16, 224, 768, 12, 3072, 768},
	}
	s, ok := sizes[name]
	sigmoid := name == "siglip_b_16"
	block := transformer.Config{Width: s.width, Heads: s.width / 64, MLP: s.mlp, Act: ops.QuickGELU, Eps: 1e-5, QKVBias: true}
	text := transformer.Config{Width: s.projection, Heads: s.projection / 64, MLP: 4 * s.projection, Act: ops.QuickGELU, Eps: 1e-5, QKVBias: true, Causal: !sigmoid}
	c := Config{
		Vision: VisionConfig{Image: [2]int{s.image, s.image}, Patch: [2]int{s.patch, s.patch}, Channels: 3, Depth: s.depth, Block: block, Projection: s.projection},
		Text:   TextConfig{Vocab: 49408, Length: 77, Depth: 12, Block: text, End: 49407, Projection: s.projection},
		Scalar: []int{},
	}
	if sigmoid {
		c.Vision.Block.Act, c.Text.Block.Act, c.Vision.Block.Eps, c.Text.Block.Eps = ops.GELUTanh, ops.GELUTanh, 1e-6, 1e-6
		c.Vision.AttentionPool, c.Text.ProjectionBias, c.Text.Vocab, c.Text.Length, c.Sigmoid, c.Scalar = true, true, 32000, 64, true, []int{1}
	}
	return c, ok
}

// StandardNames are the names of [Standard].
func StandardNames() []string {
	return []string{"clip_vit_b_32", "clip_vit_b_16", "clip_vit_l_14", "clip_vit_l_14_336", "siglip_b_16"}
}
