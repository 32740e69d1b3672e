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

// ModelType is the model_type of config.json, which tells which network of a family a checkpoint is
// of: one of those known. what names the family's networks in errors.
func ModelType(config []byte, what string, known ...string) (string, error) {
	if config == nil {
		return "", fmt.Errorf("there is no config.json beside the checkpoint, which tells what %s it is; give the folder that holds both", what)
	}
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := Decode("config.json", config, &head); err != nil {
		return "", err
	}
	if !slices.Contains(known, head.ModelType) {
		return "", fmt.Errorf("config.json is of a model of type %q; a %s is expected: %s", head.ModelType, what, strings.Join(known, ", "))
	}
	return head.ModelType, nil
}
