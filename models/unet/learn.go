package unet

import (
	"strings"

	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// projections are the attentions' and perceptrons' linear maps under diffusers' names. Those that
// make the time's embeddings are not among them.
func (m *Model) projections() (all []nn.Projection, err error) {
	err = weights.Walk(m, func(path string, module weights.Module) {
		l, ok := module.(*ops.Linear)
		if !ok {
			return
		}
		add := func(name string, first, out int, usual bool) {
			all = append(all, nn.Projection{Layer: l, First: first, Out: out, Names: []string{name}, Usual: usual})
		}
		at := strings.LastIndex(path, ".")
		switch layer := path[at+1:]; {
		case layer == "qkv":
			for i, name := range []string{"to_q", "to_k", "to_v"} {
				add(path[:at+1]+name, i*l.Out/3, l.Out/3, true)
			}
		case layer == "to_out":
			add(path+".0", 0, l.Out, true)
		case layer == "to_q" || layer == "to_k" || layer == "to_v":
			add(path, 0, l.Out, true)
		case strings.HasSuffix(path, "ff.net.0.proj") || strings.HasSuffix(path, "ff.net.2"):
			add(path, 0, l.Out, false)
		}
	})
	return all, err
}
