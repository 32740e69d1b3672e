// Package checkpoint is what the packages of the architectures share in telling
// a network from its checkpoint: the sizes of tensors, labels, and what a
// checkpoint of something else looks like.
package checkpoint

import (
	"encoding/json"
	"fmt"
	"strconv"

	"saccade/weights"
)

// Rows is the first dimension of a tensor, 0 if there is none of that name.
func Rows(src weights.Source, name string) int { return Dim(src, name, 0) }

// Dim is a dimension of a tensor, 0 if there is none.
func Dim(src weights.Source, name string, i int) int {
	t, ok := src.Tensor(name)
	if !ok || i >= len(t.Shape) {
		return 0
	}
	return t.Shape[i]
}

// Has says whether there is a tensor of that name.
func Has(src weights.Source, name string) bool {
	_, ok := src.Tensor(name)
	return ok
}

// Misnamed refuses a checkpoint that has the sizes of the published architecture
// found when the user named another. Sizes of which found is "", no published
// one's, may go under any name.
func Misnamed(found, named, family string) error {
	if found == "" || named == found || named == family {
		return nil
	}
	return fmt.Errorf("the checkpoint has the sizes of %s, not of %s; name that, or the family %s", found, named, family)
}

// Labels orders a config's id2label by the class; nil where there is none.
// classes is how many the network has, 0 where that is not known.
func Labels(id2label map[string]string, classes int) ([]string, error) {
	if id2label == nil {
		return nil, nil
	}
	labels := make([]string, len(id2label))
	for i := range labels {
		label, ok := id2label[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("id2label has %d entries and none for %d", len(id2label), i)
		}
		labels[i] = label
	}
	if classes > 0 && len(labels) != classes {
		return nil, fmt.Errorf("id2label names %d labels and the classifier has %d outputs", len(labels), classes)
	}
	return labels, nil
}

// Pair reads a JSON number, or a list of one or two, as height and width.
type Pair [2]int

// Expected says what is read into a pair, for the errors of [Decode].
func (*Pair) Expected() string { return "a size or [height, width]" }

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Pair) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var one int
	if json.Unmarshal(data, &one) == nil {
		*p = Pair{one, one}
		return nil
	}
	var list []int
	if err := json.Unmarshal(data, &list); err != nil || len(list) < 1 || len(list) > 2 {
		return fmt.Errorf("%s is neither a size nor [height, width]", data)
	}
	*p = Pair{list[0], list[len(list)-1]}
	return nil
}
