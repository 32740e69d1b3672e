package checkpoint

import (
	"fmt"
	"slices"
	"strings"
)

// OfType refuses a config.json of transformers that is of another model_type than those;
// one that has none is taken.
func OfType(config []byte, types ...string) error {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := Decode("config.json", config, &head); err != nil {
		return err
	}
	if head.ModelType != "" && !slices.Contains(types, head.ModelType) {
		return fmt.Errorf("config.json: the model is of type %q; %s is expected", head.ModelType, strings.Join(types, " or "))
	}
	return nil
}
