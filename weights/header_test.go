package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const oneTensor = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`

func TestHeaderIsRefused(t *testing.T) {
	tensor := func(fields string) []byte { return raw(`{"a":{`+fields+`}}`, 8) }
	length := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), oneTensor...) }
	two := func(a, b string) []byte {
		return raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":`+a+`},"b":{"dtype":"U8","shape":[4],"data_offsets":`+b+`}}`, 8)
	}
	cases := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"few bytes", []byte{1, 2, 3}, "3 bytes are too few"},
		{"text", []byte("<!DOCTYPE html><html>"), "at most 100000000 are allowed: not a safetensors file"},
		{"length over the limit", length(100_000_001), "the header's length is 100000001 bytes, at most 100000000"},
		{"length beyond the file", length(1000), "the header's length is 1000 bytes, but only 54 follow: the file is truncated"},
		{"length of all bits", length(1<<64 - 1), "18446744073709551615 bytes, at most"},
		{"length zero", length(0), "does not begin with {"},
		{"array", raw(`[1]`, 0), "does not begin with {"},
		{"leading space", raw(` {}`, 0), "does not begin with {"},
		{"cut JSON", raw(`{"a":{"dtype":"F32"`, 0), "the JSON is cut off"},
		{"cut at key", raw(`{"a`, 0), "the JSON is cut off"},
		{"bad JSON", raw(`{"a"}`, 0), "bad header"},
		{"two documents", raw(oneTensor+oneTensor, 8), "something follows the JSON"},
		{"not UTF-8", raw("{\"\xff\":{}}", 0), "not UTF-8"},
		{"tensor is a number", raw(`{"a":1}`, 0), `tensor "a": found 1 where { is wanted`},
		{"tensor is null", raw(`{"a":null}`, 0), `tensor "a"`},
		{"name twice", raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, 8), `"a" is there twice`},
		{"field twice", tensor(`"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]`), `tensor "a": "dtype" is there twice`},
		{"metadata twice", raw(`{"__metadata__":{},"__metadata__":{}}`, 0), `"__metadata__" is there twice`},
		{"metadata not text", raw(`{"__metadata__":{"a":1}}`, 0), "found 1 where a string is wanted"},
		{"dtype missing", tensor(`"shape":[2],"data_offsets":[0,8]`), "not all there"},
		{"shape missing", tensor(`"dtype":"F32","data_offsets":[0,8]`), "not all there"},
		{"offsets missing", tensor(`"dtype":"F32","shape":[2]`), "not all there"},
		{"dtype unknown", tensor(`"dtype":"F4","shape":[2],"data_offsets":[0,8]`), `tensor "a": data type "F4" is not supported`},
		{"dtype is a number", tensor(`"dtype":4,"shape":[2],"data_offsets":[0,8]`), "found 4 where a string is wanted"},
		{"negative dimension", tensor(`"dtype":"F32","shape":[-2],"data_offsets":[0,8]`), "-2 is no size"},
		{"fraction", tensor(`"dtype":"F32","shape":[2.0],"data_offsets":[0,8]`), "2.0 is no size"},
		{"exponent", tensor(`"dtype":"F32","shape":[2e0],"data_offsets":[0,8]`), "2e0 is no size"},
		{"dimension over int", tensor(`"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]`), "is no size"},
		{"product over int", tensor(`"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]`), "overflows"},
		{"product wraps to the size", tensor(`"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]`), "overflows"},
		{"zero hides an overflow", tensor(`"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]`), "overflows"},
		{"shape is text", tensor(`"dtype":"F32","shape":"2","data_offsets":[0,8]`), "found 2 where [ is wanted"},
		{"shape of text", tensor(`"dtype":"F32","shape":["2"],"data_offsets":[0,8]`), "found 2 where a number is wanted"},
		{"too many dimensions", tensor(`"dtype":"F32","shape":[` + strings.Repeat("1,", 40) + `2],"data_offsets":[0,8]`), "more than 32 numbers"},
		{"one offset", tensor(`"dtype":"F32","shape":[2],"data_offsets":[8]`), "data_offsets holds 1 numbers, not 2"},
		{"three offsets", tensor(`"dtype":"F32","shape":[2],"data_offsets":[0,8,8]`), "more than 2 numbers"},
		{"offsets reversed", tensor(`"dtype":"F32","shape":[2],"data_offsets":[8,0]`), "data_offsets [8 0] do not fit F32 [2], which is 8 bytes"},
		{"data too short", tensor(`"dtype":"F32","shape":[2],"data_offsets":[0,4]`), "do not fit F32 [2]"},
		{"data too long", tensor(`"dtype":"U8","shape":[7],"data_offsets":[0,8]`), "do not fit U8 [7]"},
		{"out of the file", raw(oneTensor, 7), "tensor a: its data end at byte 8, the file holds 7: the file is truncated"},
		{"more in the file", raw(oneTensor, 9), "1 bytes at the end belong to no tensor"},
		{"data but no tensor", raw(`{}`, 1), "1 bytes at the end belong to no tensor"},
		{"overlap", two("[0,4]", "[3,7]"), "tensor b: its data overlap those of a"},
		{"same data", two("[4,8]", "[4,8]"), "belong to no tensor"},
		{"same data from the start", two("[0,4]", "[0,4]"), "overlap"},
		{"gap in front", two("[4,8]", "[8,12]"), "tensor a: 4 bytes between its data and the header"},
		{"gap at the start", tensor(`"dtype":"U8","shape":[7],"data_offsets":[1,8]`), "1 bytes between its data and the header"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := OpenBytes("x.safetensors", c.file)
			require.ErrorContains(t, err, c.want)
			assert.Contains(t, err.Error(), "open checkpoint x.safetensors: ")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestHeaderOfTooManyTensors(t *testing.T) {
	var b strings.Builder
	for i := range maxEntries + 1 {
		fmt.Fprintf(&b, `,"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
	}
	_, err := OpenBytes("x", raw("{"+b.String()[1:]+"}", 0))
	assert.EqualError(t, err, "open checkpoint x: bad header: more than 262144 tensors")
}

func TestHeaderIsAccepted(t *testing.T) {
	for name, file := range map[string][]byte{
		"no tensor":        raw(`{}`, 0),
		"padded":           raw(oneTensor+"   ", 8),
		"unknown field":    raw(`{"a":{"dtype":"F32","new":[{"x":1}],"shape":[2],"data_offsets":[0,8]}}`, 8),
		"data out of turn": raw(`{"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 8),
		"scalar and empty": raw(`{"b":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4,0],"data_offsets":[0,0]}}`, 4),
	} {
		c, err := OpenBytes(name, file)
		require.NoError(t, err, name)
		for _, n := range c.Names() {
			x, ok := c.Tensor(n)
			assert.True(t, ok)
			assert.Len(t, x.Data, x.Len()*x.DType.Size())
		}
	}
}

// A file whose header has 640 bytes begins like a pickle, one of 67,324,752
// bytes like a zip.
func TestHeaderLengthThatLooksLikeAPickle(t *testing.T) {
	file := raw(oneTensor+strings.Repeat(" ", 640-len(oneTensor)), 8)
	require.True(t, bytes.HasPrefix(file, []byte("\x80\x02")))
	_, err := OpenBytes("x.bin", file)
	assert.NoError(t, err)
}

// FuzzHeader reads arbitrary files. Whatever is accepted must cover the file
// exactly and survive being written and read again.
func FuzzHeader(f *testing.F) {
	f.Add(raw(oneTensor, 8))
	f.Add(raw(`{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"BOOL","shape":[],"data_offsets":[4,5]}}`, 5))
	f.Add(raw(`{"a":{"dtype":"F64","shape":[0,9],"data_offsets":[0,0]}}  `, 0))
	f.Add(raw(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, 8))
	f.Add(raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, 8))
	f.Add(raw("{\"\\ud800\":{}}", 0))
	f.Add([]byte("PK\x03\x04\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := OpenBytes("fuzz", file)
		if err != nil {
			checkLine(t, err)
			return
		}
		if c.Prefix() != "" || slices.ContainsFunc(c.Names(), func(n string) bool { x, _ := c.Tensor(n); return x.Origin != n }) {
			return // bookkeeping may be left out
		}
		total := 0
		var tensors []*Tensor
		for _, name := range c.Names() {
			x, _ := c.Tensor(name)
			if len(x.Data) != x.Len()*x.DType.Size() {
				t.Fatalf("%s: %d bytes for %v %v", name, len(x.Data), x.DType, x.Shape)
			}
			total += len(x.Data)
			tensors = append(tensors, x)
			_ = CheckFinite(x)
		}
		if n := int(binary.LittleEndian.Uint64(file)); total != len(file)-8-n {
			t.Fatalf("%d bytes of %d are covered", total, len(file)-8-n)
		}
		var b bytes.Buffer
		head, sorted, err := header(tensors, c.Metadata())
		if err != nil {
			t.Fatal(err)
		}
		b.Write(head)
		if err := writeAll(&b, nil, sorted); err != nil {
			t.Fatal(err)
		}
		again, err := OpenBytes("again", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		assert.ElementsMatch(t, c.Names(), again.Names())
	})
}
