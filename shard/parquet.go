package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"
)

// The columns that are looked for, the first that is there.
var (
	pictureColumns = []string{"image.bytes", "img.bytes", "picture.bytes", "image", "img", "picture", "jpg", "jpeg", "png", "webp", "bytes", "content"}
	keyColumns     = []string{"__key__", "key", "id"}
	pathColumns    = []string{"path", "file_name", "url"}
)

// openParquet takes a row for a picture: of Hugging Face's datasets, whose images are
// structs of bytes and a path, or a column of bytes.
func openParquet(f *os.File, size int64) (s *Shard, err error) {
	defer guard(&err)
	file, err := openWhole(f, size)
	if err != nil {
		return nil, fmt.Errorf("a damaged Parquet file: %w", err)
	}
	if n := file.NumRows(); n < 0 || n > min(mostRows, size) { // a picture has a byte at least
		return nil, fmt.Errorf("it says that it has %d rows; expected at most %d in so many bytes: a damaged file, or one to be split", n, min(mostRows, size))
	}
	leaves := leavesOf(file.Root(), nil, map[string]*parquet.Column{})
	pictures, ok := find(leaves, pictureColumns)
	if !ok {
		return nil, fmt.Errorf("there is no column of pictures in it, such as image (a struct with bytes) or jpg; it has %s", strings.Join(names(file.Root()), ", "))
	}
	p := &parquetShard{file: file, column: leaves[pictures].Index()}
	s = &Shard{Kind: "Parquet file", read: p.read, close: f.Close}
	var keys, paths []string
	if k, ok := find(leaves, keyColumns); ok {
		if keys, err = p.texts(leaves[k]); err != nil {
			return nil, err
		}
	}
	beside, _ := strings.CutSuffix(pictures, "bytes")
	if k, ok := find(leaves, append([]string{beside + "path"}, pathColumns...)); ok {
		if paths, err = p.texts(leaves[k]); err != nil {
			return nil, err
		}
	}
	s.Items = make([]Item, file.NumRows())
	for i := range s.Items {
		x := &s.Items[i]
		x.Key, x.size = strconv.Itoa(i), -1
		if i < len(keys) && keys[i] != "" {
			x.Key = keys[i]
		}
		if i < len(paths) {
			x.Path = paths[i]
		}
	}
	return s, nil
}

// openWhole opens a file whose end is there: the library takes memory for what it says of its
// own length.
func openWhole(f *os.File, size int64) (*parquet.File, error) {
	const ends = 8 // the length of what describes the file, and PAR1
	last := make([]byte, ends)
	if _, err := f.ReadAt(last, size-ends); err != nil || string(last[4:]) != "PAR1" || int64(binary.LittleEndian.Uint32(last)) > size-ends {
		return nil, io.ErrUnexpectedEOF
	}
	return parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
}

// mostRows is the most of a shard in one file.
const mostRows = 10_000_000

// leavesOf are the columns of one value a row, by their names with dots between.
func leavesOf(c *parquet.Column, above []string, found map[string]*parquet.Column) map[string]*parquet.Column {
	for _, child := range c.Columns() {
		at := append(slices.Clone(above), child.Name())
		switch {
		case child.Repeated():
		case child.Leaf():
			found[strings.Join(at, ".")] = child
		default:
			leavesOf(child, at, found)
		}
	}
	return found
}

// find is the first of the names that is a column of bytes or of whole numbers.
func find(leaves map[string]*parquet.Column, names []string) (string, bool) {
	for _, name := range names {
		if c, ok := leaves[name]; ok {
			switch kind := c.Type().Kind(); {
			case kind == parquet.ByteArray, !slices.Contains(pictureColumns, name) && (kind == parquet.Int32 || kind == parquet.Int64):
				return name, true
			}
		}
	}
	return "", false
}

// names are the columns as a person sees them.
func names(root *parquet.Column) []string {
	var all []string
	for _, c := range root.Columns() {
		all = append(all, c.Name())
	}
	return all
}

// parquetShard reads a column of pictures in order: what several readers ask for lies
// together, and is kept for a while.
type parquetShard struct {
	file   *parquet.File
	column int

	mu     sync.Mutex
	cursor *cursor
	next   int            // row that the cursor reads next
	kept   map[int][]byte // rows before it, not yet asked for
}

// ahead bounds how far apart the rows are that are asked for at once; a row that was passed
// by so many others is read anew.
const ahead = 256

// errEmpty is a row without a picture.
var errEmpty = errors.New("the row holds no bytes of a picture")

func (p *parquetShard) read(i int) (data []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer guard(&err)
	data, ok := p.kept[i]
	if !ok {
		if data, err = p.reach(i); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	delete(p.kept, i)
	switch {
	case len(data) == 0:
		return nil, errEmpty
	case len(data) > mostBytes:
		return nil, fmt.Errorf("larger than the limit of %d MiB", mostBytes>>20)
	}
	return data, nil
}

// reach reads up to row i, from the beginning if it was passed by.
func (p *parquetShard) reach(i int) (data []byte, err error) {
	if p.cursor == nil || i < p.next {
		p.cursor, p.next, p.kept = &cursor{groups: p.file.RowGroups(), column: p.column}, 0, map[int][]byte{}
	}
	for p.next <= i {
		v, err := p.cursor.value()
		if err != nil {
			p.cursor = nil
			return nil, err
		}
		data = nil
		if !v.IsNull() {
			data = slices.Clone(v.ByteArray())
		}
		if i-p.next < ahead {
			p.kept[p.next] = data
		}
		delete(p.kept, p.next-ahead)
		p.next++
	}
	return data, nil
}

// texts reads a column of texts or whole numbers.
func (p *parquetShard) texts(c *parquet.Column) ([]string, error) {
	var all []string
	at := &cursor{groups: p.file.RowGroups(), column: c.Index()}
	for {
		v, err := at.value()
		switch {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("a damaged Parquet file: column %s: %w", strings.Join(c.Path(), "."), err)
		case v.IsNull():
			all = append(all, "")
		case v.Kind() == parquet.ByteArray:
			all = append(all, string(v.ByteArray()))
		default:
			all = append(all, strconv.FormatInt(v.Int64(), 10))
		}
		if int64(len(all)) > p.file.NumRows() {
			return nil, fmt.Errorf("a damaged Parquet file: column %s has more values than there are rows", strings.Join(c.Path(), "."))
		}
	}
}

// cursor goes through a column, value by value.
type cursor struct {
	groups []parquet.RowGroup
	column int

	pages  parquet.Pages
	values parquet.ValueReader
	buffer [1]parquet.Value
}

// value is the next, valid until the one after; io.EOF at the end.
func (c *cursor) value() (parquet.Value, error) {
	for {
		if c.values != nil {
			n, err := c.values.ReadValues(c.buffer[:])
			if n == 1 {
				return c.buffer[0], nil
			}
			if err != nil && err != io.EOF {
				return parquet.Value{}, err
			}
			c.values = nil
		}
		if c.pages == nil {
			if len(c.groups) == 0 {
				return parquet.Value{}, io.EOF
			}
			c.pages, c.groups = c.groups[0].ColumnChunks()[c.column].Pages(), c.groups[1:]
		}
		page, err := c.pages.ReadPage()
		switch {
		case err == io.EOF:
			if err := c.pages.Close(); err != nil {
				return parquet.Value{}, err
			}
			c.pages = nil
		case err != nil:
			return parquet.Value{}, err
		default:
			c.values = page.Values()
		}
	}
}

// guard makes an error of what a decoder of others' panics with.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("a damaged Parquet file: %v", r)
	}
}
