package index

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"; cgo, as the GPU's binding is
)

// format is the version of the tables.
const format = "saccade embeddings 1"

// Identity says what made embeddings; those of different ones can't be compared.
type Identity struct {
	Model         string // as the user names it
	Source        string // of the weights
	Fingerprint   string // of the weights
	Precision     string
	Preprocessing string
}

// MismatchError is an index that something else made.
type MismatchError struct {
	Path        string
	What        string // the property that differs
	Found, Want string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("index %s: it was made with %s %s, not %s; give another -index, or remove the file", e.Path, e.What, e.Found, e.Want)
}

// Index is an open index. It may be used from one goroutine at a time, and from
// several processes.
type Index struct {
	path   string
	folder string // of the file, absolute
	db     *sql.DB
}

const tables = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pictures (
	path TEXT PRIMARY KEY,      -- relative to the folder of this file, with slashes
	size INTEGER NOT NULL,      -- bytes
	modified INTEGER NOT NULL,  -- nanoseconds since 1970
	embedding BLOB NOT NULL,    -- float32, little-endian, unit length; empty for a bad picture
	error TEXT NOT NULL         -- why there is no embedding, or ''
) WITHOUT ROWID;`

// Open opens the index at path, or makes it. One that another model made is
// refused with a [MismatchError].
func Open(path string, id Identity) (*Index, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	if info, err := os.Stat(filepath.Dir(absolute)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("index %s: there is no folder %s", path, filepath.Dir(path))
	}
	// A write-ahead log keeps the file whole whenever the process dies; a second
	// process waits its turn.
	dsn := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(absolute) + "?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=60000&_txlock=immediate"
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	x := &Index{path: path, folder: filepath.Dir(absolute), db: db}
	if err := x.prepare(id); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

// Close ends the use of the file.
func (x *Index) Close() error {
	if err := x.db.Close(); err != nil {
		return x.failed("closing", err)
	}
	return nil
}

func (x *Index) failed(what string, err error) error {
	return fmt.Errorf("index %s: %s: %w", x.path, what, err)
}

// prepare makes the tables where there are none, and compares the identity.
func (x *Index) prepare(id Identity) error {
	if err := x.check(); err != nil {
		return err
	}
	if _, err := x.db.Exec(tables); err != nil {
		return x.failed("making its tables", err)
	}
	want := [][2]string{
		{"format", format}, {"model", id.Model}, {"weights", id.Source}, {"fingerprint", id.Fingerprint}, {"precision", id.Precision}, {"preprocessing", id.Preprocessing},
	}
	for _, kv := range want {
		if _, err := x.db.Exec("INSERT OR IGNORE INTO meta VALUES (?, ?)", kv[0], kv[1]); err != nil {
			return x.failed("writing", err)
		}
	}
	for _, kv := range want {
		if kv[0] == "weights" { // a name; the fingerprint is what counts
			continue
		}
		var found string
		if err := x.db.QueryRow("SELECT value FROM meta WHERE key = ?", kv[0]).Scan(&found); err != nil {
			return x.failed("reading", err)
		}
		if found != kv[1] {
			return x.mismatch(kv[0], found, kv[1], id)
		}
	}
	return nil
}

// mismatch names what differs; for a fingerprint, where the weights came from.
func (x *Index) mismatch(key, found, want string, id Identity) error {
	if key == "fingerprint" {
		key, want = "weights", id.Source
		if err := x.db.QueryRow("SELECT value FROM meta WHERE key = 'weights'").Scan(&found); err != nil {
			return x.failed("reading", err)
		}
		if found == want {
			found += " as they were then"
		}
	}
	return &MismatchError{Path: x.path, What: key, Found: found, Want: want}
}

// check refuses a file that is none of ours before anything is written to it.
func (x *Index) check() error {
	rows, err := x.db.Query("SELECT name FROM sqlite_master WHERE type = 'table'")
	if err != nil {
		return x.failed("reading (is it an index?)", err)
	}
	defer rows.Close()
	empty, ours := true, false
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return x.failed("reading", err)
		}
		empty, ours = false, ours || name == "meta"
	}
	if err := rows.Err(); err != nil {
		return x.failed("reading (is it an index?)", err)
	}
	if !empty && !ours {
		return fmt.Errorf("index %s: it is an SQLite file of something else; give another -index", x.path)
	}
	return nil
}
