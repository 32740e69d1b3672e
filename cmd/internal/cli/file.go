package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"saccade/weights"
)

// ReadFile reads a file of text that a flag names, up to the limit of
// configurations. What is no regular file is refused before it is opened.
func ReadFile(path string) ([]byte, error) {
	return weights.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), weights.ConfigLimit)
}

// Reason takes the path out of an error of the file system: the message names it already.
func Reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// CheckWritable finds out before the work whether a file can be made at path.
func CheckWritable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("save %s: there is something that is not a file", path)
	}
	if absolute, err := filepath.Abs(path); err == nil && slices.Contains([]string{"/dev", "/proc"}, filepath.Dir(absolute)) {
		return fmt.Errorf("save %s: it stands for a device, which a file would replace; name a file", path)
	}
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, ".saccade-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("save %s: folder %s: %w", path, folder, Reason(err))
	}
	return nil
}
