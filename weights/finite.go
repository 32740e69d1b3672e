package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// CheckFinite finds the first Inf or NaN of a tensor and names it. Tensors of
// integers are always finite.
func CheckFinite(t *Tensor) error {
	data := t.Bytes()
	i := -1
	switch t.DType {
	case F16:
		i = findExponent16(data, 0x7c00)
	case BF16:
		i = findExponent16(data, 0x7f80)
	case F32:
		i = findExponent32(data)
	case F64:
		i = findExponent64(data)
	case F8E4M3:
		i = slices.IndexFunc(data, func(b byte) bool { return b&0x7f == 0x7f })
	case F8E5M2:
		i = slices.IndexFunc(data, func(b byte) bool { return b&0x7c == 0x7c })
	}
	if i < 0 {
		return nil
	}
	one := Tensor{Shape: []int{}, DType: t.DType}
	var value [1]float32
	size := t.DType.Size()
	if err := one.float32s(value[:], data[i*size:(i+1)*size]); err != nil {
		return err
	}
	what := "Inf"
	if math.IsNaN(float64(value[0])) {
		what = "NaN"
	}
	name := t.Origin
	if name == "" {
		name = t.Name
	}
	return fmt.Errorf("tensor %s: %s at %v of %v; the checkpoint is damaged", Printable(name), what, unravel(i, t.Shape), t.Shape)
}

// findExponent16 finds the first 16-bit number whose exponent bits are all set,
// or -1. Four are looked at together: adding the exponent's lowest bit to it
// carries into the sign's place only from there.
func findExponent16(data []byte, mask uint16) int {
	const lanes = 0x0001_0001_0001_0001
	all := uint64(mask) * lanes
	one := uint64(mask&-mask) * lanes
	for i := 0; i+8 <= len(data); i += 8 {
		v := binary.LittleEndian.Uint64(data[i:])
		if ((v&all)+one)&(0x8000*lanes) != 0 {
			return i/2 + firstExponent16(data[i:i+8], mask)
		}
	}
	tail := len(data) &^ 7
	if j := firstExponent16(data[tail:], mask); j >= 0 {
		return tail/2 + j
	}
	return -1
}

func firstExponent16(data []byte, mask uint16) int {
	for i := 0; i+2 <= len(data); i += 2 {
		if binary.LittleEndian.Uint16(data[i:])&mask == mask {
			return i / 2
		}
	}
	return -1
}

func findExponent32(data []byte) int {
	const mask = 0x7f800000
	for i := 0; i+4 <= len(data); i += 4 {
		if binary.LittleEndian.Uint32(data[i:])&mask == mask {
			return i / 4
		}
	}
	return -1
}

func findExponent64(data []byte) int {
	const mask = 0x7ff0000000000000
	for i := 0; i+8 <= len(data); i += 8 {
		if binary.LittleEndian.Uint64(data[i:])&mask == mask {
			return i / 8
		}
	}
	return -1
}

// unravel is the index of element i in a tensor of a shape.
func unravel(i int, shape []int) []int {
	index := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = i % shape[d]
		i /= shape[d]
	}
	return index
}
