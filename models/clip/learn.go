package clip

import (
	"fmt"

	"saccade/models/nn"
	"saccade/ops"
)

// learnable says of the layers of a classifier what of its tower can be trained: the blocks'
// linear maps under transformers' names, and the classifier.
func (v *Vision) learnable(l *nn.Layers) *nn.Layers {
	if v.Classifier == nil {
		return l
	}
	w := v.Block.Width
	for i := range v.Blocks {
		b := &v.Blocks[i]
		add := func(layer *ops.Linear, first, out int, usual bool, name string) {
			l.Projections = append(l.Projections, nn.Projection{Layer: layer, First: first, Out: out, Usual: usual,
				Names: []string{fmt.Sprintf("vision_model.encoder.layers.%d.%s", i, name)}})
		}
		add(&b.QKV, 0, w, true, "self_attn.q_proj")
		add(&b.QKV, w, w, false, "self_attn.k_proj")
		add(&b.QKV, 2*w, w, true, "self_attn.v_proj")
		add(&b.Proj, 0, w, false, "self_attn.out_proj")
		add(&b.FC1, 0, b.FC1.Out, false, "mlp.fc1")
		add(&b.FC2, 0, w, false, "mlp.fc2")
	}
	l.Classes, l.Head = v.Classes, []nn.Projection{{Layer: v.Classifier, Out: v.Classes, Names: []string{"classifier"}}}
	return l
}
