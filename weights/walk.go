package weights

import (
	"fmt"
	"reflect"
	"strconv"
)

// Walk calls f with every module of a model and its path, in the order in
// which Bind goes through them. model is a pointer to a struct.
func Walk(model any, f func(path string, m Module)) error {
	v := reflect.ValueOf(model)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("weights.Walk: %T is not a pointer to a struct", model)
	}
	return walk(v, "", f)
}

func walk(v reflect.Value, path string, f func(string, Module)) error {
	if m, ok := moduleOf(v); ok {
		f(path, m)
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return walk(v.Elem(), path, f)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := walk(v.Index(i), join(path, strconv.Itoa(i)), f); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name, _, ok, err := parseTag(field)
			if err != nil {
				return fmt.Errorf("weights.Walk: field %s.%s %w", v.Type(), field.Name, err)
			}
			if !ok {
				continue
			}
			if err := walk(v.Field(i), join(path, name), f); err != nil {
				return err
			}
		}
	}
	return nil
}
