package vit

import (
	"fmt"
	"slices"

	"saccade/models/nn"
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

	Gated bool // the perceptrons are SwiGLU (DINOv2's giant)
	// LayerScale says that the checkpoint scales the outputs of attention and
	// perceptron by channel (DINOv2, DeiT III): folded into their last layers.
	LayerScale bool

	NoClass   bool // no class token stands first (timm)
	Distilled bool // a distillation token stands second (DeiT)
	Registers int  // tokens between the class token and the patches (Darcet et al. 2023)
	Prompts   int  // learned tokens behind those (Jia et al. 2022, "Visual Prompt Tuning", shallow)
	Placed    int  // of the tokens before the patches, how many have position embeddings
	PreNorm   bool // a norm stands before the blocks, and the patches have no bias (CLIP in timm)

	Classes     int  // 0: no head
	DistillHead bool // DeiT's second head; the logits are the mean of both
	Pool        Pooling
	PoolsPrefix bool // the pooling takes the tokens before the patches too
	PooledNorm  bool // the last norm is of the pooled tokens (timm's fc_norm), not of all
	NoNorm      bool // there is no last norm (timm's final_norm)
	WithPatches bool // the head takes the mean of the patches beside the class token (DINOv2)
	Pooler      int  // width of ViTModel's pooler, 0: none
	PoolerAct   ops.Activation
	Pooled      bool // without a head, the pooled tokens are an output (DINOv2, timm)

	Antialias bool    // in interpolating the position embeddings (timm, DINOv2 with registers)
	Offset    float64 // of patches in the factor of it (the code that DINO was published with)
	Linear    bool    // they are interpolated linearly, not bicubically (DPT)
	// Buckets says that pictures of another size, and their own, take the position
	// embedding of the place in the square that each patch falls in (Idefics, SmolVLM).
	Buckets bool
	// Picture is the height and width of the pictures that the network is usually
	// given, where that is not Image.
	Picture [2]int

	// Module is the name of the network within transformers' class with a head; "": vit.
	Module string

	Labels []string // by class, or nil
	Scores nn.Scores
	Notes  []string // on how the checkpoint was read
}

// note adds a note, if there is one.
func (c *Config) note(text string) {
	if text != "" {
		c.Notes = append(c.Notes, text)
	}
}

// Pooling is what a head takes of the tokens.
type Pooling int

// The poolings: timm's global_pool.
const (
	ClassPool     Pooling = iota // the first token
	MeanPool                     // the mean of the patches
	MaxPool                      // their maxima
	MeanMaxPool                  // half of both
	AttentionPool                // a learned query's attention (SigLIP)
	NoPool                       // all tokens, each with logits of its own
)

// Standard are the sizes of Dosovitskiy et al. (table 1) and Touvron et al.
// under torchvision's names, at 224×224 with 1000 classes; and those of DINO
// (Caron et al. 2021) and DINOv2 (Oquab et al. 2023) without a head, at 224×224,
// of which DINOv2 interpolates its position embeddings of 518×518.
func Standard(name string) (Config, bool) {
	s, ok := sizes[name]
	c := Config{
		Image: [2]int{224, 224}, Patch: [2]int{s[0], s[0]}, Channels: 3, Width: s[1], Depth: s[2], Heads: s[3], MLP: s[4],
		Act: ops.GELU, Eps: 1e-6, QKVBias: true, Placed: 1, Classes: 1000,
	}
	if slices.Contains(DINONames(), name) {
		c.Classes = 0
	}
	if slices.Contains(DINOv2Names(), name) {
		c.Classes, c.Image, c.Picture, c.LayerScale, c.Pooled = 0, [2]int{518, 518}, dinoPicture, true, true
		if name == "dinov2_g_14" {
			c.Gated, c.Act = true, ops.SiLU
		}
	}
	return c, ok
}

// dinoPicture is the size at which DINO and DINOv2 are evaluated, in pixels.
var dinoPicture = [2]int{224, 224}

// sizes of [Standard].
var sizes = map[string][5]int{ // patch, width, depth, heads, MLP
	"vit_ti_16": {16, 192, 12, 3, 768}, "vit_s_16": {16, 384, 12, 6, 1536},
	"vit_b_16": {16, 768, 12, 12, 3072}, "vit_b_32": {32, 768, 12, 12, 3072},
	"vit_l_16": {16, 1024, 24, 16, 4096}, "vit_l_32": {32, 1024, 24, 16, 4096},
	"vit_h_14":  {14, 1280, 32, 16, 5120},
	"dino_s_16": {16, 384, 12, 6, 1536}, "dino_s_8": {8, 384, 12, 6, 1536},
	"dino_b_16": {16, 768, 12, 12, 3072}, "dino_b_8": {8, 768, 12, 12, 3072},
	"dinov2_s_14": {14, 384, 12, 6, 1536}, "dinov2_b_14": {14, 768, 12, 12, 3072},
	"dinov2_l_14": {14, 1024, 24, 16, 4096}, "dinov2_g_14": {14, 1536, 40, 24, 4096},
}

// StandardNames are the names of [Standard] but for DINO's and DINOv2's.
func StandardNames() []string {
	return []string{"vit_ti_16", "vit_s_16", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"}
}

// DINONames are the names of DINO in [Standard].
func DINONames() []string { return []string{"dino_s_16", "dino_s_8", "dino_b_16", "dino_b_8"} }

// DINOv2Names are the names of DINOv2 in [Standard].
func DINOv2Names() []string {
	return []string{"dinov2_s_14", "dinov2_b_14", "dinov2_l_14", "dinov2_g_14"}
}

// prefix is the tokens before the patches.
func (c Config) prefix() int {
	n := 1 + c.Registers + c.Prompts
	if c.NoClass {
		n--
	}
	if c.Distilled {
		n++
	}
	return n
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
		"num_register_tokens, plus one,": c.Registers + 1,
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
	case c.Distilled && c.Registers > 0:
		return fmt.Errorf("the checkpoint has both a distillation token and %d registers", c.Registers)
	case c.Prompts > 0 && (c.PoolsPrefix || c.Pool != ClassPool && c.Pool != MeanPool):
		return fmt.Errorf("the checkpoint has prompt tokens; they go with a head of the class token or of the patches' mean")
	case c.DistillHead && !c.Distilled:
		return fmt.Errorf("the checkpoint has a distillation head but no distillation token")
	}
	return nil
}

// usual is the height and width of the images that the network is usually given;
// others of at least one patch can be given.
func (c Config) usual() [2]int {
	if c.Picture != [2]int{} {
		return c.Picture
	}
	return c.Image
}
