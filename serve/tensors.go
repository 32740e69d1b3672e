package serve

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/x448/float16"

	"saccade/models/nn"
)

// tensorKind is a type of the Open Inference Protocol.
type tensorKind struct {
	size  int
	value func(b []byte) (float32, error)
	whole func(values []float32) error // of values that came as JSON
}

// exact refuses whole numbers that a float does not hold.
func exact(v int64) (float32, error) {
	if v > 1<<24 || v < -1<<24 {
		return 0, fmt.Errorf("%d; whole numbers of up to %d are taken", v, 1<<24)
	}
	return float32(v), nil
}

func anyNumber([]float32) error { return nil }

func wholeNumbers(values []float32) error {
	for _, v := range values {
		if float64(v) != math.Trunc(float64(v)) || math.Abs(float64(v)) > 1<<24 {
			return fmt.Errorf("%g is no whole number of up to %d", v, 1<<24)
		}
	}
	return nil
}

// tensorTypes are those that inputs come in.
var tensorTypes = map[string]tensorKind{
	"FP32":  {4, func(b []byte) (float32, error) { return math.Float32frombits(binary.LittleEndian.Uint32(b)), nil }, anyNumber},
	"FP16":  {2, func(b []byte) (float32, error) { return float16.Frombits(binary.LittleEndian.Uint16(b)).Float32(), nil }, anyNumber},
	"INT64": {8, func(b []byte) (float32, error) { return exact(int64(binary.LittleEndian.Uint64(b))) }, wholeNumbers},
	"INT32": {4, func(b []byte) (float32, error) { return exact(int64(int32(binary.LittleEndian.Uint32(b)))) }, wholeNumbers},
	"UINT8": {1, func(b []byte) (float32, error) { return float32(b[0]), nil }, wholeNumbers},
}

// tensorType is the type of an input in which callers have it.
func tensorType(k nn.Kind) string {
	if k == nn.IDs || k == nn.Lengths {
		return "INT64"
	}
	return "FP32"
}

// flatten reads numbers of JSON, in a list or in lists of lists.
func flatten(data json.RawMessage, room int) ([]float32, error) {
	if len(data) == 0 {
		return nil, errors.New("no data")
	}
	flat := make([]float32, 0, room)
	if json.Unmarshal(data, &flat) == nil {
		return flat, nil
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, errors.New("the data is no list of numbers")
	}
	flat = flat[:0]
	var add func(x any) error
	add = func(x any) error {
		switch x := x.(type) {
		case float64:
			flat = append(flat, float32(x))
		case bool:
			v := float32(0)
			if x {
				v = 1
			}
			flat = append(flat, v)
		case []any:
			for _, y := range x {
				if err := add(y); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("the data has %v, which is no number", x)
		}
		return nil
	}
	return flat, add(all)
}
