package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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

// Checkpoint is an open safetensors or PyTorch file, or all files of a sharded
// one.
type Checkpoint struct {
	path     string
	names    []string
	tensors  map[string]*Tensor
	metadata map[string]string
	prefix   string
	maps     []mmap.MMap
}

// Open opens a safetensors file, a file of PyTorch's torch.save, or the folder
// of a model. What a file is its contents say, not its name. In a folder it
// takes a safetensors file before a PyTorch one, and the first of [Candidates]
// before the only one of another name. The files are memory-mapped: Close the
// checkpoint when its tensors are no longer read, and not before; see [Guard]
// for files that somebody shortens meanwhile.
//
// Of a PyTorch file the state_dict is read: tensors by name, alone or under a
// key such as state_dict, model, model_state_dict or model_ema, beside whatever
// training scripts save: of other objects only their names are read, and nothing
// is ever called. A file with the weights of several networks is refused, and
// with a [PickleError] one that has something else where tensors are wanted.
//
// The prefixes module., _orig_mod. and timm_model. are taken off where all names
// have them, with AveragedModel's n_averaged beside them; see [Unwrap] for those
// that a network may have itself.
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
	if isIndex(path) {
		err = c.addIndex(path)
	} else {
		err = c.addFile(path)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	c.unwrap()
	return c, nil
}

// OpenBytes reads a safetensors or PyTorch file that is in memory, such as an
// embedded one. name stands for it in errors. The tensors share data.
func OpenBytes(name string, data []byte) (*Checkpoint, error) {
	c := newCheckpoint(name)
	if err := c.add(name, data); err != nil {
		return nil, err
	}
	c.unwrap()
	return c, nil
}

// OpenFS reads the safetensors or PyTorch file name of a file system, such as an embedded
// one, into memory, or all files of the index of that name.
func OpenFS(fsys fs.FS, name string) (*Checkpoint, error) {
	c := newCheckpoint(name)
	read := func(name string) ([]byte, error) {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("open checkpoint %s: %w", Printable(name), reason(err))
		}
		return data, nil
	}
	data, err := read(name)
	if err == nil && isIndex(name) {
		err = c.addShards(name, data, func(shard string) error {
			shard = path.Join(path.Dir(name), shard)
			data, err := read(shard)
			if err != nil {
				return err
			}
			return c.add(shard, data)
		})
	} else if err == nil {
		err = c.add(name, data)
	}
	if err != nil {
		return nil, err
	}
	c.unwrap()
	return c, nil
}

// FindFS is the name of the checkpoint in a folder of a file system: the first of
// [Candidates] that is there.
func FindFS(fsys fs.FS) (string, error) {
	for _, name := range Candidates {
		if _, err := fs.Stat(fsys, name); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("open checkpoint: the folder holds no %s", someOf(Candidates, 9))
}

func newCheckpoint(path string) *Checkpoint {
	return &Checkpoint{path: path, tensors: map[string]*Tensor{}, metadata: map[string]string{}}
}

// Path is the file that was opened: the index of a sharded checkpoint.
func (c *Checkpoint) Path() string { return c.path }

// Names lists the tensors in the order of their data, or of the state_dict.
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

// Prefix is what was taken off all names, such as "module.", or "".
func (c *Checkpoint) Prefix() string { return c.prefix }

// unwrap takes off the wrappers that all names have. Origin keeps them.
func (c *Checkpoint) unwrap() {
	bare, prefix := unwrapped(c.names)
	if slices.Equal(bare, c.names) {
		return
	}
	tensors, names := map[string]*Tensor{}, []string{}
	for i, name := range c.names {
		if bare[i] != "" {
			t := c.tensors[name]
			t.Name = bare[i]
			tensors[t.Name], names = t, append(names, t.Name)
		}
	}
	c.tensors, c.names, c.prefix = tensors, names, prefix
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
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return fmt.Errorf("open checkpoint %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	defer f.Close()       // the mapping outlives the descriptor
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
	var tensors []*Tensor
	var metadata map[string]string
	err := Guard(func() (err error) {
		tensors, metadata, err = readFile(path, data)
		return err
	})
	if err != nil {
		return fmt.Errorf("open checkpoint %s: %w", path, err)
	}
	for _, t := range tensors {
		if c.tensors[t.Name] != nil {
			return fmt.Errorf("open checkpoint %s: tensor %s is in another file of the checkpoint too", path, Printable(t.Name))
		}
		c.names = append(c.names, t.Name)
		c.tensors[t.Name] = t
	}
	for k, v := range metadata {
		if _, ok := c.metadata[k]; !ok {
			c.metadata[k] = v
		}
	}
	return nil
}

// readFile reads the tensors of a file of either format. Only a safetensors
// file has { as its ninth byte: what precedes it is a number and can look like
// anything.
func readFile(path string, data []byte) ([]*Tensor, map[string]string, error) {
	if len(data) <= 8 || data[8] != '{' {
		if isTorch(data) {
			tensors, err := readTorch(data)
			return tensors, nil, err
		}
		if err := otherKind(path, data); err != nil {
			return nil, nil, err
		}
	}
	entries, metadata, start, err := parseHeader(data)
	if err != nil {
		return nil, nil, err
	}
	var tensors []*Tensor
	for _, e := range entries {
		from, to := start+e.begin, start+e.end
		tensors = append(tensors, &Tensor{
			Name: e.name, Origin: e.name, Shape: e.shape, DType: e.dtype, Data: data[from:to:to],
		})
	}
	return tensors, metadata, nil
}

// otherKind recognises, by their first bytes, files that are often given in place
// of a checkpoint.
func otherKind(path string, data []byte) error {
	begins := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case len(data) == 0:
		return errors.New("the file is empty")
	case begins("version https://git-lfs"):
		return errors.New("it is a Git LFS pointer, not the file itself: fetch it with git lfs pull")
	case begins("GGUF"):
		return errors.New("it is a GGUF file; a safetensors or PyTorch file is wanted")
	case begins("\x89HDF"):
		return errors.New("it is an HDF5 file; a safetensors or PyTorch file is wanted")
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return errors.New("it is a tar file, perhaps of PyTorch before 0.2; load it in Python and save it again")
	case isTorchName(path):
		return errors.New("it is no PyTorch file: neither a zip file nor a pickle of protocol 2 to 5")
	}
	return nil
}

// torchExtensions are the usual ones of PyTorch's files.
var torchExtensions = []string{".pth", ".pt", ".th", ".bin", ".ckpt"}

func isTorchName(path string) bool {
	return slices.Contains(torchExtensions, strings.ToLower(filepath.Ext(path)))
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
