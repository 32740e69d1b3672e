package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// str, num and ints are opcodes that push a str, an int and a tuple of ints.
func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func ints(list ...int64) string {
	var b strings.Builder
	b.WriteString("(")
	for _, n := range list {
		b.WriteString(num(n))
	}
	return b.String() + "t"
}

// global pushes a global, and made what calling it with arguments makes.
func global(module, name string) string { return "c" + module + "\n" + name + "\n" }

func made(function string, args ...string) string {
	return function + "(" + strings.Join(args, "") + "tR"
}

const emptyDict = "}"

// stored pushes a storage, and tensor a tensor of one.
func stored(class, key string, size int64, part ...string) string {
	return "(" + str("storage") + global("torch", class) + str(key) + str("cpu") + num(size) + strings.Join(part, "") + "tQ"
}

func tensor(storage string, offset int64, shape, strides string) string {
	return made(global("torch._utils", "_rebuild_tensor_v2"), storage, num(offset), shape, strides, "\x89", emptyDict)
}

// dictOf pushes a dict of keys and values.
func dictOf(keysAndValues ...string) string { return "}(" + strings.Join(keysAndValues, "") + "u" }

// program is a whole pickle.
func program(opcodes ...string) []byte { return []byte("\x80\x02" + strings.Join(opcodes, "") + ".") }

// four is four floats, little endian: 0, 1, 2, 3.
var four = []byte("\x00\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40")

// aTensor is a tensor of the storage "0", which holds four floats.
var aTensor = tensor(stored("FloatStorage", "0", 4), 0, ints(2, 2), ints(2, 1))

// zipEntry is a file in a zip file.
type zipEntry struct {
	name   string
	data   []byte
	method uint16
}

// zipped is a zip file.
func zipped(t testing.TB, entries ...zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		require.NoError(t, err)
		_, err = f.Write(e.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// zipFile is a file of torch.save of a pickle, with four as the storage "0".
func zipFile(t testing.TB, pickle []byte, more ...zipEntry) []byte {
	return zipped(t, append([]zipEntry{{"x/data.pkl", pickle, zip.Store}, {"x/byteorder", []byte("little"), zip.Store},
		{"x/data/0", four, zip.Store}}, more...)...)
}

// legacyHead is what a legacy file begins with.
var legacyHead = slices.Concat(
	program("\x8a\x0a"+string(legacyMagic)), program(num(1001)), program(dictOf(str("little_endian"), "\x88")))

// legacyFile is one of torch.save before PyTorch 1.6, with four as its storage.
func legacyFile(pickle []byte) []byte {
	return slices.Concat(legacyHead, pickle, program("]"+str("0")+"a"), binary.LittleEndian.AppendUint64(nil, 4), four)
}

// openTorch opens a pickle in both kinds of file, which must give the same.
func openTorch(t testing.TB, pickle []byte) (*Checkpoint, error) {
	t.Helper()
	c, err := OpenBytes("x.pth", zipFile(t, pickle))
	legacy, legacyErr := OpenBytes("x.pth", legacyFile(pickle))
	require.Equal(t, fmt.Sprint(err), fmt.Sprint(legacyErr))
	if err == nil {
		require.Equal(t, c.Names(), legacy.Names())
		for _, name := range c.Names() {
			require.Equal(t, c.tensors[name], legacy.tensors[name])
		}
	}
	return c, err
}
