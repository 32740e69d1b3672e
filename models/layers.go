package models

import (
	"encoding/json"
	"fmt"
	"slices"

	"saccade/weights"
)

// layerKeys are those of a config.json that say how many layers there are, alone or
// by stage. Every layer has a tensor at least.
var layerKeys = []string{"num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers", "n_layer", "n_layers", "depth", "depths", "layers_per_block", "num_block_repeats"}

// checkLayers refuses a config with more layers than the checkpoint has tensors,
// before any layer is made.
func checkLayers(config []byte, tensors []string) error {
	var tree any
	if json.Unmarshal(config, &tree) != nil { // the family says what is wrong with it
		return nil
	}
	return boundLayers("", tree, tensors)
}

func boundLayers(key string, value any, tensors []string) error {
	switch v := value.(type) {
	case map[string]any:
		for k, x := range v {
			if err := boundLayers(k, x, tensors); err != nil {
				return err
			}
		}
	case []any:
		for _, x := range v {
			if err := boundLayers(key, x, tensors); err != nil {
				return err
			}
		}
	case float64:
		if slices.Contains(layerKeys, key) && v > float64(len(tensors)) {
			first := "none"
			if len(tensors) > 0 {
				first = weights.Printable(tensors[0])
			}
			return fmt.Errorf("config.json: %s is %g, more than the checkpoint has tensors (%d, the first %s); they do not belong together", weights.Printable(key), v, len(tensors), first)
		}
	}
	return nil
}
