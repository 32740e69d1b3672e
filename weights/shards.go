package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func full(base, ext string) []string { return []string{base + ext, base + ext + ".index.json"} }

// halved are the names of variants: transformers and diffusers put theirs before
// the extension, that of an index, too; people put it anywhere.
func halved(base, ext string) (names []string) {
	for _, v := range []string{".fp16", ".bf16"} {
		names = append(names, base+v+ext, base+ext+".index"+v+".json", base+v+ext+".index.json", base+ext+v+".index.json")
	}
	return names
}

// Candidates are the usual names of a model's tensors, in the order in which
// they are looked for: transformers' before diffusers', safetensors files before
// PyTorch files, and halves last, so that a hub is seldom asked for them.
var Candidates = slices.Concat(
	full("model", ".safetensors"), full("diffusion_pytorch_model", ".safetensors"),
	full("pytorch_model", ".bin"), full("diffusion_pytorch_model", ".bin"), []string{"model.pth"},
	halved("model", ".safetensors"), halved("diffusion_pytorch_model", ".safetensors"),
	halved("pytorch_model", ".bin"), halved("diffusion_pytorch_model", ".bin"))

// isIndex tells the index of a sharded checkpoint by its name, which may tell a
// variant too: model.safetensors.index.fp16.json.
func isIndex(path string) bool { return indexName.MatchString(path) }

var indexName = regexp.MustCompile(`\.index(\.\w+)?\.json$`)

// find chooses the checkpoint of a folder.
func find(folder string) (string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", fmt.Errorf("open checkpoint %s: %w", folder, reason(err))
	}
	var names []string
	for _, f := range files {
		if info, err := os.Stat(filepath.Join(folder, f.Name())); err == nil && !info.IsDir() { // through links
			names = append(names, f.Name())
		}
	}
	found := choose(names, func(name string) bool { return strings.Contains(name, ".safetensors") }, ".safetensors")
	if len(found) == 0 {
		found = choose(names, func(name string) bool { return !strings.Contains(name, ".safetensors") }, torchExtensions...)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("open checkpoint %s: the folder holds no %s", folder, someOf(Candidates, 9))
	case 1:
		return filepath.Join(folder, found[0]), nil
	}
	return "", fmt.Errorf("open checkpoint %s: which of %s? Give the file itself", folder, someOf(found, 4))
}

// choose picks from names the first of Candidates of a kind that is there, or
// else all with one of some extensions.
func choose(names []string, ofKind func(string) bool, extensions ...string) []string {
	for _, name := range Candidates {
		if ofKind(name) && slices.Contains(names, name) {
			return []string{name}
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
	})
}

// addIndex adds every file that an index names.
func (c *Checkpoint) addIndex(path string) error {
	text, err := ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), IndexLimit)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", filepath.Dir(path), err)
	}
	return c.addShards(path, text, func(shard string) error { return c.addFile(filepath.Join(filepath.Dir(path), shard)) })
}

// addShards adds the files of an index, the text of path, by add. The index and the
// files must agree on where each tensor is.
func (c *Checkpoint) addShards(path string, text []byte, add func(shard string) error) error {
	shards, of, err := parseIndex(text)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, err)
	}
	for _, shard := range shards {
		before := len(c.names)
		if err := add(shard); err != nil {
			return err
		}
		for _, name := range c.names[before:] {
			if origin := c.tensors[name].Origin; of[origin] == shard { // an index has the names of the file
				delete(of, origin)
			}
		}
	}
	if len(of) > 0 {
		var names []string
		for name := range of {
			names = append(names, Printable(name)+" (in "+Printable(of[name])+")")
		}
		slices.Sort(names)
		return fmt.Errorf("open checkpoint %s: not where it says: %s", path, someOf(names, 4))
	}
	return nil
}

// Shards lists the files that an index such as model.safetensors.index.json
// names, sorted.
func Shards(index []byte) ([]string, error) {
	shards, _, err := parseIndex(index)
	return shards, err
}

// parseIndex reads an index: its files, sorted, and the file of each tensor.
// Files outside the index's own folder are refused.
func parseIndex(text []byte) (shards []string, of map[string]string, err error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, nil, fmt.Errorf("not an index of shards: %s", jsonFault(err))
	}
	if len(index.WeightMap) == 0 {
		return nil, nil, fmt.Errorf("the index has no weight_map")
	}
	for name, file := range index.WeightMap {
		if strings.ContainsAny(file, `/\:`) || !filepath.IsLocal(file) {
			return nil, nil, fmt.Errorf("tensor %s: %s is not the name of a file beside the index", Printable(name), Printable(file))
		}
		shards = append(shards, file)
	}
	slices.Sort(shards)
	if shards = slices.Compact(shards); len(shards) > maxShards {
		return nil, nil, fmt.Errorf("the index names %d files, at most %d are read", len(shards), maxShards)
	}
	return shards, index.WeightMap, nil
}

// maxShards is far above any real checkpoint's number of files.
const maxShards = 1000

// jsonFault is what is wrong with JSON, without the names of Go's types.
func jsonFault(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("%s: found a %s, expected another kind of value", Printable(kind.Field), Printable(kind.Value))
	}
	return Printable(err.Error())
}

// someOf lists the first most names and counts the rest.
func someOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
