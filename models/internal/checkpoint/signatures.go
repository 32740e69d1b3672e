package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Signatures are the keys of the configs of a library's classes with the values
// that the library takes for absent ones, by class: a file that a script makes of
// the constructors. Tests go through them, so that none is overlooked.
type Signatures func() (map[string]map[string]json.RawMessage, error)

// NewSignatures reads the file.
func NewSignatures(text []byte) Signatures { return ByName(text) }

// ByName reads a file of objects by name, each of values by key, when it is first asked for.
func ByName(text []byte) func() (map[string]map[string]json.RawMessage, error) {
	return sync.OnceValues(func() (map[string]map[string]json.RawMessage, error) {
		var s map[string]map[string]json.RawMessage
		err := json.Unmarshal(text, &s)
		return s, err
	})
}

// Classes are the classes, sorted.
func (s Signatures) Classes() []string {
	all, err := s()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(all))
}

// Decode reads the config of a class, the file of that name, as [Decode] does, with
// the library's values for absent keys. Keys that the class does not take are passed
// over, as the library does, and so are those of inert.
func (s Signatures) Decode(file, class string, config []byte, into any, inert ...string) error {
	all, err := s()
	if err != nil {
		return err
	}
	keys, ok := all[class]
	if !ok {
		return fmt.Errorf("%s: _class_name is %q, which is not supported; %s is", file, class, strings.Join(s.Classes(), " or "))
	}
	var given map[string]json.RawMessage
	if err := Decode(file, config, &struct{}{}); err != nil {
		return err
	}
	if err := json.Unmarshal(config, &given); err != nil {
		return err
	}
	merged := maps.Clone(keys)
	for key, value := range given {
		if _, ok := keys[key]; ok && !slices.Contains(inert, key) {
			merged[key] = value
		}
	}
	return decodeKeys(file, merged, reflect.ValueOf(into).Elem())
}

// DecodeExtractor is Decode of the preprocessor_config.json of a feature extractor of sounds, of
// the class that it names if it names one; nil has the library's values.
func (s Signatures) DecodeExtractor(class string, data []byte, into any, inert ...string) error {
	const file = "preprocessor_config.json"
	if data == nil {
		data = []byte("{}")
	}
	var named struct {
		Type string `json:"feature_extractor_type"`
		Side string `json:"padding_side"`
	}
	if err := Decode(file, data, &named); err != nil {
		return err
	}
	if named.Type != "" && named.Type != class {
		return fmt.Errorf("%s: feature_extractor_type is %q; expected %s", file, named.Type, class)
	}
	return s.Decode(file, class, data, into, inert...)
}
