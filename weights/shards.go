package weights

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const indexSuffix = ".safetensors.index.json"

// Candidates are the names under which the tensors of a model are looked for in
// a folder, in this order: those of transformers, then of diffusers.
var Candidates = []string{
	"model.safetensors", "model" + indexSuffix,
	"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model" + indexSuffix,
}

// find chooses the checkpoint of a folder.
func find(folder string) (string, error) {
	for _, name := range Candidates {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", fmt.Errorf("open checkpoint %s: %w", folder, reason(err))
	}
	var found []string
	pickle := ""
	for _, f := range files {
		switch {
		case f.IsDir():
		case filepath.Ext(f.Name()) == ".safetensors":
			found = append(found, f.Name())
		case pickle == "" && isPickleName(f.Name()):
			pickle = f.Name()
		}
	}
	switch {
	case len(found) == 1:
		return filepath.Join(folder, found[0]), nil
	case len(found) > 1:
		return "", fmt.Errorf("open checkpoint %s: which of %s? Give the file itself", folder, someOf(found, 4))
	case pickle != "":
		return "", &PickleError{Path: filepath.Join(folder, pickle)}
	}
	return "", fmt.Errorf("open checkpoint %s: the folder holds no %s", folder, strings.Join(Candidates, ", "))
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
			if of[name] == shard {
				delete(of, name)
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

// Shards lists the files that a model.safetensors.index.json names, sorted.
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
		return nil, nil, fmt.Errorf("not an index of safetensors: %w", err)
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
