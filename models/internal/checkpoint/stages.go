package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"saccade/weights"
)

// BackboneOutputs is [StageOutputs] of a backbone's own part of config.json; at least one.
func BackboneOutputs(config []byte, number int) ([]int, error) {
	var own struct {
		Features []string `json:"out_features"`
		Indices  []int    `json:"out_indices"`
	}
	if err := Decode("config.json: backbone_config", config, &own); err != nil {
		return nil, err
	}
	maps, err := StageOutputs(own.Features, own.Indices, number)
	switch {
	case err != nil:
		return nil, fmt.Errorf("config.json: backbone_config: %w", err)
	case len(maps) == 0:
		return nil, errors.New("config.json: backbone_config: out_features and out_indices are of no map; expected one at least")
	}
	return maps, nil
}

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
