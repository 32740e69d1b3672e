package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/x448/float16"
)

// Tensor is a named array of numbers: row-major, contiguous, little endian.
type Tensor struct {
	Name   string // the name its user knows it by
	Origin string // the name, or names, in the checkpoint
	Shape  []int  // empty for a scalar
	DType  DType
	// Data holds Len()*DType.Size() bytes, possibly memory-mapped and
	// unaligned: read only. In a Binding it is nil while a tensor that is
	// joined from several has not been joined; Bytes joins.
	Data []byte

	join func() []byte // makes Data where it is nil
}

// FromFloat32s makes an F32 tensor of a copy of values.
func FromFloat32s(name string, values []float32, shape ...int) (*Tensor, error) {
	n, err := sizeOf(shape, 4)
	if err != nil || n/4 != len(values) {
		return nil, fmt.Errorf("tensor %s: shape %v does not hold %d values", Printable(name), shape, len(values))
	}
	data := make([]byte, 0, n)
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return &Tensor{Name: name, Origin: name, Shape: append([]int{}, shape...), DType: F32, Data: data}, nil
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes is Data, joined first where the tensor is made of several.
func (t *Tensor) Bytes() []byte {
	if t.Data == nil && t.join != nil {
		return t.join()
	}
	return t.Data
}

// Rows is the tensor of rows [from, to) of the first dimension; it shares Data.
func (t *Tensor) Rows(from, to int) (*Tensor, error) {
	if len(t.Shape) == 0 || from < 0 || to < from || to > t.Shape[0] {
		return nil, fmt.Errorf("tensor %s %v: rows %d to %d are outside it", Printable(t.Name), t.Shape, from, to)
	}
	r := *t
	r.Shape = append([]int{to - from}, t.Shape[1:]...)
	row := t.DType.Size()
	for _, d := range t.Shape[1:] {
		row *= d
	}
	r.Data, r.join = t.Bytes()[from*row:to*row], nil
	return &r, nil
}

// Float32s converts all elements into dst, which must hold exactly Len()
// values. Numbers that float32 cannot hold are rounded; a Bool is 0 or 1.
func (t *Tensor) Float32s(dst []float32) error {
	return t.float32s(dst, t.Bytes())
}

// Floats are elements from to to: of the tensor's own memory if they lie there as
// float32s, else converted into scratch, which must have room for them.
func (t *Tensor) Floats(from, to int, scratch []float32) ([]float32, error) {
	size := t.DType.Size()
	data := t.Bytes()
	if from < 0 || to < from || to*size > len(data) {
		return nil, fmt.Errorf("tensor %s %v %v: elements %d to %d are outside its %d bytes", Printable(t.Name), t.DType, t.Shape, from, to, len(data))
	}
	data = data[from*size : to*size]
	if first := unsafe.Pointer(unsafe.SliceData(data)); t.DType == F32 && nativeLittle && uintptr(first)%4 == 0 {
		return unsafe.Slice((*float32)(first), to-from), nil
	}
	part := Tensor{Name: t.Name, Shape: []int{to - from}, DType: t.DType}
	return scratch[:to-from], part.float32s(scratch[:to-from], data)
}

func (t *Tensor) float32s(dst []float32, src []byte) error {
	if len(dst) != t.Len() || len(src) != len(dst)*t.DType.Size() {
		return fmt.Errorf("tensor %s %v %v: %d bytes cannot fill %d values", Printable(t.Name), t.DType, t.Shape, len(src), len(dst))
	}
	switch t.DType {
	case F32:
		if nativeLittle {
			copy(bytesOf(dst), src)
			break
		}
		convert(dst, src, 4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })
	case F16:
		convertF16(dst, src)
	case BF16:
		convertBF16(dst, src)
	case F64:
		convert(dst, src, 8, func(b []byte) float32 {
			return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		})
	case I64:
		convert(dst, src, 8, func(b []byte) float32 { return float32(int64(binary.LittleEndian.Uint64(b))) })
	case I32:
		convert(dst, src, 4, func(b []byte) float32 { return float32(int32(binary.LittleEndian.Uint32(b))) })
	case I16:
		convert(dst, src, 2, func(b []byte) float32 { return float32(int16(binary.LittleEndian.Uint16(b))) })
	case I8:
		convert(dst, src, 1, func(b []byte) float32 { return float32(int8(b[0])) })
	case U64:
		convert(dst, src, 8, func(b []byte) float32 { return float32(binary.LittleEndian.Uint64(b)) })
	case U32:
		convert(dst, src, 4, func(b []byte) float32 { return float32(binary.LittleEndian.Uint32(b)) })
	case U16:
		convert(dst, src, 2, func(b []byte) float32 { return float32(binary.LittleEndian.Uint16(b)) })
	case U8:
		convert(dst, src, 1, func(b []byte) float32 { return float32(b[0]) })
	case Bool:
		convert(dst, src, 1, func(b []byte) float32 { return float32(min(b[0], 1)) })
	case F8E4M3, F8E5M2:
		table := quarters(t.DType)
		convert(dst, src, 1, func(b []byte) float32 { return table[b[0]] })
	default:
		return fmt.Errorf("tensor %s: %v has no conversion to float32", Printable(t.Name), t.DType)
	}
	return nil
}

// convert reads one element of size bytes for each value of dst. It inlines,
// and the calls of one with it.
func convert(dst []float32, src []byte, size int, one func([]byte) float32) {
	for i := range dst {
		dst[i] = one(src[:size:size])
		src = src[size:]
	}
}

// convertF16 reads halves, four at a time.
func convertF16(dst []float32, src []byte) {
	table := halves()
	for len(dst) >= 4 && len(src) >= 8 {
		v := binary.LittleEndian.Uint64(src)
		dst[0], dst[1] = table[uint16(v)], table[uint16(v>>16)]
		dst[2], dst[3] = table[uint16(v>>32)], table[uint16(v>>48)]
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = table[binary.LittleEndian.Uint16(src[2*i:])]
	}
}

// convertBF16 reads bfloat16s, the upper halves of float32s, four at a time.
func convertBF16(dst []float32, src []byte) {
	for len(dst) >= 4 && len(src) >= 8 {
		v := binary.LittleEndian.Uint64(src)
		dst[0] = math.Float32frombits(uint32(v) << 16)
		dst[1] = math.Float32frombits(uint32(v) & 0xffff0000)
		dst[2] = math.Float32frombits(uint32(v>>32) << 16)
		dst[3] = math.Float32frombits(uint32(v>>32) & 0xffff0000)
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

// nativeLittle says whether the machine's numbers are the file's.
var nativeLittle = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// bytesOf is the memory of values.
func bytesOf(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}

// halves is the float32 of each of the 65,536 halves: 256 KiB that replace the
// branches of a conversion, subnormal halves included.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	table := new([1 << 16]float32)
	for i := range table {
		table[i] = float16.Frombits(uint16(i)).Float32()
	}
	return table
})

// quarters is the float32 of each of the 256 numbers of an 8-bit type, all of
// them exact: 4 bits of exponent with a bias of 7 and 3 of mantissa, all ones NaN;
// or the upper half of an F16.
func quarters(dtype DType) *[1 << 8]float32 {
	table := new([1 << 8]float32)
	for i := range table {
		if dtype == F8E5M2 {
			table[i] = float16.Frombits(uint16(i) << 8).Float32()
			continue
		}
		exponent, mantissa := i>>3&15, i&7
		value := math.Ldexp(float64(8+mantissa), exponent-10)
		switch {
		case exponent == 0:
			value = math.Ldexp(float64(mantissa), -9)
		case i&0x7f == 0x7f:
			value = math.NaN()
		}
		table[i] = float32(math.Copysign(value, float64(1-i>>6&2)))
	}
	return table
}

// sizeOf is the size in bytes of a tensor, or an error for a negative dimension
// or one that no int holds.
func sizeOf(shape []int, elem int) (int, error) {
	size, zero := uint64(elem), false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		zero = zero || d == 0
		hi, lo := bits.Mul64(size, uint64(max(d, 1)))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("shape %v overflows", shape)
		}
		size = lo
	}
	if zero {
		return 0, nil
	}
	return int(size), nil
}
