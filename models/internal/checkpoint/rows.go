package checkpoint

import (
	"fmt"

	"saccade/weights"
)

// SplitRows shows the rows of a tensor as equal parts of those names, beside the
// tensor. Nothing is copied.
func SplitRows(src weights.Source, name string, parts ...string) (weights.Source, error) {
	t, ok := src.Tensor(name)
	if !ok || len(t.Shape) < 1 || t.Shape[0]%len(parts) != 0 {
		return nil, fmt.Errorf("the checkpoint has no %s whose rows are those of %d layers", name, len(parts))
	}
	data := t.Bytes()
	split := make([]*weights.Tensor, len(parts))
	for i, as := range parts {
		part := *t
		part.Name, part.Origin = as, fmt.Sprintf("%s (part %d of %d)", t.Origin, i+1, len(parts))
		part.Shape = append([]int{t.Shape[0] / len(parts)}, t.Shape[1:]...)
		part.Data = data[i*len(data)/len(parts) : (i+1)*len(data)/len(parts)]
		split[i] = &part
	}
	return weights.With(src, split...), nil
}
