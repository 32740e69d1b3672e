package vit

import (
	"fmt"
	"strings"

	"saccade/models/nn"
	"saccade/ops"
)

// projections are the blocks' linear maps under the names of transformers 5, 4 and timm, and
// the head, which a model with a teacher does not train.
func (m *Model) projections() (all []nn.Projection, head []nn.Projection) {
	prefix := m.Module
	if prefix == "" {
		prefix = "vit"
	}
	layers, old := ".layers.%d.", prefix+".encoder.layer.%d."
	if strings.HasPrefix(prefix, "dinov2") {
		layers = ".encoder.layer.%d."
	}
	if prefix += layers; m.Head == nil { // transformers' class has no level above the network then
		_, prefix, _ = strings.Cut(prefix, ".")
		_, old, _ = strings.Cut(old, ".")
	}
	for i := range m.Blocks {
		b := &m.Blocks[i]
		add := func(l *ops.Linear, first, out int, usual bool, name, four, timm string) {
			p := nn.Projection{Layer: l, First: first, Out: out, Names: []string{fmt.Sprintf(prefix+name, i), fmt.Sprintf(old+four, i)}, Usual: usual}
			if timm != "" {
				p.Names = append(p.Names, fmt.Sprintf("blocks.%d.%s", i, timm))
			}
			all = append(all, p)
		}
		w := m.Width
		add(&b.QKV, 0, w, true, "attention.q_proj", "attention.attention.query", "")
		add(&b.QKV, w, w, false, "attention.k_proj", "attention.attention.key", "")
		add(&b.QKV, 2*w, w, true, "attention.v_proj", "attention.attention.value", "")
		if !m.LayerScale { // whose factor is in the weight, and would have to be in the adapter
			add(&b.Proj, 0, w, false, "attention.o_proj", "attention.output.dense", "attn.proj")
		}
		first, second := "intermediate.dense", "output.dense"
		if strings.HasPrefix(m.Module, "dinov2") {
			first, second = "mlp.fc1", "mlp.fc2"
		}
		if !m.Gated {
			add(&b.FC1, 0, m.MLP, false, "mlp.fc1", first, "mlp.fc1")
		}
		if !m.LayerScale {
			add(&b.FC2, 0, w, false, "mlp.fc2", second, "mlp.fc2")
		}
		all = append(all, nn.Projection{Layer: &b.QKV, Out: 3 * w, Names: []string{fmt.Sprintf("blocks.%d.attn.qkv", i)}})
	}
	if m.Head != nil && m.DistillHead == nil {
		names := []string{"classifier", "head", "heads.head"}
		head = append(head, nn.Projection{Layer: m.Head, Out: m.Classes, Names: names})
		if m.PatchHead != nil {
			head = append(head, nn.Projection{Layer: m.PatchHead, Out: m.Classes, Names: names})
		}
	}
	return all, head
}
