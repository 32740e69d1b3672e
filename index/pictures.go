package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
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
func (x *Index) Stale(files []string) ([]Entry, error) {
	type state struct{ size, modified int64 }
	known := map[string]state{}
	rows, err := x.db.Query("SELECT path, size, modified FROM pictures")
	if err != nil {
		return nil, x.failed("reading", err)
	}
	defer rows.Close()
	for rows.Next() {
		var path string
		var s state
		if err := rows.Scan(&path, &s.size, &s.modified); err != nil {
			return nil, x.failed("reading", err)
		}
		known[path] = s
	}
	if err := rows.Err(); err != nil {
		return nil, x.failed("reading", err)
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
	tx, err := x.db.Begin()
	if err != nil {
		return x.failed("writing", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	insert, err := tx.Prepare("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)")
	if err != nil {
		return x.failed("writing", err)
	}
	for _, e := range entries {
		key, err := x.key(e.Path)
		if err != nil {
			return err
		}
		if _, err := insert.Exec(key, e.size, e.modified, encode(e.Embedding), e.Err); err != nil {
			return x.failed("writing "+e.Path, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return x.failed("writing", err)
	}
	return nil
}

// Keep removes the pictures in and below a folder that are not among files, and
// says how many there were.
func (x *Index) Keep(folder string, files []string) (removed int, err error) {
	keep := map[string]bool{}
	for _, f := range files {
		key, err := x.key(f)
		if err != nil {
			return 0, err
		}
		keep[key] = true
	}
	prefix, err := x.key(folder)
	if err != nil {
		return 0, err
	}
	all, err := x.paths()
	if err != nil {
		return 0, err
	}
	for _, key := range all {
		if keep[key] || !below(prefix, key) {
			continue
		}
		if _, err := x.db.Exec("DELETE FROM pictures WHERE path = ?", key); err != nil {
			return removed, x.failed("removing "+key, err)
		}
		removed++
	}
	return removed, nil
}

// below says that a key lies in a folder.
func below(folder, key string) bool {
	return folder == "." || len(key) > len(folder) && key[:len(folder)] == folder && key[len(folder)] == '/'
}

func (x *Index) paths() ([]string, error) {
	rows, err := x.db.Query("SELECT path FROM pictures")
	if err != nil {
		return nil, x.failed("reading", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var path string
		if err := rows.Scan(&path); err != nil {
			return nil, x.failed("reading", err)
		}
		all = append(all, path)
	}
	return all, rows.Err()
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

// decode reads what encode wrote.
func decode(data []byte) []float32 {
	v := make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return v
}
