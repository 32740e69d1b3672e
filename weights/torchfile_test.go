package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTorchGoldens compares every tensor of what PyTorch saved with what
// PyTorch says that it holds.
func TestTorchGoldens(t *testing.T) {
	for want, files := range map[string][]string{
		"layouts":  {"zip2", "zip3", "zip4", "zip5", "legacy2", "legacy3", "legacy4", "legacy5"},
		"model":    {"state_dict", "parameters"},
		"training": {"training2", "training4"},
		"under":    {"under_state_dict", "under_model", "under_model_ema", "compiled"},
	} {
		wanted, err := Open(filepath.Join("testdata", want+".safetensors"))
		require.NoError(t, err)
		t.Cleanup(func() { wanted.Close() })
		for _, file := range files {
			t.Run(file, func(t *testing.T) {
				c, err := Open(filepath.Join("testdata", file+".pth"))
				require.NoError(t, err)
				defer c.Close()
				assert.ElementsMatch(t, wanted.Names(), c.Names())
				for _, name := range wanted.Names() {
					w, _ := wanted.Tensor(name)
					x, ok := c.Tensor(name)
					require.True(t, ok, name)
					assert.Equal(t, w.Shape, x.Shape, name)
					assert.Equal(t, w.DType, x.DType, name)
					assert.Equal(t, w.Data, x.Data, name)
				}
			})
		}
	}
}

func TestTorchNamesAreInOrderAndKeepTheirOrigin(t *testing.T) {
	c, err := Open("testdata/compiled.pth")
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, []string{"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}, c.Names())
	x, _ := c.Tensor("1.bias")
	assert.Equal(t, "module._orig_mod.1.bias", x.Origin)
	assert.Empty(t, c.Metadata())
}

// Contiguous tensors are parts of the file, and nothing else is copied.
func TestTorchSharesTheFile(t *testing.T) {
	for _, file := range []string{"testdata/zip2.pth", "testdata/legacy2.pth"} {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		c, err := OpenBytes(file, data)
		require.NoError(t, err)
		copied := []string{"slice.columns", "step", "transposed", "permuted", "expanded", "channels_last"}
		before := map[string][]byte{}
		for _, name := range c.Names() {
			before[name] = bytes.Clone(c.tensors[name].Data)
		}
		for i := range data {
			data[i] ^= 0xff
		}
		for _, name := range c.Names() {
			x := c.tensors[name]
			assert.Equal(t, slices.Contains(copied, name) || x.Len() == 0, bytes.Equal(before[name], x.Data), "%s %s", file, name)
		}
	}
}

func TestTorchOfAnotherKindIsRefused(t *testing.T) {
	_, err := Open("testdata/whole_model.pth")
	var refused *PickleError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, PickleError{"torch.nn.modules.container", "Sequential"}, *refused)
	assert.EqualError(t, err, "open checkpoint testdata/whole_model.pth: its pickle asks for torch.nn.modules.container.Sequential, "+
		"which is not a tensor; load it in Python, if you trust it, and save the tensors alone: torch.save(model.state_dict(), file)")
	_, err = Open("testdata/torchscript.pth")
	assert.ErrorContains(t, err, "it is a TorchScript archive, a program; load it in Python with torch.jit.load")

	tar := append(make([]byte, 257), "ustar\x0000"...)
	_, err = OpenBytes("x.pth", tar)
	assert.ErrorContains(t, err, "it is a tar file")
}

// Every beginning of a file is an error that says so in one line.
func TestTorchTruncated(t *testing.T) {
	for _, file := range []string{"zip2", "zip4", "legacy2", "legacy4", "under_model"} {
		data, err := os.ReadFile(filepath.Join("testdata", file+".pth"))
		require.NoError(t, err)
		for n := range data {
			_, err := OpenBytes("x.pth", data[:n])
			require.Error(t, err, "%s: the first %d bytes", file, n)
			require.NotContains(t, err.Error(), "\n")
		}
	}
	legacy, err := os.ReadFile("testdata/legacy2.pth")
	require.NoError(t, err)
	for _, n := range []int{20, 200, 2000, len(legacy) - 1} {
		_, err := OpenBytes("x.pth", legacy[:n])
		assert.ErrorContains(t, err, "the file is truncated")
	}
}

func TestDamagedZip(t *testing.T) {
	pickle := program(dictOf(str("a"), aTensor))
	entry := func(name, data string) zipEntry { return zipEntry{name, []byte(data), zip.Store} }
	good := zipFile(t, pickle)
	_, err := OpenBytes("x", good)
	require.NoError(t, err)
	encrypted := bytes.Clone(good)
	encrypted[bytes.Index(encrypted, []byte("PK\x01\x02"))+8] |= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"no pickle":        {zipped(t, entry("a.npy", "")), "it is a zip file, but not one of torch.save"},
		"pickle outside":   {zipped(t, entry("data.pkl", "")), "holds no NAME/data.pkl"},
		"two pickles":      {zipFile(t, pickle, entry("y/data.pkl", "")), "more than one NAME/data.pkl"},
		"entry twice":      {zipFile(t, pickle, entry("x/data/0", "")), "x/data/0 is there twice"},
		"big-endian":       {zipped(t, entry("x/data.pkl", string(pickle)), entry("x/byteorder", "big")), "big-endian"},
		"storage missing":  {zipped(t, entry("x/data.pkl", string(pickle))), "names the storage x/data/0, which is not there"},
		"storage short":    {zipped(t, entry("x/data.pkl", string(pickle)), entry("x/data/0", "123")), "storage x/data/0 has 3 bytes, its pickle says 16"},
		"storage long":     {zipped(t, entry("x/data.pkl", string(pickle)), entry("x/data/0", strings.Repeat("1", 17))), "has 17 bytes, its pickle says 16"},
		"encrypted":        {encrypted, "x/data.pkl is encrypted"},
		"nothing but mark": {[]byte("PK\x03\x04"), "damaged zip file, truncated perhaps"},
		"odd names":        {zipped(t, entry("\n/data.pkl", string(pickle))), `\n/data/0, which is not there`},
	} {
		_, err := OpenBytes("x", c.file)
		require.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// What something else than torch.save has compressed is inflated, within the
// budget and as far as its size says.
func TestCompressedZip(t *testing.T) {
	pickle := program(dictOf(str("a"), aTensor))
	file := zipped(t, zipEntry{"x/data.pkl", pickle, zip.Deflate}, zipEntry{"x/data/0", four, zip.Deflate})
	c, err := OpenBytes("x", file)
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1, 2, 3}, float32sOf(t, c.tensors["a"]))

	const n = minBudget/4 + 1
	bomb := program(dictOf(str("a"), tensor(stored("FloatStorage", "0", n), 0, ints(n), ints(1))))
	file = zipped(t, zipEntry{"x/data.pkl", bomb, zip.Store}, zipEntry{"x/data/0", make([]byte, 4*n), zip.Deflate})
	require.Less(t, len(file), minBudget/500)
	_, err = OpenBytes("x", file)
	assert.ErrorContains(t, err, "more than 4 times the file when they are unpacked")

	file = zipped(t, zipEntry{"x/data.pkl", pickle, zip.Store}, zipEntry{"x/data/0", four, zip.Deflate})
	at := bytes.LastIndex(file, []byte("PK\x01\x02")) // of the storage
	for _, c := range []struct {
		field int // of the directory's entry
		value uint32
		want  string
	}{
		{16, 12345, "is not what its size or checksum say"},
		{24, 12, "is not what its size or checksum say"},
		{24, 20, "damaged zip file: x/data/0"},
		{10, 93, "compressed by method 93"},
	} {
		bad := bytes.Clone(file)
		if c.field == 10 {
			binary.LittleEndian.PutUint16(bad[at+10:], uint16(c.value))
		} else {
			binary.LittleEndian.PutUint32(bad[at+c.field:], c.value)
		}
		_, err := OpenBytes("x", bad)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestDamagedLegacyFile(t *testing.T) {
	pickle := program(dictOf(str("a"), aTensor))
	keys := func(opcodes string) []byte { return program("](" + opcodes + "e") }
	size := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	two := program(dictOf(str("a"), aTensor, str("b"), tensor(stored("FloatStorage", "1", 4), 0, ints(4), ints(1))))
	for name, c := range map[string]struct {
		parts [][]byte
		want  string
	}{
		"not of torch":    {[][]byte{pickle}, "it is a pickle, but not one of torch.save"},
		"of a class":      {[][]byte{program(dictOf(str("G_ema"), global("torch_utils.persistence", "_reconstruct_persistent_obj")+")R"))}, "its pickle asks for torch_utils.persistence._reconstruct_persistent_obj"},
		"another version": {[][]byte{legacyHead[:15], program(num(1002))}, "another version"},
		"no machine":      {[][]byte{legacyHead[:15], program(num(1001)), program("N")}, "found None where the machine's description"},
		"big-endian":      {[][]byte{legacyHead[:15], program(num(1001)), program(dictOf(str("little_endian"), "\x89"))}, "big-endian machine"},
		"keys no list":    {[][]byte{legacyHead, pickle, program("N")}, "found None where the keys of storages"},
		"key no str":      {[][]byte{legacyHead, pickle, keys("N")}, "key of a storage: found None"},
		"unknown key":     {[][]byte{legacyHead, pickle, keys(str("1"))}, "storage 1 is of no tensor or there twice"},
		"key twice":       {[][]byte{legacyHead, pickle, keys(str("0") + str("0")), size(4), four}, "storage 0 is of no tensor or there twice"},
		"key missing":     {[][]byte{legacyHead, two, keys(str("0")), size(4), four}, "it has 1 storages, its pickle names 2"},
		"no size":         {[][]byte{legacyHead, pickle, keys(str("0")), {4}}, "its size is cut off"},
		"another size":    {[][]byte{legacyHead, pickle, keys(str("0")), size(3), four}, "storage 0 has 3 elements, its pickle says 4"},
		"huge size":       {[][]byte{legacyHead, pickle, keys(str("0")), size(1<<64 - 1), four}, "has 18446744073709551615 elements"},
		"cut":             {[][]byte{legacyHead, pickle, keys(str("0")), size(4), four[:15]}, "16 bytes are wanted, 15 are there: the file is truncated"},
	} {
		_, err := OpenBytes("x", slices.Concat(c.parts...))
		require.ErrorContains(t, err, c.want, name)
		assert.ErrorContains(t, err, "open checkpoint x: ")
	}
}

// Storages of old files may be parts of others.
func TestPartsOfStorages(t *testing.T) {
	part := func(begin, n int64) string {
		return stored("FloatStorage", "0", 4, made(global("torch", "Size"), ints(7, begin, n)))
	}
	c, err := openTorch(t, program(dictOf(str("a"), tensor(part(1, 2), 1, ints(1), ints(1)))))
	require.NoError(t, err)
	assert.Equal(t, []float32{2}, float32sOf(t, c.tensors["a"]))
	for _, bad := range []string{part(1, 4), part(5, 0), part(-1, 2), stored("FloatStorage", "0", 4, "\x88")} {
		_, err := openTorch(t, program(dictOf(str("a"), tensor(bad, 0, ints(1), ints(1)))))
		assert.Error(t, err)
	}
	_, err = openTorch(t, program(dictOf(str("a"), tensor(part(1, 2), 1, ints(2), ints(1)))))
	assert.ErrorContains(t, err, "reach beyond its storage of 2 elements")
}
