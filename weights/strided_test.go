package weights

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestStrides draws shapes, strides and offsets, those that overlap included,
// and compares with one element after another.
func TestStrides(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		v := &view{dtype: rapid.SampledFrom([]DType{U8, F16, F32, I64}).Draw(r, "dtype"), offset: rapid.IntRange(0, 3).Draw(r, "offset")}
		n := v.offset + 1 // elements that are needed
		for range rapid.IntRange(0, 4).Draw(r, "dimensions") {
			d, stride := rapid.IntRange(1, 4).Draw(r, "size"), rapid.IntRange(0, 12).Draw(r, "stride")
			v.shape, v.strides = append(v.shape, d), append(v.strides, stride)
			n += (d - 1) * stride
		}
		contiguous := rapid.Bool().Draw(r, "contiguous")
		if contiguous {
			n = 1
			for i := len(v.shape) - 1; i >= 0; i-- {
				v.strides[i] = n
				n *= v.shape[i]
			}
			n += v.offset
		}
		elem := v.dtype.Size()
		data := make([]byte, n*elem)
		for i := range data {
			data[i] = byte(i * 7)
		}
		v.storage = &storage{key: "0", dtype: v.dtype, size: n}
		f := &torchFile{bytes: map[string][]byte{"0": data}, budget: minBudget}
		got, err := f.contents(v)
		require.NoError(r, err)
		index := make([]int, len(v.shape))
		for at := 0; at < len(got); at += elem {
			element := v.offset
			for i := range index {
				element += index[i] * v.strides[i]
			}
			require.Equal(r, data[element*elem:(element+1)*elem], got[at:at+elem])
			for i := len(index) - 1; i >= 0; i-- {
				if index[i]++; index[i] < v.shape[i] {
					break
				}
				index[i] = 0
			}
		}
		if contiguous {
			require.Same(r, &data[v.offset*elem], &got[0])
		}
		v.storage = &storage{key: "0", dtype: v.dtype, size: n - 1}
		_, err = f.contents(v)
		require.ErrorContains(r, err, "reach beyond its storage")
	})
}

// All copies of a file together are bounded, not each alone.
func TestCopiesAreBounded(t *testing.T) {
	const half = minBudget / 4 / 2 // of the floats that may be copied
	expanded := tensor(stored("FloatStorage", "0", 4), 0, ints(half), ints(0))
	c, err := openTorch(t, program(dictOf(str("a"), expanded, str("b"), expanded)))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, c.Names())
	_, err = openTorch(t, program(dictOf(str("a"), expanded, str("b"), expanded, str("c"), expanded)))
	assert.ErrorContains(t, err, `tensor "c": its tensors take more than 4 times the file`)
}
