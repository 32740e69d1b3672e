package weights

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenFileAndFolder(t *testing.T) {
	dir := t.TempDir()
	file := raw(`{"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}`, 4)
	for _, path := range []string{
		put(t, dir, "one/model.safetensors", file),
		filepath.Join(dir, "one"),
		filepath.Dir(put(t, dir, "two/diffusion_pytorch_model.safetensors", file)),
		filepath.Dir(put(t, dir, "three/odd_name.safetensors", file)),
	} {
		c, err := Open(path)
		require.NoError(t, err)
		assert.Equal(t, []string{"a"}, c.Names())
		assert.Equal(t, map[string]string{"format": "pt"}, c.Metadata())
		x, ok := c.Tensor("a")
		require.True(t, ok)
		assert.Equal(t, &Tensor{Name: "a", Origin: "a", Shape: []int{2, 2}, DType: U8, Data: []byte{0, 1, 2, 3}}, x)
		x.Name = "changed"
		again, _ := c.Tensor("a")
		assert.Equal(t, "a", again.Name)
		_, ok = c.Tensor("b")
		assert.False(t, ok)
		require.NoError(t, c.Close())
		assert.Empty(t, c.Names())
		assert.NoError(t, c.Close(), "closing twice")
	}
}

func TestOpenFS(t *testing.T) {
	fsys := fstest.MapFS{"vit/model.safetensors": {Data: raw(oneTensor, 8)}}
	c, err := OpenFS(fsys, "vit/model.safetensors")
	require.NoError(t, err)
	assert.Equal(t, "vit/model.safetensors", c.Path())
	assert.NoError(t, c.Close())
	_, err = OpenFS(fsys, "vit/none")
	assert.EqualError(t, err, "open checkpoint vit/none: file does not exist")
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "none/config.json", []byte("{}"))
	put(t, dir, "many/a.safetensors", raw(oneTensor, 8))
	put(t, dir, "many/b.safetensors", raw(oneTensor, 8))
	put(t, dir, "cut/pytorch_model.bin", []byte("PK\x03\x04"))
	put(t, dir, "pickles/a.pth", nil)
	put(t, dir, "pickles/b.bin", nil)
	cases := []struct{ path, want string }{
		{filepath.Join(dir, "missing.safetensors"), syscall.ENOENT.Error()},
		{filepath.Join(dir, "none"), "the folder holds no model.safetensors"},
		{filepath.Join(dir, "many"), "which of a.safetensors, b.safetensors?"},
		{filepath.Join(dir, "cut"), "pytorch_model.bin: damaged zip file, truncated perhaps"},
		{filepath.Join(dir, "pickles"), "which of a.pth, b.bin?"},
		{put(t, dir, "empty.safetensors", nil), "the file is empty"},
		{put(t, dir, "zip.weights", []byte("PK\x03\x04\x00\x00\x08\x08\x00\x00")), "damaged zip file"},
		{put(t, dir, "old.weights", []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")), "the file is truncated"},
		{put(t, dir, "text.pth", []byte("what is this")), "it is no PyTorch file: neither a zip file nor a pickle"},
		{put(t, dir, "lfs.pth", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")), "git lfs pull"},
		{put(t, dir, "lfs.safetensors", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")), "git lfs pull"},
		{put(t, dir, "x.gguf", []byte("GGUF\x03\x00\x00\x00")), "GGUF"},
		{put(t, dir, "tf.h5", []byte("\x89HDF\r\n\x1a\n")), "HDF5"},
		{put(t, dir, "cut.safetensors", raw(oneTensor, 8)[:30]), "the file is truncated"},
		{put(t, dir, "cat.safetensors", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")), "not a safetensors file"},
	}
	for _, c := range cases {
		_, err := Open(c.path)
		require.ErrorContains(t, err, c.want)
		assert.ErrorContains(t, err, "open checkpoint "+c.path)
	}
}

// A folder's safetensors file goes before its PyTorch file, and a usual name
// before another.
func TestOpenChoosesInAFolder(t *testing.T) {
	torch := zipFile(t, program(dictOf(str("torch"), aTensor)))
	other := legacyFile(program(dictOf(str("other"), aTensor)))
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"transformers": {map[string][]byte{"pytorch_model.bin": torch, "training_args.bin": other, "optimizer.pt": other}, "torch"},
		"diffusers":    {map[string][]byte{"diffusion_pytorch_model.bin": torch, "x.pth": other}, "torch"},
		"model.pth":    {map[string][]byte{"model.pth": torch, "last.pth": other}, "torch"},
		"one .pth":     {map[string][]byte{"resnet20-12fca82f.pth": torch, "config.json": nil}, "torch"},
		"one .th":      {map[string][]byte{"resnet20.th": other}, "other"},
		"one .pt":      {map[string][]byte{"best.PT": other}, "other"},
		"one .bin":     {map[string][]byte{"x.bin": torch}, "torch"},
		"both":         {map[string][]byte{"pytorch_model.bin": torch, "x.safetensors": raw(oneTensor, 8)}, "a"},
	} {
		dir := t.TempDir()
		for file, data := range c.files {
			put(t, dir, file, data)
		}
		got, err := Open(dir)
		require.NoError(t, err, name)
		assert.Equal(t, []string{c.want}, got.Names(), name)
		require.NoError(t, got.Close())
	}
}

func TestOpenShardsOfPyTorch(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "pytorch_model-1.bin", zipFile(t, program(dictOf(str("module.a"), aTensor))))
	put(t, dir, "pytorch_model-2.bin", zipFile(t, program(dictOf(str("module.b"), aTensor))))
	put(t, dir, "pytorch_model.bin.index.json", []byte(`{"weight_map":{"module.a":"pytorch_model-1.bin","module.b":"pytorch_model-2.bin"}}`))
	c, err := Open(dir)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, []string{"a", "b"}, c.Names())
}

// Variants of halves are found under every name that libraries have given them,
// and full precision goes first.
func TestOpenVariants(t *testing.T) {
	torch := func(name string) []byte { return zipFile(t, program(dictOf(str(name), aTensor))) }
	index := func(name, file string) []byte { return fmt.Appendf(nil, `{"weight_map":{%q:%q}}`, name, file) }
	for _, base := range []string{"pytorch_model", "diffusion_pytorch_model"} {
		for _, v := range []string{"fp16", "bf16"} {
			part := base + "." + v + "-00001-of-00001.bin"
			for _, name := range []string{base + ".bin.index." + v + ".json", base + "." + v + ".bin.index.json", base + ".bin." + v + ".index.json"} {
				dir := t.TempDir()
				put(t, dir, part, torch("a"))
				put(t, dir, name, index("a", part))
				c, err := Open(dir)
				require.NoError(t, err, name)
				assert.Equal(t, []string{"a"}, c.Names())
				assert.Equal(t, name, filepath.Base(c.Path()))
				require.NoError(t, c.Close())

				f := newFakeHub(t, map[string][]byte{name: index("a", part), part: torch("a")})
				folder, err := Resolve(context.Background(), "org/name", f.hub(t))
				require.NoError(t, err)
				assert.FileExists(t, filepath.Join(folder, part))
			}
			dir := t.TempDir()
			put(t, dir, base+"."+v+".bin", torch("halves"))
			put(t, dir, "other.bin", torch("other"))
			c, err := Open(dir)
			require.NoError(t, err)
			assert.Equal(t, []string{"halves"}, c.Names())
			require.NoError(t, c.Close())
			put(t, dir, base+".bin", torch("full"))
			c, err = Open(dir)
			require.NoError(t, err)
			assert.Equal(t, []string{"full"}, c.Names())
			require.NoError(t, c.Close())
		}
	}
}

func TestIndexOfTooManyFiles(t *testing.T) {
	var b strings.Builder
	for i := range maxShards + 1 {
		fmt.Fprintf(&b, `,"t%d":"f%d"`, i, i)
	}
	_, err := Shards([]byte(`{"weight_map":{` + b.String()[1:] + `}}`))
	assert.EqualError(t, err, "the index names 1001 files, at most 1000 are read")
	_, err = Shards([]byte(`{"weight_map":"x"}`))
	assert.EqualError(t, err, "not an index of shards: weight_map: found a string, expected another kind of value")
}

func TestOpenShards(t *testing.T) {
	dir := t.TempDir()
	shard := func(name string) []byte {
		return raw(fmt.Sprintf(`{"__metadata__":{"format":"pt"},%q:{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, name), 1)
	}
	index := func(a, b string) []byte {
		return fmt.Appendf(nil, `{"metadata":{"total_size":2},"weight_map":{"a":%q,"b":%q}}`, a, b)
	}
	const one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	put(t, dir, one, shard("a"))
	put(t, dir, two, shard("b"))
	put(t, dir, "twice.safetensors", shard("a"))
	put(t, dir, "model.safetensors.index.json", index(one, two))
	c, err := Open(dir)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, []string{"a", "b"}, c.Names())
	assert.Equal(t, "pt", c.Metadata()["format"])

	shards, err := Shards(index(two, one))
	require.NoError(t, err)
	assert.Equal(t, []string{one, two}, shards)

	for _, bad := range []struct {
		index []byte
		want  string
	}{
		{index(one, "model-3.safetensors"), "model-3.safetensors: " + syscall.ENOENT.Error()},
		{index(two, one), "not where it says: a (in " + two + "), b (in " + one + ")"},
		{index(one, "twice.safetensors"), "tensor a is in another file of the checkpoint too"},
		{index(one, "../"+two), "is not the name of a file beside the index"},
		{index(one, `C:\x`), "is not the name of a file beside the index"},
		{index(one, ".."), "is not the name of a file beside the index"},
		{index(one, ""), "is not the name of a file beside the index"},
		{[]byte(`{}`), "the index has no weight_map"},
		{[]byte(`{"weight_map":{"a":1}}`), "not an index of shards"},
		{[]byte(`{`), "not an index of shards"},
	} {
		path := put(t, dir, "bad.safetensors.index.json", bad.index)
		_, err := Open(path)
		require.ErrorContains(t, err, bad.want)
		assert.ErrorContains(t, err, "open checkpoint ")
	}
}
