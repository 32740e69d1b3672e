package weights

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ModelFiles are what Resolve fetches if it is not told otherwise: a model's
// configuration, if there is one, and its tensors.
var ModelFiles = []string{"config.json?", "preprocessor_config.json?", "processor_config.json?", strings.Join(Candidates, "|")}

// Resolve finds what a user means by src: a folder or a file that is there, or
// else a model of the hub, org/name[@revision], which is fetched into the cache
// as far as it is not there. It returns the path of the folder or file; [Open]
// takes either.
//
// wanted, or ModelFiles if it is empty, are the files to fetch: names,
// candidates separated by | of which the first that exists is taken, and with a
// ? at the end one that may be missing. An index of shards brings its shards.
func Resolve(ctx context.Context, src string, h *Hub, wanted ...string) (string, error) {
	_, err := os.Stat(src)
	if err == nil {
		return src, nil
	}
	if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return "", fmt.Errorf("open %s: %w", src, reason(err))
	}
	m, notID := ParseModel(src)
	if notID != nil || looksLikeFile(src) {
		return "", fmt.Errorf("open %s: no such file or folder, and not a hub id such as org/name", src)
	}
	folder, err := h.Snapshot(ctx, m, wanted...)
	if err != nil {
		return "", fmt.Errorf("%s is no file or folder here; %w", src, err)
	}
	return folder, nil
}

// looksLikeFile tells a missing file from an id by its extension.
func looksLikeFile(src string) bool {
	switch ext := strings.ToLower(filepath.Ext(src)); ext {
	case ".safetensors", ".json", ".onnx", ".gguf", ".h5", ".zip", ".npz":
		return true
	default:
		return isTorchName(src)
	}
}
