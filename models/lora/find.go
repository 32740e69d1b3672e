package lora

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ConfigFile is the name of PEFT's configuration in a folder.
const ConfigFile = "adapter_config.json"

// files are the names of an adapter's tensors in a folder: PEFT's and diffusers'.
var files = []string{"adapter_model.safetensors", "adapter_model.bin", "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"}

// Find finds the file of tensors and, in a folder of PEFT, the configuration, else
// nil; resolve is that of [Open].
func Find(src string, resolve func(src string, wanted ...string) (string, error)) (file string, config []byte, err error) {
	path := filepath.Clean(src)
	if resolve != nil {
		if path, err = resolve(src, ConfigFile+"?", strings.Join(files, "|")); err != nil {
			return "", nil, err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	dir := path
	if info.IsDir() {
		i := slices.IndexFunc(files, func(name string) bool {
			_, err := os.Stat(filepath.Join(path, name))
			return err == nil
		})
		if i < 0 {
			return "", nil, fmt.Errorf("the folder has no %s; name the file", strings.Join(files, ", "))
		}
		file = filepath.Join(path, files[i])
	} else {
		file, dir = path, filepath.Dir(path)
	}
	if !strings.HasPrefix(filepath.Base(file), "adapter_model.") {
		return file, nil, nil
	}
	if config, err = os.ReadFile(filepath.Join(dir, ConfigFile)); errors.Is(err, fs.ErrNotExist) {
		return file, nil, fmt.Errorf("there is no %s beside %s, which tells the scaling", ConfigFile, filepath.Base(file))
	}
	return file, config, err
}
