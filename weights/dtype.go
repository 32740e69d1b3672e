package weights

import "fmt"

// DType is the type of a tensor's elements. The zero value is no type.
type DType uint8

// The data types that are read and written, by safetensors' names.
const (
	F32 DType = iota + 1
	F16
	BF16
	F64
	I64
	I32
	I16
	I8
	U64
	U32
	U16
	U8
	Bool
	F8E4M3 // of weights that are kept small; without Inf
	F8E5M2 // the upper halves of F16
)

// dtypes holds each type's name in a safetensors header and its size in bytes.
var dtypes = [...]struct {
	name string
	size int
}{
	F32: {"F32", 4}, F16: {"F16", 2}, BF16: {"BF16", 2}, F64: {"F64", 8},
	I64: {"I64", 8}, I32: {"I32", 4}, I16: {"I16", 2}, I8: {"I8", 1},
	U64: {"U64", 8}, U32: {"U32", 4}, U16: {"U16", 2}, U8: {"U8", 1},
	Bool: {"BOOL", 1}, F8E4M3: {"F8_E4M3", 1}, F8E5M2: {"F8_E5M2", 1},
}

// Size is the size of one element in bytes, 0 for no type.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// String is the type's name in a safetensors header, such as "BF16".
func (d DType) String() string {
	if d == 0 || int(d) >= len(dtypes) {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// ParseDType finds a type by its safetensors name, such as "BF16".
func ParseDType(name string) (DType, error) {
	for d := F32; int(d) < len(dtypes); d++ {
		if dtypes[d].name == name {
			return d, nil
		}
	}
	return 0, fmt.Errorf("data type \"%s\" is not supported (F32, F16, BF16, F64, F8_E4M3, F8_E5M2, I64…I8, U64…U8, BOOL are)", Printable(name))
}
