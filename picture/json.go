package picture

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// decode reads JSON into a struct. An error names the key, what was found and what
// is expected.
func decode(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	var mistyped *json.UnmarshalTypeError
	if !errors.As(err, &mistyped) {
		return err
	}
	if mistyped.Field == "" {
		return fmt.Errorf("found a JSON %s, expected an object of keys and values", mistyped.Value)
	}
	expected := "an object of keys and values"
	switch mistyped.Type.Kind() {
	case reflect.Bool:
		expected = "true or false"
	case reflect.String:
		expected = "a text"
	case reflect.Int:
		expected = "a whole number"
	case reflect.Float64:
		expected = "a number"
	case reflect.Slice:
		expected = "a list"
	}
	return fmt.Errorf("%s is a JSON %s; expected %s", mistyped.Field, mistyped.Value, expected)
}
