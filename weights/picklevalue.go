package weights

import (
	"errors"
	"fmt"
	"math"
)

// The values that a pickle makes, beside those of Go and of pickleglobals.go.
type (
	text   []byte             // a str, part of the file
	long   string             // an int that int64 does not hold, little endian
	opaque struct{}           // a value that is of no use here: float or bytes
	array  struct{ of []any } // a list or a tuple
	dict   struct{ of []any } // key, value, key, value …
)

// maxNesting is far above any real checkpoint's.
const maxNesting = 100

// checkNesting refuses a value that contains itself or is nested too deep. It
// looks into each list and dict once: state is false for those that it is in,
// true for those that it is through with.
func checkNesting(v any, depth int, state map[any]bool) error {
	var of []any
	switch v := v.(type) {
	case *array:
		of = v.of
	case *dict:
		of = v.of
	default:
		return nil
	}
	done, seen := state[v]
	switch {
	case done:
		return nil
	case seen:
		return errors.New("damaged pickle: a list or dict contains itself")
	case depth == maxNesting:
		return fmt.Errorf("damaged pickle: lists and dicts are nested more than %d deep", maxNesting)
	}
	state[v] = false
	for _, inner := range of {
		if err := checkNesting(inner, depth+1, state); err != nil {
			return err
		}
	}
	state[v] = true
	return nil
}

// find returns the value of a key, nil if it is not there.
func (d *dict) find(key string) (found any, err error) {
	seen := false
	for i := 0; i < len(d.of); i += 2 {
		if k, ok := d.of[i].(text); ok && string(k) == key {
			if seen {
				return nil, fmt.Errorf("damaged pickle: the key %q is there twice", key)
			}
			found, seen = d.of[i+1], true
		}
	}
	return found, nil
}

// kind names a value's type in an error.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, long:
		return "an int"
	case text:
		return "a str"
	case opaque:
		return "a float or bytes"
	case *array:
		return "a list or tuple"
	case *dict:
		return "a dict"
	case *storage:
		return "a storage"
	case *view:
		return "a tensor"
	case *foreign:
		return Printable(v.module + "." + v.name)
	default:
		return "a type or function"
	}
}

// maxName is the longest storage key or name of a global, in bytes.
const maxName = 256

// asName reads a short str.
func asName(v any) (string, error) {
	t, ok := v.(text)
	if !ok {
		return "", fmt.Errorf("found %s where a str is wanted", kind(v))
	}
	if len(t) > maxName {
		return "", fmt.Errorf("a name of %d bytes, at most %d are allowed", len(t), maxName)
	}
	return string(t), nil
}

// asSize reads an int ≥ 0.
func asSize(v any) (int, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, fmt.Errorf("found %s where a size is wanted", kind(v))
	}
	if n < 0 || n > math.MaxInt {
		return 0, fmt.Errorf("%d is no size", n)
	}
	return int(n), nil
}

// asSizes reads a tuple of at most maxDims ints ≥ 0.
func asSizes(v any) ([]int, error) {
	a, ok := v.(*array)
	if !ok {
		return nil, fmt.Errorf("found %s where a tuple of sizes is wanted", kind(v))
	}
	if len(a.of) > maxDims {
		return nil, fmt.Errorf("%d dimensions, at most %d are allowed", len(a.of), maxDims)
	}
	list := make([]int, len(a.of))
	for i, v := range a.of {
		n, err := asSize(v)
		if err != nil {
			return nil, err
		}
		list[i] = n
	}
	return list, nil
}
