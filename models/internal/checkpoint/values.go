package checkpoint

import (
	"fmt"

	"saccade/weights"
)

// Values are those of a tensor in order; ok says that there is one of that name.
func Values(src weights.Source, name string) (values []float32, ok bool, err error) {
	t, ok := src.Tensor(name)
	if !ok {
		return nil, false, nil
	}
	values = make([]float32, t.Len())
	return values, true, t.Float32s(values)
}

// Scalar is the value of a tensor of one, or that of absent where there is none.
func Scalar(src weights.Source, name string, absent float64) (float64, error) {
	v, ok, err := Values(src, name)
	switch {
	case err != nil:
		return 0, err
	case !ok:
		return absent, nil
	case len(v) != 1:
		return 0, fmt.Errorf("the checkpoint's %s has %d values; expected one", name, len(v))
	}
	return float64(v[0]), nil
}
