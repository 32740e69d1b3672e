package index

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Entry is a picture with its embedding, or with the reason why it has none.
type Entry struct {
	Path      string // as the program sees it
	Embedding []float32
	Err       string

	size, modified int64 // of the file when it was looked at
}

// Stale lists those of the files that are not in the index as they are now: new,
// changed, or gone. A file counts as unchanged while its size and its time of
// modification stay. Give each of the entries its embedding and [Index.Add] it.
func (x *Index) Stale(files []string) ([]Entry, error) { return x.stale("pictures", files) }

// stale is Stale of a table.
func (x *Index) stale(table string, files []string) ([]Entry, error) {
	type state struct{ size, modified int64 }
	known := map[string]state{}
	err := x.rows("SELECT path, size, modified FROM "+table, func(rows *sql.Rows) (int, error) {
		var path string
		var s state
		err := rows.Scan(&path, &s.size, &s.modified)
		known[path] = s
		return 1 + len(path), err
	})
	if err != nil {
		return nil, err
	}
	var stale []Entry
	for _, file := range files {
		e := Entry{Path: file, size: -1}
		if info, err := os.Stat(file); err == nil {
			e.size, e.modified = info.Size(), info.ModTime().UnixNano()
		}
		key, err := x.key(file)
		if err != nil {
			return nil, err
		}
		if s, ok := known[key]; !ok || s != (state{e.size, e.modified}) {
			stale = append(stale, e)
		}
	}
	return stale, nil
}

// Add writes entries, all or none of them, for good.
func (x *Index) Add(entries []Entry) error {
	return x.write("writing", func(tx *sql.Tx) error {
		p, err := x.place(tx, len(entries))
		if err != nil {
			return err
		}
		defer p.close()
		for _, e := range entries {
			key, err := x.key(e.Path)
			if err != nil {
				return err
			}
			if err := p.forget(key); err != nil {
				return err
			}
			row, err := p.row(e.Embedding)
			if err == nil {
				_, err = tx.ExecContext(x.ctx, "INSERT INTO pictures VALUES (?, ?, ?, ?, ?)", row, key, e.size, e.modified, e.Err)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", e.Path, err)
			}
		}
		return p.end()
	})
}

// Keep removes the pictures in and below a folder that are not among files, and
// says how many there were.
func (x *Index) Keep(folder string, files []string) (removed int, err error) {
	gone, err := x.gone("pictures", folder, files)
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	err = x.write("removing pictures that are gone", func(tx *sql.Tx) error {
		p, err := x.place(tx, 0)
		if err != nil {
			return err
		}
		for _, key := range gone {
			if err := p.forget(key); err != nil {
				return err
			}
		}
		return p.end()
	})
	if err != nil {
		return 0, err
	}
	return len(gone), nil
}

// gone are what a table has in and below a folder that is not among files.
func (x *Index) gone(table, folder string, files []string) ([]string, error) {
	keep := map[string]bool{}
	for _, f := range files {
		key, err := x.key(f)
		if err != nil {
			return nil, err
		}
		keep[key] = true
	}
	prefix, err := x.key(folder)
	if err != nil {
		return nil, err
	}
	all, err := x.paths(table)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(key string) bool { return keep[key] || !below(prefix, key) }), nil
}

// below says that a key lies in a folder.
func below(folder, key string) bool {
	return folder == "." || len(key) > len(folder) && key[:len(folder)] == folder && key[len(folder)] == '/'
}

func (x *Index) paths(table string) (all []string, err error) {
	err = x.rows("SELECT path FROM "+table, func(rows *sql.Rows) (int, error) {
		var path string
		err := rows.Scan(&path)
		all = append(all, path)
		return 1 + len(path), err
	})
	return all, err
}

// key is a path relative to the index's folder, with slashes.
func (x *Index) key(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err == nil {
		absolute, err = filepath.Rel(x.folder, absolute)
	}
	if err != nil {
		return "", fmt.Errorf("index %s: picture %s: %w", x.path, path, err)
	}
	return filepath.ToSlash(absolute), nil
}

// encode writes a vector as little-endian float32.
func encode(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

// decode reads what encode wrote: finite numbers.
func decode(value any) ([]float32, error) {
	data, ok := value.([]byte)
	if !ok || len(data) == 0 || len(data)%4 != 0 {
		return nil, damage("it holds an embedding that is none of float32 values")
	}
	v := make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		if v[i]-v[i] != 0 {
			return nil, damage("it holds an embedding with Inf or NaN")
		}
	}
	return v, nil
}
