package gpu

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"saccade/gpu/internal/wgpu"
)

// DType is how a tensor's elements are stored. Arithmetic is always f32.
type DType uint8

// The element types of tensors.
const (
	F16 DType = iota // halves, two in a u32; the default
	F32
	U32 // token ids and the like
)

// Size is the bytes of one element.
func (t DType) Size() int64 {
	if t == F16 {
		return 2
	}
	return 4
}

func (t DType) String() string { return [...]string{"f16", "f32", "u32"}[t] }

// rowPad is the multiple to which an activation's rows are rounded up in
// memory, so that register-tiled kernels need no guard on rows. What stands in
// the rows beyond is undefined.
const rowPad = 16

// Pad8 rounds n up to a multiple of eight.
func Pad8(n int) int { return (n + 7) &^ 7 }

type place uint8

const (
	inConstant place = iota // device memory of its own
	inInput                 // program memory, uploaded each run
	inArena                 // program memory, shared by liveness
	inState                 // device memory of its own, written by programs
)

// Tensor is a named array on the device.
//
// An activation's innermost dimension consists of Groups equal parts, each
// padded with zeros to a multiple of eight elements (one group for most; the
// heads of an attention layer are groups). The leading dimensions are rows;
// there is room for rows up to a multiple of 16, whose content is undefined.
// Inputs are dense. A constant's layout is known to the operation that made it.
type Tensor struct {
	Name   string
	Shape  []int // as PyTorch has it, innermost last
	Groups int
	Type   DType

	place place
	dense bool
	bytes int64
	buf   *buffer
	off   int64 // within buf, for inArena
	first int   // the dispatches between which the tensor is alive
	last  int
	dev   *Device // of a constant and a state
}

// Rows is the product of the leading dimensions.
func (t *Tensor) Rows() int { return product(t.Shape[:len(t.Shape)-1]) }

// Width is the logical size of the innermost dimension.
func (t *Tensor) Width() int { return t.Shape[len(t.Shape)-1] }

// Stride is the elements from one row to the next.
func (t *Tensor) Stride() int {
	if t.dense {
		return t.Width()
	}
	return t.Groups * Pad8(t.Width()/t.Groups)
}

// Dense says that the tensor has PyTorch's layout without padding, as inputs have.
func (t *Tensor) Dense() bool { return t.dense }

// Bytes is the device memory taken.
func (t *Tensor) Bytes() int64 { return t.bytes }

// String is the name and shape, for errors.
func (t *Tensor) String() string { return fmt.Sprintf("%s %v", t.Name, t.Shape) }

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// View is a window of a tensor's memory, in bytes; a zero Size means all from
// Offset. Offsets are multiples of the adapter's alignment, at most 256.
type View struct {
	Tensor *Tensor
	Offset int64
	Size   int64
}

// All views a whole tensor.
func All(t *Tensor) View { return View{Tensor: t} }

// RowWindow views rows lo to hi of an activation.
func (t *Tensor) RowWindow(lo, hi int) View {
	row := int64(t.Stride()) * t.Type.Size()
	return View{Tensor: t, Offset: int64(lo) * row, Size: int64(hi-lo) * row}
}

// Window views [UniformWindow] bytes from row lo on, for a binding that is a
// uniform array. What follows the tensor there is undefined.
func (t *Tensor) Window(lo int) View {
	return View{Tensor: t, Offset: int64(lo*t.Stride()) * t.Type.Size(), Size: UniformWindow}
}

// Constant says whether t is uploaded once, like a weight, not computed or fed.
func (t *Tensor) Constant() bool { return t.place == inConstant }

// Bytes is the size of the window.
func (v View) Bytes() int64 {
	if v.Size > 0 {
		return v.Size
	}
	return v.Tensor.bytes - v.Offset
}

// Reserve names a constant of the given size without taking memory yet, so
// that programs can be recorded and pipelines warmed before weights are read.
func (d *Device) Reserve(name string, shape []int, typ DType, bytes int64) *Tensor {
	return &Tensor{Name: name, Shape: shape, Groups: 1, Type: typ, place: inConstant, dense: true, bytes: bytes, dev: d}
}

// Upload takes the memory of a reserved constant and has fill write it: fill
// gets zeroed memory of the device's own. It may run in several goroutines.
func (t *Tensor) Upload(fill func(dst []byte) error) error {
	d := t.dev
	d.mu.Lock()
	if err := d.Fits(t.bytes); err != nil {
		d.mu.Unlock()
		return fmt.Errorf("uploading %s: %w", t, err)
	}
	b, err := d.createBuffer(t.Name, t.bytes, wgpu.BufferUsageStorage|wgpu.BufferUsageUniform|wgpu.BufferUsageCopySrc|wgpu.BufferUsageCopyDst, true)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	dst := b.b.GetMappedRange(0, uint(b.size))
	d.mu.Unlock()

	fillErr := fill(dst)

	d.mu.Lock()
	defer d.mu.Unlock()
	if err := wgpu.Unmap(b.b); err != nil && fillErr == nil {
		fillErr = fmt.Errorf("uploading %s: %s", t, oneLine(err))
	}
	if fillErr != nil {
		b.releaseLocked()
		return fillErr
	}
	t.buf = b
	return nil
}

// Uploaded says whether a constant has its memory.
func (t *Tensor) Uploaded() bool { return t.buf != nil }

// Release frees the memory of a constant or a state. A window that shows it
// shows nothing there from then on.
func (t *Tensor) Release() {
	if t != nil && (t.place == inConstant || t.place == inState) {
		t.dev.mu.Lock()
		defer t.dev.mu.Unlock()
		t.buf.releaseLocked()
		t.buf = nil
	}
}

// PutFloats stores values as elements of type typ, from the start of dst.
func PutFloats(dst []byte, typ DType, values []float32) {
	if typ == F16 {
		for len(values) >= 4 {
			binary.LittleEndian.PutUint64(dst, Halves(values[0], values[1], values[2], values[3]))
			dst, values = dst[8:], values[4:]
		}
		for i, v := range values {
			binary.LittleEndian.PutUint16(dst[i*2:], Half(v))
		}
		return
	}
	for i, v := range values {
		binary.LittleEndian.PutUint32(dst[i*4:], math.Float32bits(v))
	}
}

// Bounds of the halves that are neither subnormal nor infinite, and where their
// exponents begin, as bits of a float32.
const (
	halfTooLarge = (127 + 16) << 23 // 65536
	halfNormal   = (127 - 14) << 23
	halfBias     = (127 - 15) << 23
)

// Half is the half nearest to v, ties to even, as bits; beyond 65504 it is
// infinite.
func Half(v float32) uint16 {
	const (
		infinite  = 0x7f800000
		subnormal = (127 - 15 + 23 - 10 + 1) << 23
	)
	u := math.Float32bits(v)
	sign := uint16(u >> 16 & 0x8000)
	switch a := u & 0x7fffffff; {
	case a > infinite:
		return sign | 0x7e00
	case a >= halfTooLarge:
		return sign | 0x7c00
	case a < halfNormal: // the addition rounds to the last place of a subnormal half
		return sign | uint16(math.Float32bits(math.Float32frombits(a)+math.Float32frombits(subnormal))-subnormal)
	}
	return uint16(normalHalf(u))
}

// Halves is four halves in a word, the first in its lowest bits. Hundreds of millions of
// weights go through it at a load, most of them neither zero nor large.
func Halves(a, b, c, d float32) uint64 {
	i, j, k, l := math.Float32bits(a), math.Float32bits(b), math.Float32bits(c), math.Float32bits(d)
	if isNormalHalf(i) && isNormalHalf(j) && isNormalHalf(k) && isNormalHalf(l) {
		return normalHalf(i) | normalHalf(j)<<16 | normalHalf(k)<<32 | normalHalf(l)<<48
	}
	return uint64(Half(a)) | uint64(Half(b))<<16 | uint64(Half(c))<<32 | uint64(Half(d))<<48
}

// isNormalHalf says whether normalHalf takes the float32 of bits u.
func isNormalHalf(u uint32) bool { return u&0x7fffffff-halfNormal < halfTooLarge-halfNormal }

// normalHalf rounds to the nearest, ties to even; what rounds up to 65536 is infinite.
func normalHalf(u uint32) uint64 {
	a := u & 0x7fffffff
	return uint64(u>>16&0x8000 | (a-halfBias+0xfff+a>>13&1)>>13)
}

// Round gives the value that storing v as typ keeps.
func Round(typ DType, v float32) float32 {
	if typ == F16 {
		return float16.Frombits(Half(v)).Float32()
	}
	return v
}

// decode reads the logical values out of the tensor's memory, padding left out.
func (t *Tensor) decode(raw []byte) []float32 {
	rows, width, stride, groups := t.Rows(), t.Width(), t.Stride(), max(1, t.Groups)
	if t.dense {
		rows, width, stride, groups = 1, product(t.Shape), product(t.Shape), 1
	}
	out := make([]float32, 0, rows*width)
	in, pad := width/groups, stride/groups
	for r := range rows {
		for g := range groups {
			at := r*stride + g*pad
			for c := range in {
				out = append(out, t.element(raw, at+c))
			}
		}
	}
	return out
}

func (t *Tensor) element(raw []byte, i int) float32 {
	switch t.Type {
	case F16:
		return float16.Frombits(binary.LittleEndian.Uint16(raw[i*2:])).Float32()
	case U32:
		return float32(binary.LittleEndian.Uint32(raw[i*4:]))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(raw[i*4:]))
}

// paddingClean reports whether all padding columns of the valid rows are zero.
func (t *Tensor) paddingClean(raw []byte) bool {
	if t.dense {
		return true
	}
	in, pad := t.Width()/t.Groups, t.Stride()/t.Groups
	for r := range t.Rows() {
		for g := range t.Groups {
			for c := in; c < pad; c++ {
				if t.element(raw, r*t.Stride()+g*pad+c) != 0 {
					return false
				}
			}
		}
	}
	return true
}
