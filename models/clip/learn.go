package clip

import (
	"fmt"
	"slices"

	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// learnable says of the layers of a classifier what of its tower can be trained: the blocks'
// linear maps under transformers' names, and the classifier.
func (v *Vision) learnable(l *nn.Layers) *nn.Layers {
	if v.Classifier == nil {
		return l
	}
	l.Projections = projections(v.Blocks, v.Block.Width, []string{"self_attn.q_proj", "self_attn.v_proj"}, "vision_model.encoder.layers.%d.")
	l.Classes, l.Head = v.Classes, []nn.Projection{{Layer: v.Classifier, Out: v.Classes, Names: []string{"classifier"}}}
	return l
}

// learnable is it of a text tower alone, whose adapters stand beside all projections of its
// attentions where nobody says which do, as diffusers trains it. Its modules are below text_model
// in transformers 4, and in diffusers' and kohya's files.
func (t *Text) learnable(l *nn.Layers) *nn.Layers {
	l.Projections = projections(t.Blocks, t.Block.Width, []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"},
		"text_model.encoder.layers.%d.", "encoder.layers.%d.")
	l.Tokens = t.learnTokens
	return l
}

// projections are the blocks' linear maps below each of some names of a block.
func projections(blocks []transformer.Block, width int, usual []string, names ...string) (all []nn.Projection) {
	for i := range blocks {
		b := &blocks[i]
		for _, x := range []struct {
			layer      *ops.Linear
			first, out int
			name       string
		}{
			{&b.QKV, 0, width, "self_attn.q_proj"}, {&b.QKV, width, width, "self_attn.k_proj"}, {&b.QKV, 2 * width, width, "self_attn.v_proj"},
			{&b.Proj, 0, width, "self_attn.out_proj"}, {&b.FC1, 0, b.FC1.Out, "mlp.fc1"}, {&b.FC2, 0, width, "mlp.fc2"},
		} {
			p := nn.Projection{Layer: x.layer, First: x.first, Out: x.out, Usual: slices.Contains(usual, x.name)}
			for _, n := range names {
				p.Names = append(p.Names, fmt.Sprintf(n, i)+x.name)
			}
			all = append(all, p)
		}
	}
	return all
}
