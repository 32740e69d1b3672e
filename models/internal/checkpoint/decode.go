package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Decode reads a JSON object into the fields of a struct by their json tags, as
// json.Unmarshal does, null being an absent key. An error names the file, the key,
// what was found and what is expected.
func Decode(file string, text []byte, into any) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		if !json.Valid(text) {
			return fmt.Errorf("%s is no JSON: %w", file, err)
		}
		return fmt.Errorf("%s is %s; expected an object of keys and values", file, Shown(text))
	}
	return decodeKeys(file, keys, reflect.ValueOf(into).Elem())
}

func decodeKeys(file string, keys map[string]json.RawMessage, to reflect.Value) error {
	for i := range to.NumField() {
		field := to.Type().Field(i)
		if field.Anonymous {
			if err := decodeKeys(file, keys, to.Field(i)); err != nil {
				return err
			}
			continue
		}
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, ok := keys[key]
		if !ok || key == "" || key == "-" {
			continue
		}
		if err := json.Unmarshal(value, to.Field(i).Addr().Interface()); err != nil {
			return fmt.Errorf("%s: %s is %s; expected %s", file, key, Shown(value), expected(field.Type))
		}
	}
	return nil
}

// Object is a JSON object of keys and values, which errors show as they were written.
func Object(keys map[string]json.RawMessage) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(keys)
	return text.Bytes(), err
}

// expected says what is read into a type. A type that reads itself says it by a
// method.
func expected(t reflect.Type) string {
	if own, ok := reflect.New(t).Interface().(interface{ Expected() string }); ok {
		return own.Expected()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem()) + " or null"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice, reflect.Array:
		return "a list, each " + expected(t.Elem())
	}
	return "an object of keys and values"
}

// Shown is a JSON value in one line, cut where it is long.
func Shown(value []byte) string {
	const most = 60
	var line bytes.Buffer
	if json.Compact(&line, value) != nil {
		return "no JSON"
	}
	if s := []rune(line.String()); len(s) > most {
		return string(s[:most]) + "…"
	}
	return line.String()
}
