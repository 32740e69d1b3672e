package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"saccade/weights"
)

// folder is a pipeline in diffusers' layout: a folder for each part. Parts
// without one are in the pipeline's own, as those of pipelines of 2022 are.
type folder struct {
	fsys fs.FS
	path string // "" where fsys is no folder of this machine
	of   map[string]string
}

func (f folder) classes() map[string]string { return f.of }

// openCLIP implements layout. SDXL's second encoder is OpenCLIP's.
func (f folder) openCLIP(tokenizer string) bool { return tokenizer == Tokenizer2 }

// tensorFiles are the names of a part's tensors, in the order in which they are
// looked for: as diffusers calls its own parts and transformers its text towers,
// then as the other does.
func tensorFiles(part string) []string {
	diffusers, transformers := variants("diffusion_pytorch_model", "diffusion_pytorch_model"), variants("model", "pytorch_model")
	if part == TextEncoder || part == TextEncoder2 {
		return append(transformers, diffusers...)
	}
	return append(diffusers, transformers...)
}

// variants are the names of tensors' files by the base names of either format:
// safetensors first, and of a format full precision before halves.
func variants(safetensors, torch string) []string {
	return []string{
		safetensors + ".safetensors", safetensors + ".safetensors.index.json",
		safetensors + ".fp16.safetensors", safetensors + ".safetensors.index.fp16.json",
		torch + ".bin", torch + ".bin.index.json", torch + ".fp16.bin",
	}
}

// tokenizerFiles are those that package tokenizer reads of a CLIP's.
var tokenizerFiles = []string{"tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}

// wanted are the files to fetch from the hub for some parts, nil: all, as
// weights.Resolve takes them.
func (p *Pipeline) wanted(parts []string) []string {
	var files []string
	for _, name := range p.Parts() {
		switch {
		case parts != nil && !slices.Contains(parts, name):
		case isTokenizer(name):
			files = append(files, wantedTokenizer(name+"/")...)
		case name == Scheduler:
			files = append(files, candidates(name, "scheduler_config.json"))
		default:
			files = append(files, candidates(name, "config.json"), candidates(name, tensorFiles(name)...))
		}
	}
	return files
}

// wantedTokenizer are a tokenizer's files in any of some folders, whose names
// end in a slash.
func wantedTokenizer(folders ...string) []string {
	var first, all []string
	for _, in := range folders {
		first = append(first, in+"tokenizer.json", in+"vocab.json")
		for _, file := range tokenizerFiles {
			all = append(all, in+file+"?")
		}
	}
	return append([]string{strings.Join(first, "|")}, all...)
}

// candidates are files of a part's folder, then those of the pipeline's own.
func candidates(part string, files ...string) string {
	var names []string
	for _, file := range files {
		names = append(names, part+"/"+file)
	}
	return strings.Join(append(names, files...), "|")
}

// open implements layout.
func (f folder) open(name string) (*Part, error) {
	part := &Part{Name: name, Class: f.of[name]}
	at := name
	if info, err := fs.Stat(f.fsys, name); err != nil || !info.IsDir() {
		at = "."
	}
	var err error
	if part.FS, err = fs.Sub(f.fsys, at); err != nil {
		return nil, err
	}
	if isTokenizer(name) {
		return part, f.checkTokenizer(part)
	}
	config := "config.json"
	if name == Scheduler {
		config = "scheduler_config.json"
	}
	part.Config, err = fs.ReadFile(part.FS, config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.missing(part, config)
	}
	if err != nil {
		return nil, err
	}
	if !json.Valid(part.Config) && name != Scheduler { // whose numbers may be Python's Infinity
		return nil, fmt.Errorf("%s is no JSON", path.Join(at, config))
	}
	if name == Scheduler {
		return part, nil
	}
	return part, f.tensors(part, at)
}

// checkTokenizer refuses a part without a tokenizer's files.
func (f folder) checkTokenizer(part *Part) error {
	for _, file := range tokenizerFiles[:2] {
		if _, err := fs.Stat(part.FS, file); err == nil {
			return nil
		}
	}
	return f.missing(part, "tokenizer.json, or vocab.json with merges.txt")
}

// missing is the error for a part without a file.
func (f folder) missing(part *Part, file string) error {
	where := f.path
	if where == "" {
		where = "the pipeline"
	}
	return fmt.Errorf("the part is missing: neither %s nor its folder %s holds %s", where, part.Name, file)
}

// tensors opens the tensors in the folder at.
func (f folder) tensors(part *Part, at string) error {
	files := tensorFiles(part.Name)
	i := slices.IndexFunc(files, func(file string) bool {
		info, err := fs.Stat(part.FS, file)
		return err == nil && !info.IsDir()
	})
	if i < 0 {
		return f.missing(part, "the tensors: "+strings.Join(files, ", "))
	}
	var c *weights.Checkpoint
	var err error
	if f.path == "" {
		c, err = weights.OpenFS(part.FS, files[i])
	} else {
		c, err = weights.Open(filepath.Join(f.path, at, files[i]))
	}
	if err != nil {
		return err
	}
	part.Source, part.close = c, c.Close
	return nil
}
