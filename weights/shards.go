package weights

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The names under which the tensors of a model are looked for in a folder, in
// this order: those of transformers, then of diffusers, then of others.
var (
	safetensorsNames = []string{
		"model.safetensors", "model.safetensors.index.json",
		"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
	}
	torchNames = []string{
		"pytorch_model.bin", "pytorch_model.bin.index.json",
		"diffusion_pytorch_model.bin", "diffusion_pytorch_model.bin.index.json", "model.pth",
	}
)

// Candidates are the usual names of a model's tensors, in the order in which
// they are looked for: safetensors files before PyTorch files.
var Candidates = slices.Concat(safetensorsNames, torchNames)

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
	isSafetensors := func(name string) bool { return filepath.Ext(name) == ".safetensors" }
	found := choose(names, safetensorsNames, isSafetensors)
	if len(found) == 0 {
		found = choose(names, torchNames, isTorchName)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("open checkpoint %s: the folder holds no %s", folder, strings.Join(Candidates, ", "))
	case 1:
		return filepath.Join(folder, found[0]), nil
	}
	return "", fmt.Errorf("open checkpoint %s: which of %s? Give the file itself", folder, someOf(found, 4))
}

// choose picks from names the first of usual that is there, or else all that
// are of a kind.
func choose(names, usual []string, ofKind func(string) bool) []string {
	for _, name := range usual {
		if slices.Contains(names, name) {
			return []string{name}
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !ofKind(name) })
}

// addIndex adds every file that an index names. The index and the files must
// agree on where each tensor is.
func (c *Checkpoint) addIndex(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	shards, of, err := parseIndex(text)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, err)
	}
	for _, shard := range shards {
		before := len(c.names)
		if err := c.addFile(filepath.Join(filepath.Dir(path), shard)); err != nil {
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
			names = append(names, name+" (in "+of[name]+")")
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
		return nil, nil, fmt.Errorf("not an index of shards: %w", err)
	}
	if len(index.WeightMap) == 0 {
		return nil, nil, fmt.Errorf("the index has no weight_map")
	}
	for name, file := range index.WeightMap {
		if strings.ContainsAny(file, `/\:`) || !filepath.IsLocal(file) {
			return nil, nil, fmt.Errorf("tensor %s: %q is not the name of a file beside the index", name, file)
		}
		shards = append(shards, file)
	}
	slices.Sort(shards)
	return slices.Compact(shards), index.WeightMap, nil
}

// someOf lists the first most names and counts the rest.
func someOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
