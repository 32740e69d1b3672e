package vit

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// describeDINOv2 is describeTransformers of Dinov2Config and
// Dinov2WithRegistersConfig.
func describeDINOv2(src weights.Source, h transformersConfig, registers bool) (Config, weights.Source, error) {
	c, err := dinov2Config(h, registers)
	if err != nil {
		return Config{}, nil, err
	}
	if src, err = c.splitHead(src, "classifier"); err != nil {
		return Config{}, nil, err
	}
	if src, err = c.foldScales(src, transformersScales); err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(weights.StripPrefix(src, transformersPrefixes...), transformersNames)
	return c, src, c.heads(src, h)
}

// dinov2Config is what a config states of sizes.
func dinov2Config(h transformersConfig, registers bool) (Config, error) {
	c, err := h.config()
	if err != nil {
		return Config{}, err
	}
	if c.MLP = int(float64(h.HiddenSize) * h.MLPRatio); h.SwiGLU {
		c.MLP = (int(float64(c.MLP)*2/3) + 7) / 8 * 8
		c.Gated, c.Act = true, ops.SiLU
	}
	c.Antialias, c.Pooled, c.Picture = registers, true, usualPicture(c.Image)
	if c.Image[0] != c.Image[1] || c.Patch[0] != c.Patch[1] {
		return Config{}, fmt.Errorf("config.json: image_size %v and patch_size %v; DINOv2's position embeddings are those of a square", c.Image, c.Patch)
	}
	c.Module = "dinov2"
	if registers {
		c.Module = "dinov2_with_registers"
		c.Registers = h.Registers
	}
	return c, nil
}

// usualPicture is the size at which DINOv2 is evaluated, or that of the position
// embeddings if that is less.
func usualPicture(image [2]int) [2]int {
	return [2]int{min(image[0], dinoPicture[0]), min(image[1], dinoPicture[1])}
}

// splitHead shows the weight of DINOv2's classifier, over the class token and
// the mean of the patches, as one for each.
func (c *Config) splitHead(src weights.Source, name string) (weights.Source, error) {
	name += ".weight"
	if !checkpoint.Has(src, name) {
		return src, nil
	}
	if width := checkpoint.Dim(src, name, 1); width != 2*c.Width {
		return nil, fmt.Errorf("%s: found rows of %d, expected %d: a class token and a mean of patches of %d each", name, width, 2*c.Width, c.Width)
	}
	class, _ := weights.Columns(src, name, name, 0, c.Width)
	patches, _ := weights.Columns(src, name, "head_patches.weight", c.Width, 2*c.Width)
	c.WithPatches = true
	return weights.With(src, class, patches), nil
}

// foldScales folds the layer scales that rules name into the layers before them.
func (c *Config) foldScales(src weights.Source, rules []weights.Rule) (weights.Source, error) {
	c.LayerScale = true
	return weights.ScaleRows(src, rules)
}

// byAuthors has the position embeddings interpolated as the code does that DINO
// and DINOv2 were published with, for its files.
func (c *Config) byAuthors() {
	if c.Antialias = c.Registers > 0; !c.Antialias {
		c.Offset = 0.1
	}
	c.Picture = dinoPicture
}

// placed tells from the number of position embeddings whether the class token
// and the registers have any. Another number is left for Bind to refuse.
func (c *Config) placed(src weights.Source) {
	grid := c.grid(c.Image)
	n := checkpoint.Dim(src, "pos_embed", 1) - grid[0]*grid[1]
	if n == 0 || n == c.prefix()-c.Prompts {
		c.Placed = n
	}
}
