package checkpoint

import (
	"slices"
	"strings"

	"saccade/weights"
)

// Vectors shows tensors of those names, alone or behind a dot, as vectors where a
// checkpoint has them with other dimensions of one, such as [C, 1, 1]. Nothing is copied.
func Vectors(src weights.Source, names ...string) weights.Source {
	var flat []*weights.Tensor
	for _, name := range src.Names() {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix("."+name, "."+n) }) {
			continue
		}
		t, ok := src.Tensor(name)
		if !ok || len(t.Shape) < 2 || slices.Max(t.Shape) != t.Len() {
			continue
		}
		t.Shape = []int{t.Len()}
		flat = append(flat, t)
	}
	return weights.With(src, flat...)
}
