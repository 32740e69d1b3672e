package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models/nn"
	"saccade/weights"
)

func TestBadPictures(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(picturePath(t, dir, "good.png", 30, 20, 1))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		data  []byte
		parts []string
	}{
		"truncated.png": {good[:len(good)/2], nil},
		"empty.png":     {nil, []string{"empty"}},
		"text.png":      {[]byte("hello, world"), []string{"not a picture"}},
		"zero.png":      {pngHeader(0, 0), nil},
		"wide.png":      {pngHeader(30000, 1), []string{"30000"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, c.data, 0o644))
			requireError(t, call(t, "-model", "vit", "-image", path, "-json"), cli.ExitFailure, append(c.parts, path)...)
		})
	}
	empty := t.TempDir()
	requireError(t, call(t, "-model", "vit", "-image", empty), cli.ExitFailure, empty, "no pictures")
	requireError(t, call(t, "-model", "vit", "-image", filepath.Join(dir, "nowhere.png")), cli.ExitFailure, "nowhere.png", "no such file")
}

// pngHeader is a PNG that ends after its header.
func pngHeader(w, h uint32) []byte {
	chunk := append([]byte("IHDR"), 0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0)
	binary.BigEndian.PutUint32(chunk[4:], w)
	binary.BigEndian.PutUint32(chunk[8:], h)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, chunk...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
}

func TestBadCheckpoints(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 30, 20, 1)
	const query = "vit.encoder.layer.1.attention.attention.query.weight"
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		parts  []string
	}{
		{"missing", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "model.safetensors"))) }, []string{"model.safetensors"}},
		{"truncated", func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 20000))
		}, []string{"model.safetensors"}},
		{"empty", func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 0))
		}, []string{"model.safetensors"}},
		{"absurd header", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), bytes.Repeat([]byte{0xff}, 100), 0o644))
		}, []string{"model.safetensors"}},
		{"wrong shape", func(t *testing.T, dir string) {
			rewrite(t, dir, func(all map[string]*weights.Tensor) { all[query] = tensor(t, query, make([]float32, 15*16), 15, 16) })
		}, []string{"blocks.1.attn.qkv.weight", "[15 16]"}},
		{"tensor missing", func(t *testing.T, dir string) {
			rewrite(t, dir, func(all map[string]*weights.Tensor) { delete(all, query) })
		}, []string{query}},
		{"tensor too many", func(t *testing.T, dir string) {
			rewrite(t, dir, func(all map[string]*weights.Tensor) { all["extra"] = tensor(t, "extra", []float32{1}, 1) })
		}, []string{"extra"}},
		{"NaN", func(t *testing.T, dir string) {
			rewrite(t, dir, func(all map[string]*weights.Tensor) {
				binary.LittleEndian.PutUint32(all[query].Data[8:], math.Float32bits(float32(math.NaN())))
			})
		}, []string{"vit.encoder.layer.1.attention.attention", "query", "NaN"}},
		{"foreign", func(t *testing.T, dir string) {
			rewrite(t, dir, func(all map[string]*weights.Tensor) {
				clear(all)
				all["conv1.weight"] = tensor(t, "conv1.weight", make([]float32, 9), 1, 1, 3, 3)
			})
		}, []string{"conv1.weight"}},
		{"contradicting heads", func(t *testing.T, dir string) { setConfig(t, dir, "num_attention_heads", 4) }, []string{"15", "4"}},
		{"contradicting depth", func(t *testing.T, dir string) { setConfig(t, dir, "num_hidden_layers", 5) }, []string{"layer.3"}},
		{"contradicting width", func(t *testing.T, dir string) { setConfig(t, dir, "hidden_size", 18) }, []string{"18", "15"}},
		{"contradicting labels", func(t *testing.T, dir string) { setConfig(t, dir, "id2label", map[string]string{"0": "a"}) }, []string{"label", "7"}},
		{"another model's config", func(t *testing.T, dir string) { setConfig(t, dir, "model_type", "bert") }, []string{"bert"}},
		{"negative size", func(t *testing.T, dir string) { setConfig(t, dir, "patch_size", -1) }, []string{"patch"}},
		{"config that is no JSON", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte("{"), 0o644))
		}, []string{"config.json"}},
		{"no config", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "config.json"))) }, []string{"config.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := checkpoint(t, "vit_classify")
			c.change(t, dir)
			requireError(t, call(t, "-model", "vit", "-weights", dir, "-image", pic, "-json"), cli.ExitFailure, c.parts...)
		})
	}
	requireError(t, call(t, "-model", "vit", "-weights", "no/such/folder", "-image", pic), cli.ExitFailure, "no/such/folder")
	requireError(t, call(t, "-model", "vit_b_16", "-image", pic), cli.ExitFailure, "vit_b_16", "no embedded weights", "-weights")
	pickle := filepath.Join(t.TempDir(), "x.pth")
	require.NoError(t, os.WriteFile(pickle, []byte("PK\x03\x04"), 0o644))
	requireError(t, call(t, "-model", "vit_b_16", "-weights", pickle, "-image", pic), cli.ExitFailure, pickle)
}

// setConfig changes a key of config.json.
func setConfig(t *testing.T, dir, key string, value any) {
	t.Helper()
	setKey(t, filepath.Join(dir, "config.json"), key, value)
}

// A network whose weights take twice the machine's memory is refused before
// anything is taken.
func TestOutOfMemory(t *testing.T) {
	const width = 4096 // 192 MiB of halves a layer
	layers := int(2*availableMemory(t)/(12*width*width)) + 2
	dir := hugeCheckpoint(t, width, layers)
	out := t.TempDir()
	input := save(t, tensor(t, nn.PixelValues, make([]float32, 4), 1, 1, 2, 2))
	r := call(t, "-model", "vit", "-weights", dir, "-input", input, "-save", filepath.Join(out, "x.safetensors"), "-json")
	requireError(t, r, cli.ExitFailure, "out of memory", "weights", "MiB")
	require.Empty(t, files(t, out))
}

// availableMemory is what the machine has free, in bytes; the test needs a
// software adapter, whose memory that is.
func availableMemory(t *testing.T) int64 {
	t.Helper()
	var doc struct{ Devices []struct{ Type string } }
	require.NoError(t, json.Unmarshal([]byte(call(t, "-list-devices", "-json").stdout), &doc))
	f, err := os.Open("/proc/meminfo")
	if err != nil || doc.Devices[0].Type != "cpu" {
		t.Skip("needs a software adapter, and Linux to tell the free memory")
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("no MemAvailable in /proc/meminfo")
	return 0
}

// hugeCheckpoint is a ViTModel with weights of nothing but zeros, in a file
// that takes no room on the disk.
func hugeCheckpoint(t *testing.T, d, layers int) string {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf(`{"model_type":"vit","hidden_size":%d,"num_hidden_layers":%d,"num_attention_heads":32,"intermediate_size":%d,"image_size":2,"patch_size":1,"num_channels":1}`, d, layers, d)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644))
	header, size := map[string]any{}, 0
	add := func(name string, shape ...int) {
		n := 2
		for _, x := range shape {
			n *= x
		}
		header[name] = map[string]any{"dtype": "F16", "shape": shape, "data_offsets": []int{size, size + n}}
		size += n
	}
	add("embeddings.cls_token", 1, 1, d)
	add("embeddings.position_embeddings", 1, 5, d)
	add("embeddings.patch_embeddings.projection.weight", d, 1, 1, 1)
	add("embeddings.patch_embeddings.projection.bias", d)
	add("layernorm.weight", d)
	add("layernorm.bias", d)
	for i := range layers {
		for _, name := range strings.Fields("attention.attention.query attention.attention.key attention.attention.value attention.output.dense intermediate.dense output.dense") {
			add(fmt.Sprintf("encoder.layer.%d.%s.weight", i, name), d, d)
			add(fmt.Sprintf("encoder.layer.%d.%s.bias", i, name), d)
		}
		for _, name := range []string{"layernorm_before", "layernorm_after"} {
			add(fmt.Sprintf("encoder.layer.%d.%s.weight", i, name), d)
			add(fmt.Sprintf("encoder.layer.%d.%s.bias", i, name), d)
		}
	}
	text, err := json.Marshal(header)
	require.NoError(t, err)
	path := filepath.Join(dir, "model.safetensors")
	require.NoError(t, os.WriteFile(path, append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), 0o644))
	require.NoError(t, os.Truncate(path, int64(8+len(text)+size)))
	return dir
}
