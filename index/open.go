package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3" // cgo, as the GPU's binding is
)

// The tables of pictures, today's and those of before; a file that has others than those with
// lineTables, or than those of the first format alone, is no index.
var (
	metaTable = `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`
	tables    = []string{metaTable, `CREATE TABLE pictures (
	row INTEGER PRIMARY KEY,    -- of the file of vectors; below 0 of a bad picture, which has none
	path TEXT NOT NULL UNIQUE,  -- relative to the folder of this file, with slashes
	size INTEGER NOT NULL,      -- bytes
	modified INTEGER NOT NULL,  -- nanoseconds since 1970
	error TEXT NOT NULL         -- why there is no vector, or ''
)`, `CREATE TABLE free (
	row INTEGER PRIMARY KEY     -- of the file of vectors, that no picture has
)`}
	oldTables = []string{metaTable, `CREATE TABLE pictures (
	path TEXT PRIMARY KEY,
	size INTEGER NOT NULL,
	modified INTEGER NOT NULL,
	embedding BLOB NOT NULL,    -- float32, little-endian, unit length; empty for a bad picture
	error TEXT NOT NULL
) WITHOUT ROWID`}
)

// maxValue is the largest row of an index, in bytes.
const maxValue = 1 << 20

// driver is SQLite with limits: files may come from anybody.
const driver = "saccade index"

func init() {
	sql.Register(driver, &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, maxValue)
		_, err := c.Exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", nil)
		return err
	}})
}

// open opens the file. It is first looked at without a way to write to it.
func (x *Index) open(file string, search bool) error {
	found, err := x.look(file)
	switch {
	case err != nil:
		return err
	case found == nothing && search:
		return fmt.Errorf("index %s: there is none yet; give the pictures or documents too, and it is made", x.path)
	case search:
		x.old = found == anOldIndex
		return x.openForSearch(file)
	case found != nothing && !writable(file): // SQLite would leave its log behind
		return fmt.Errorf("index %s: it cannot be written, it or its folder; without pictures to add it can be searched", x.path)
	}
	// A write-ahead log keeps the file whole whenever the process dies; a second
	// process waits its turn.
	if err := x.connect(file, "mode=rwc&_journal_mode=WAL&_synchronous=NORMAL&_txlock=immediate"); err != nil {
		return err
	}
	err = x.write("making its tables", func(tx *sql.Tx) error {
		is, err := x.kindOf(tx)
		if err != nil || is == anIndex || is == anOldIndex {
			return err
		}
		if is == another { // it came in between
			return errAnother
		}
		for _, t := range slices.Concat(tables, lineTables) {
			if _, err := tx.ExecContext(x.ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && found == anOldIndex {
		err = x.convert()
	}
	if err != nil {
		_ = x.db.Close() // the first error counts
	}
	return err
}

// openForSearch opens an index that is there. Where it cannot be written, nor the
// files that SQLite keeps beside it, it is read as it lies there.
func (x *Index) openForSearch(file string) error {
	if writable(file) {
		return x.connect(file, "mode=rw")
	}
	if hasLog(file) {
		return fmt.Errorf("index %s: it cannot be written, and what was last added lies in %s-wal; copy both to where they can be", x.path, filepath.Base(file))
	}
	return x.connect(file, "mode=ro&immutable=1")
}

// writable says whether a file can be written and others made beside it.
func writable(file string) bool {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	beside, err := os.CreateTemp(filepath.Dir(file), ".index-*")
	if err != nil {
		return false
	}
	_ = beside.Close() // nothing was written
	return os.Remove(beside.Name()) == nil
}

// hasLog says whether a write-ahead log lies beside a file and holds something.
func hasLog(file string) bool {
	info, err := os.Stat(file + "-wal")
	return err == nil && info.Size() > 0
}

// kind is what a file is.
type kind int

const (
	nothing kind = iota // not there, or empty
	anIndex
	anOldIndex // of a format before
	another
)

var errAnother = errors.New("it is an SQLite file of something else; give another -index")

// look says whether the file is there and refuses it if it is no index.
func (x *Index) look(file string) (kind, error) {
	if info, err := os.Stat(x.folder); err != nil || !info.IsDir() {
		return nothing, fmt.Errorf("index %s: there is no folder %s", x.path, filepath.Dir(x.path))
	}
	for try := 0; ; try++ {
		before, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nothing, nil
		case err != nil:
			return nothing, x.failed("opening", reason(err))
		case !before.Mode().IsRegular():
			return nothing, fmt.Errorf("index %s: it is no regular file", x.path)
		case before.Size() == 0:
			return nothing, nil
		}
		is, err := x.examine(file)
		if after, statErr := os.Stat(file); try < 10 && is != anIndex && is != anOldIndex && statErr == nil &&
			(after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || hasLog(file)) && x.ctx.Err() == nil {
			continue // another process is making it just now
		}
		if err == nil && is == another {
			err = errAnother
		}
		if err != nil {
			return nothing, fmt.Errorf("index %s: %w", x.path, err)
		}
		return is, nil
	}
}

// examine reads what tables a file has: as if it were on a medium that cannot be
// written, so that nothing is made beside it, but for a file that may have its
// tables in its log alone.
func (x *Index) examine(file string) (kind, error) {
	f, err := os.Open(file)
	if err != nil {
		return nothing, reason(err)
	}
	magic := make([]byte, 16)
	_, err = io.ReadFull(f, magic)
	_ = f.Close() // nothing was written
	if err != nil || string(magic) != "SQLite format 3\x00" {
		return another, errors.New("it is not an SQLite file, as an index is; give another -index")
	}
	is, err := x.tablesOf(file, "mode=ro&immutable=1")
	if is != anIndex && hasLog(file) { // also of one that was just converted
		is, err = x.tablesOf(file, "mode=ro")
	}
	return is, err
}

// tablesOf opens a file for as long as it takes to read its tables.
func (x *Index) tablesOf(file, mode string) (kind, error) {
	db, err := sql.Open(driver, uri(file, mode))
	if err != nil {
		return nothing, err
	}
	defer db.Close()
	var is kind
	err = x.wait(func() (err error) {
		is, err = x.kindOf(db)
		return err
	})
	if err != nil {
		return another, fmt.Errorf("reading (is it an index?): %w", shown{err})
	}
	return is, nil
}

// kindOf compares a file's tables with those of an index, word for word: a view
// or a trigger in place of one would run what it says.
func (x *Index) kindOf(db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) (kind, error) {
	rows, err := db.QueryContext(x.ctx, `SELECT sql FROM sqlite_schema
		WHERE NOT (type IN ('table', 'index') AND name LIKE 'sqlite\_%' ESCAPE '\') LIMIT 10`)
	if err != nil {
		return another, err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return another, err
		}
		found = append(found, words(text.String))
	}
	if err := rows.Err(); err != nil {
		return another, err
	}
	switch {
	case len(found) == 0:
		return nothing, nil
	case sameTables(found, slices.Concat(tables, lineTables)):
		return anIndex, nil
	case sameTables(found, oldTables), sameTables(found, slices.Concat(oldTables, lineTables)):
		return anOldIndex, nil
	}
	return another, nil
}

// sameTables compares what a file has with tables, in any order.
func sameTables(found, tables []string) bool {
	want := make([]string, len(tables))
	for i, t := range tables {
		want[i] = words(t)
	}
	slices.Sort(found)
	slices.Sort(want)
	return slices.Equal(found, want)
}

// words is an SQL text without comments and with single spaces.
func words(text string) string {
	var parts []string
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "--")
		parts = append(parts, strings.Fields(code)...)
	}
	return strings.Join(parts, " ")
}

// connect opens the file with SQLite's parameters. Locks are waited for here, as
// SQLite does not end that when it is told to.
func (x *Index) connect(file, parameters string) error {
	db, err := sql.Open(driver, uri(file, parameters))
	if err != nil {
		return x.failed("opening", err)
	}
	db.SetMaxOpenConns(1)
	if err := x.wait(func() error { return db.PingContext(x.ctx) }); err != nil {
		_ = db.Close() // the first error counts
		return x.failed("opening", err)
	}
	x.db = db
	return nil
}

func uri(file, parameters string) string {
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(file) + "?_busy_timeout=0&" + parameters
}

// busy says that another process is in the way.
func busy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}

// size is the bytes of the file and its log.
func (x *Index) size() (int64, error) {
	file := filepath.Join(x.folder, filepath.Base(x.path))
	info, err := os.Stat(file)
	if err != nil {
		return 0, reason(err)
	}
	n := info.Size()
	if log, err := os.Stat(file + "-wal"); err == nil {
		n += log.Size()
	}
	return n, nil
}

// reason is what went wrong without the path, which our errors name already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
