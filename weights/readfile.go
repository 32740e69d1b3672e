package weights

import (
	"fmt"
	"io"
	"io/fs"
)

// The most bytes of files that stand beside tensors: configurations; indexes of
// shards; vocabularies and merges.
const (
	ConfigLimit     = 16 << 20
	IndexLimit      = 64 << 20
	VocabularyLimit = 128 << 20
)

// ReadFile reads a whole file of at most limit bytes. What is no regular file,
// such as a pipe, is refused before it is opened. The error of a file that is
// not there wraps [fs.ErrNotExist].
func ReadFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", Printable(name), reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", Printable(name))
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", Printable(name), reason(err))
	}
	defer f.Close()
	data := make([]byte, 0, min(info.Size(), limit)+1)
	for {
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("read %s: it is larger than %d bytes, more than such a file has; is it the right one?", Printable(name), limit)
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := f.Read(data[len(data):min(cap(data), int(limit)+1)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", Printable(name), reason(err))
		}
	}
}
