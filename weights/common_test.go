package weights

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// raw is a safetensors file of a header and n bytes of data, 0, 1, 2, ….
func raw(header string, n int) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	file = append(file, header...)
	for i := range n {
		file = append(file, byte(i))
	}
	return file
}

// put writes a file in a folder of the test and returns its path.
func put(t testing.TB, folder, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, data, 0o666))
	return path
}

// filled is a tensor of one value.
func filled(t testing.TB, name string, value float32, shape ...int) *Tensor {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = value
	}
	made, err := FromFloat32s(name, values, shape...)
	require.NoError(t, err)
	return made
}

// source is a checkpoint in memory of tensors with these names and shapes, the
// value of the i-th being i.
func source(t testing.TB, shapes ...any) *Checkpoint {
	t.Helper()
	var tensors []*Tensor
	for i := 0; i < len(shapes); i += 2 {
		tensors = append(tensors, filled(t, shapes[i].(string), float32(i/2), shapes[i+1].([]int)...))
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, Write(path, tensors, nil))
	c, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// float32sOf converts a whole tensor.
func float32sOf(t testing.TB, x *Tensor) []float32 {
	t.Helper()
	values := make([]float32, x.Len())
	require.NoError(t, x.Float32s(values))
	return values
}

// tensors is a Source of tensors in memory.
type tensors []*Tensor

func (s tensors) Names() []string {
	var names []string
	for _, t := range s {
		names = append(names, t.Name)
	}
	return names
}

func (s tensors) Tensor(name string) (*Tensor, bool) {
	for _, t := range s {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

func nan() float64 { return math.NaN() }
