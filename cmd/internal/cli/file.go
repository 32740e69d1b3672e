package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"saccade/models"
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

// WriteWhole writes a file beside its place and renames it.
func WriteWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".saccade-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is none
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// ReadArrays reads all tensors of a file of weights.
func ReadArrays(path string) (map[string]models.Array, error) {
	file, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all := map[string]models.Array{}
	for _, name := range file.Names() {
		t, _ := file.Tensor(name) // a name of the file's
		a := models.Array{Shape: t.Shape, Data: make([]float32, t.Len())}
		if err := weights.Guard(func() error { return t.Float32s(a.Data) }); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all[name] = a
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no tensor in it", path)
	}
	return all, nil
}
