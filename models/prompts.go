package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"saccade/weights"
)

// promptNames are the names of position embeddings and patches in checkpoints of ViTs, and that
// of learned tokens among them, below what stands before all three.
var promptNames = []struct{ positions, patches, prompts string }{
	{"embeddings.position_embeddings", "embeddings.patch_embeddings.projection.weight", "embeddings.prompt_embeddings"},
	{"encoder.pos_embedding", "conv_proj.weight", "prompt_embeddings"},
	{"pos_embed", "patch_embed.proj.weight", "prompt_embeddings"},
}

// SetPrompts gives a ViT's checkpoint n learned tokens, drawn as its authors do (Jia et al. 2022,
// "Visual Prompt Tuning"): uniform, of a bound by the size of patches and tokens. Those that it
// has already stay.
func (c *Checkpoint) SetPrompts(n int, seed uint64) error {
	err := weights.Guard(func() error { return c.setPrompts(n, seed) })
	if err != nil {
		return fmt.Errorf("prompt tokens for %s: %w", c.files.name, err)
	}
	return nil
}

func (c *Checkpoint) setPrompts(n int, seed uint64) error {
	src, _, _, err := c.files.named(c.family, c.Name)
	if err != nil {
		return err
	}
	for _, of := range promptNames {
		i := slices.IndexFunc(src.Names(), func(name string) bool { return name == of.positions || strings.HasSuffix(name, "."+of.positions) })
		if i < 0 {
			continue
		}
		prefix := strings.TrimSuffix(src.Names()[i], of.positions)
		positions, _ := src.Tensor(prefix + of.positions)
		patches, ok := src.Tensor(prefix + of.patches)
		if !ok || len(patches.Shape) != 4 || len(positions.Shape) != 3 {
			break
		}
		if t, there := src.Tensor(prefix + of.prompts); there {
			if len(t.Shape) == 3 && t.Shape[1] == n {
				return nil
			}
			return fmt.Errorf("it has some already, %s %v; expected [1, %d, %d]", prefix+of.prompts, t.Shape, n, positions.Shape[2])
		}
		width := positions.Shape[2]
		bound := math.Sqrt(6 / float64(3*patches.Shape[2]*patches.Shape[3]+width))
		rng, values := rand.New(rand.NewPCG(seed, 1)), make([]float32, n*width)
		for k := range values {
			values[k] = float32((2*rng.Float64() - 1) * bound)
		}
		t, err := weights.FromFloat32s(prefix+of.prompts, values, 1, n, width)
		if err != nil {
			return err
		}
		c.files.tensors = tensorsOf{weights.With(src, t), c.files.tensors}
		return nil
	}
	return fmt.Errorf("it is no ViT with position embeddings and a convolution of patches, which alone take prompt tokens")
}
