package weights

import (
	"fmt"
	"math/bits"
)

// contents is the bytes of a tensor, row-major and contiguous: a part of its
// storage if they are so there, else a copy.
func (f *torchFile) contents(v *view) ([]byte, error) {
	n, err := sizeOf(v.shape, v.dtype.Size())
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return []byte{}, nil
	}
	elem := v.storage.dtype.Size()
	src := f.bytes[v.storage.key][v.storage.begin*elem:][:v.storage.size*elem]
	elem = v.dtype.Size()
	if !v.fits(len(src) / elem) {
		return nil, fmt.Errorf("shape %v, strides %v and offset %d reach beyond its storage of %d elements",
			v.shape, v.strides, v.offset, len(src)/elem)
	}
	src = src[v.offset*elem:]
	outer, block := v.blocks()
	if outer == 0 {
		return src[:n:n], nil
	}
	if err := f.spend(uint64(n)); err != nil {
		return nil, err
	}
	dst := make([]byte, n)
	gather(dst, src, block*elem, elem, v.shape[:outer], v.strides[:outer])
	return dst, nil
}

// fits says whether all elements of a tensor, which has some, are among the n
// of its storage.
func (v *view) fits(n int) bool {
	last := uint64(v.offset)
	for i, d := range v.shape {
		hi, lo := bits.Mul64(uint64(d-1), uint64(v.strides[i]))
		if hi != 0 || lo >= uint64(n) {
			return false
		}
		last += lo
		if last >= uint64(n) {
			return false
		}
	}
	return last < uint64(n)
}

// blocks splits a tensor into the dimensions in front, outer of them, and the
// largest blocks of elements behind that are contiguous.
func (v *view) blocks() (outer, block int) {
	block = 1
	for outer = len(v.shape); outer > 0; outer-- {
		d := v.shape[outer-1]
		if d != 1 && v.strides[outer-1] != block {
			break
		}
		block *= d
	}
	return outer, block
}

// gather copies blocks of block bytes, strides elements of elem bytes apart,
// to dst one after another, and returns what is left of dst.
func gather(dst, src []byte, block, elem int, shape, strides []int) []byte {
	if len(shape) == 0 {
		copy(dst[:block], src)
		return dst[block:]
	}
	for i := range shape[0] {
		dst = gather(dst, src[i*strides[0]*elem:], block, elem, shape[1:], strides[1:])
	}
	return dst
}
