package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edsrzf/mmap-go"
)

// Source is a set of named tensors. Names are sorted or in the checkpoint's
// order, always the same; Tensor says whether name is there.
type Source interface {
	Names() []string
	Tensor(name string) (*Tensor, bool)
}

// Checkpoint is an open safetensors file, or all files of a sharded one.
type Checkpoint struct {
	path     string
	names    []string
	tensors  map[string]*Tensor
	metadata map[string]string
	maps     []mmap.MMap
}

// Open opens a safetensors file, or the folder of a model. In a folder it takes
// the first of [Candidates] that is there, or else the only .safetensors file.
// The files are memory-mapped: Close the checkpoint when its tensors are no
// longer read, and not before, and do not shorten them meanwhile. A PyTorch pickle is refused by name.
func Open(path string) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	if info.IsDir() {
		if path, err = find(path); err != nil {
			return nil, err
		}
	}
	c := newCheckpoint(path)
	if strings.HasSuffix(path, indexSuffix) {
		err = c.addIndex(path)
	} else {
		err = c.addFile(path)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// OpenBytes reads a safetensors file that is in memory, such as an embedded
// one. name stands for it in errors. The tensors share data.
func OpenBytes(name string, data []byte) (*Checkpoint, error) {
	c := newCheckpoint(name)
	if err := c.add(name, data); err != nil {
		return nil, err
	}
	return c, nil
}

// OpenFS reads the safetensors file name of a file system, such as an embedded
// one, into memory.
func OpenFS(fsys fs.FS, name string) (*Checkpoint, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %s: %w", name, reason(err))
	}
	return OpenBytes(name, data)
}

func newCheckpoint(path string) *Checkpoint {
	return &Checkpoint{path: path, tensors: map[string]*Tensor{}, metadata: map[string]string{}}
}

// Path is the file that was opened: the index of a sharded checkpoint.
func (c *Checkpoint) Path() string { return c.path }

// Names lists the tensors in the order of their data.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// Tensor finds a tensor by its name. Every call returns a copy of the
// description; the data are shared.
func (c *Checkpoint) Tensor(name string) (*Tensor, bool) {
	t, ok := c.tensors[name]
	if !ok {
		return nil, false
	}
	copied := *t
	return &copied, true
}

// Metadata is the header's free text, such as {"format": "pt"}. Of a sharded
// checkpoint it is the first file's that has the key.
func (c *Checkpoint) Metadata() map[string]string { return c.metadata }

// Close unmaps the files. The tensors' data must not be read afterwards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, m := range c.maps {
		errs = append(errs, m.Unmap())
	}
	c.maps, c.tensors, c.names = nil, nil, nil
	return errors.Join(errs...)
}

// addFile maps one file and adds its tensors.
func (c *Checkpoint) addFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	defer f.Close() // the mapping outlives the descriptor
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("open checkpoint %s: not a regular file", path)
	}
	if info.Size() == 0 { // cannot be mapped
		return fmt.Errorf("open checkpoint %s: the file is empty", path)
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: mapping it into memory: %w", path, err)
	}
	c.maps = append(c.maps, m)
	return c.add(path, m)
}

// add adds the tensors of one file's bytes.
func (c *Checkpoint) add(path string, data []byte) error {
	if err := foreign(path, data); err != nil {
		return err
	}
	entries, metadata, start, err := parseHeader(data)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, err)
	}
	for _, e := range entries {
		if c.tensors[e.name] != nil {
			return fmt.Errorf("open checkpoint %s: tensor %s is in another file of the checkpoint too", path, e.name)
		}
		from, to := start+e.begin, start+e.end
		c.names = append(c.names, e.name)
		c.tensors[e.name] = &Tensor{
			Name: e.name, Origin: e.name, Shape: e.shape, DType: e.dtype, Data: data[from:to:to],
		}
	}
	for k, v := range metadata {
		if _, ok := c.metadata[k]; !ok {
			c.metadata[k] = v
		}
	}
	return nil
}

// foreign recognises, by their first bytes, files that are often given in place
// of a safetensors file. Only the latter has { as its ninth byte: what precedes
// it is a number and can look like anything.
func foreign(path string, data []byte) error {
	begins := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	what := ""
	switch {
	case len(data) == 0:
		what = "the file is empty"
	case len(data) > 8 && data[8] == '{':
	case begins("PK\x03\x04"), begins("\x80\x02"), begins("\x80\x03"), begins("\x80\x04"), begins("\x80\x05"),
		isPickleName(path):
		return &PickleError{Path: path}
	case begins("version https://git-lfs"):
		what = "it is a Git LFS pointer, not the file itself: fetch it with git lfs pull"
	case begins("GGUF"):
		what = "it is a GGUF file; a safetensors file is wanted"
	case begins("\x89HDF"):
		what = "it is an HDF5 file; a safetensors file is wanted"
	}
	if what == "" {
		return nil
	}
	return fmt.Errorf("open checkpoint %s: %s", path, what)
}

// PickleError says that a file is a PyTorch pickle, which this package does not
// read.
type PickleError struct{ Path string }

func (e *PickleError) Error() string {
	return fmt.Sprintf("open checkpoint %s: it is a PyTorch pickle; convert it to safetensors", e.Path)
}

// isPickleName tells the usual names of PyTorch's pickles.
func isPickleName(path string) bool {
	return slices.Contains([]string{".pth", ".pt", ".th", ".bin", ".ckpt"}, strings.ToLower(filepath.Ext(path)))
}

// reason is what went wrong without the path, which our errors name already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
