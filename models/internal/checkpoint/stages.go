package checkpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"saccade/weights"
)

// StageOutputs are the maps that a backbone of so many stages gives by its config's
// out_features or out_indices, the stem's as 0; by themselves the last.
func StageOutputs(names []string, indices []int, number int) ([]int, error) {
	var byName []int
	for _, name := range names {
		i, err := strconv.Atoi(strings.TrimPrefix(name, "stage"))
		if name == "stem" {
			i, err = 0, nil
		}
		if err != nil {
			return nil, fmt.Errorf("out_features: %s is no stage", weights.Printable(name))
		}
		byName = append(byName, i)
	}
	all := slices.Clone(indices)
	for i := range all {
		if all[i] < 0 {
			all[i] += number + 1
		}
	}
	switch {
	case byName != nil && all != nil && !slices.Equal(byName, all):
		return nil, fmt.Errorf("out_features %v and out_indices %v are not the same stages", names, indices)
	case byName != nil:
		all = byName
	case all == nil:
		all = []int{number}
	}
	for _, i := range all {
		if i < 0 || i > number {
			return nil, fmt.Errorf("stage %d is asked for; there are %d", i, number)
		}
	}
	return all, nil
}
