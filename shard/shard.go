package shard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// mostBytes is the most of one picture's file.
const mostBytes = 1 << 30

// Item is a picture of a shard.
type Item struct {
	// Path is where it is: a file in a folder or of a list, a member of an archive, or what
	// a Parquet file says.
	Path string
	// Key is what joins it with what else is known of it: its path without what comes after
	// the first dot of the name, as in WebDataset, below a folder; of Parquet a column.
	Key string

	size   int64 // bytes, -1 where that is not known
	offset int64 // in an archive
}

// Shard is an open shard. Read may be called from several goroutines.
type Shard struct {
	Items []Item
	// What it is, in words.
	Kind string

	read  func(i int) ([]byte, error)
	close func() error
}

// Read gives the bytes of item i.
func (s *Shard) Read(i int) ([]byte, error) { return s.read(i) }

// Close ends the use of the shard.
func (s *Shard) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Fingerprint tells the shard from others, and from itself when an item has come, gone or
// changed its size. It does not depend on where the shard lies.
func (s *Shard) Fingerprint() string {
	h := sha256.New()
	for _, x := range s.Items {
		fmt.Fprintf(h, "%q %q %d\n", x.Key, path.Base(x.Path), x.size)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Open opens a folder, a list, a tar archive or a Parquet file; files are told by what they
// begin with. pictures lists the pictures of a folder and below it, with their paths.
func Open(name string, pictures func(folder string) ([]string, error)) (*Shard, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", name, reason(err))
	}
	var s *Shard
	switch {
	case info.IsDir():
		s, err = openFolder(name, pictures)
	case !info.Mode().IsRegular():
		err = errors.New("it is no regular file; expected a folder, a list of files, a tar archive or a Parquet file")
	default:
		s, err = openFile(name, info.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", name, err)
	}
	if len(s.Items) == 0 {
		_ = s.Close() // nothing was written
		return nil, fmt.Errorf("shard %s: there are no pictures in it, a %s", name, s.Kind)
	}
	return s, nil
}

// openFile opens what is no folder.
func openFile(name string, size int64) (*Shard, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, reason(err)
	}
	s, err := opener(f)(f, size)
	if err != nil {
		_ = f.Close() // the first error counts
		return nil, err
	}
	return s, nil
}

// opener is what opens a file that begins so.
func opener(f *os.File) func(*os.File, int64) (*Shard, error) {
	head := make([]byte, 512)
	n, _ := f.ReadAt(head, 0) // a file that can't be read is found so by what opens it
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return openParquet
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return func(*os.File, int64) (*Shard, error) {
			return nil, errors.New("it is compressed; pictures are compressed by themselves, and are read side by side from a plain tar: decompress it")
		}
	case len(head) >= 262 && string(head[257:262]) == "ustar", strings.HasSuffix(f.Name(), ".tar"):
		return openTar
	}
	return openList
}

// readAt reads a part of a file.
func readAt(r io.ReaderAt, offset, size int64) ([]byte, error) {
	if size > mostBytes {
		return nil, fmt.Errorf("larger than the limit of %d MiB", mostBytes>>20)
	}
	data := make([]byte, size)
	n, err := r.ReadAt(data, offset)
	if n == len(data) {
		return data, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// keyOf is a path up to the first dot of its name.
func keyOf(p string) string {
	dir, name := path.Split(p)
	if i := strings.IndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return dir + name
}

// reason is what went wrong without the path, which our errors name already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
