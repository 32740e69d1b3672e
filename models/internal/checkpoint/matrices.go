package checkpoint

import (
	"slices"
	"strings"

	"saccade/weights"
)

// Matrices shows the weights of layers of those names, such as to_q or to_out.0
// wherever they are, as the matrices that they are where a checkpoint has them as
// 1×1 convolutions. Nothing is copied.
func Matrices(src weights.Source, layers ...string) weights.Source {
	var flat []*weights.Tensor
	for _, name := range src.Names() {
		path, ok := strings.CutSuffix(name, ".weight")
		if !ok || !slices.ContainsFunc(layers, func(layer string) bool { return strings.HasSuffix("."+path, "."+layer) }) {
			continue
		}
		if t, ok := src.Tensor(name); ok && len(t.Shape) > 2 && t.Len() == t.Shape[0]*t.Shape[1] {
			t.Shape = t.Shape[:2]
			flat = append(flat, t)
		}
	}
	return weights.With(src, flat...)
}
