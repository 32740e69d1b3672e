package cli

import (
	"os"
	"path/filepath"

	"saccade/weights"
)

// ReadFile reads a file of text that a flag names, up to the limit of
// configurations. What is no regular file is refused before it is opened.
func ReadFile(path string) ([]byte, error) {
	return weights.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), weights.ConfigLimit)
}
