package index

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"saccade/weights"
)

// format is the version of the tables. The first two had embeddings as floats beside paths,
// the first no documents: such a file is read, and converted when it is next written to.
const format = "saccade embeddings 3"

var oldFormats = []string{"saccade embeddings 1", "saccade embeddings 2"}

// Identity says what made embeddings; those of different ones can't be compared.
type Identity struct {
	Model         string // as the user names it
	Source        string // of the weights
	Fingerprint   string // of the weights
	Precision     string
	Preprocessing string
	// Texts is the source of the encoder that embeds lines, TextsFingerprint tells its
	// weights; of an index of [Documents] alone, "": there are no embeddings.
	Texts, TextsFingerprint string
}

// Documents is the model of an index of lines.
const Documents = "documents"

// MismatchError is an index that something else made.
type MismatchError struct {
	Path        string
	What        string // the property that differs
	Found, Want string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("index %s: it was made with %s %s, not %s; give another -index, or remove the file",
		e.Path, e.What, weights.Printable(e.Found), weights.Printable(e.Want))
}

// Options say how an index is opened.
type Options struct {
	// Search opens an index for reading alone: it has to be there, and may be
	// a file or in a folder that cannot be written.
	Search bool
	// Any opens an index whose Model is that of the identity, whatever else made it: see
	// [Index.Identity].
	Any bool
	// Waiting, if not nil, is called before another process is waited for that
	// writes to the index: once each time.
	Waiting func()
}

// Index is an open index. It may be used from one goroutine at a time, and from
// several processes.
type Index struct {
	path   string
	file   string // path, absolute
	folder string // of the file
	old    bool   // of a format before, which has no file of vectors
	db     *sql.DB
	ctx    context.Context // ends what is under way, waiting too
	told   func()
}

// Open opens the index at path, or makes it: [OpenWith] without options.
func Open(path string, id Identity) (*Index, error) {
	return OpenWith(context.Background(), path, id, Options{})
}

// OpenWith opens the index at path, or makes it unless options say otherwise. One
// that another model made is refused with a [MismatchError]; nothing is written
// to a file before it is known to be an index. Every use of the index ends with
// an error when ctx ends.
func OpenWith(ctx context.Context, path string, id Identity, o Options) (*Index, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	x := &Index{path: path, file: absolute, folder: filepath.Dir(absolute), ctx: ctx, told: o.Waiting}
	if err := x.open(absolute, o.Search); err != nil {
		return nil, err
	}
	if err := x.identify(id, o); err != nil {
		_ = x.db.Close() // the first error counts
		return nil, err
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
	if x.ctx.Err() != nil { // SQLite only says that it was interrupted
		err = context.Cause(x.ctx)
	}
	return fmt.Errorf("index %s: %s: %w", x.path, what, shown{err})
}

// shown is an error in one short line: SQLite's repeat what the file holds.
type shown struct{ error }

func (s shown) Error() string { return weights.Printable(s.error.Error()) }
func (s shown) Unwrap() error { return s.error }

// identify compares what made the embeddings; a new index takes it over.
func (x *Index) identify(id Identity, o Options) error {
	want := [][2]string{
		{"format", format}, {"model", id.Model}, {"weights", id.Source}, {"fingerprint", id.Fingerprint}, {"precision", id.Precision}, {"preprocessing", id.Preprocessing},
	}
	if id.Model == Documents {
		want = append(want, [2]string{textsKey, id.Texts}, [2]string{textsPrintKey, id.TextsFingerprint})
	}
	if o.Any {
		want = want[:2]
	}
	if !o.Search {
		err := x.write("writing", func(tx *sql.Tx) error {
			for _, kv := range want {
				if _, err := tx.ExecContext(x.ctx, "INSERT OR IGNORE INTO meta VALUES (?, ?)", kv[0], kv[1]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	found, err := x.meta()
	if err != nil {
		return err
	}
	for _, kv := range want {
		key, is := kv[0], found[kv[0]]
		switch {
		case is == kv[1] || key == "weights" || key == textsKey: // a name; the fingerprint is what counts
			continue
		case key == "format" && x.old && slices.Contains(oldFormats, is):
			continue
		case key == textsPrintKey:
			return &MismatchError{Path: x.path, What: "the encoder of texts", Found: cmp.Or(found[textsKey], "none"), Want: cmp.Or(id.Texts, "none")}
		case key == "fingerprint":
			if is = found["weights"]; is == id.Source {
				is += " as they were then"
			}
			return &MismatchError{Path: x.path, What: "weights", Found: is, Want: id.Source}
		}
		return &MismatchError{Path: x.path, What: key, Found: is, Want: kv[1]}
	}
	return nil
}

// The keys of what embeds lines.
const (
	textsKey      = "texts"
	textsPrintKey = "texts fingerprint"
)

// Identity is what made the index.
func (x *Index) Identity() (Identity, error) {
	found, err := x.meta()
	return Identity{
		Model: found["model"], Source: found["weights"], Fingerprint: found["fingerprint"], Precision: found["precision"], Preprocessing: found["preprocessing"],
		Texts: found[textsKey], TextsFingerprint: found[textsPrintKey],
	}, err
}

// Another process that writes is waited for so long, and mentioned after so long.
const (
	maxWait   = 60 * time.Second
	mentioned = 300 * time.Millisecond
)

// wait calls try until no other process is in the way.
func (x *Index) wait(try func() error) error {
	told, began, pause := false, time.Now(), time.Millisecond
	for {
		err := try()
		if !busy(err) || time.Since(began) > maxWait {
			return err
		}
		if !told && x.told != nil && time.Since(began) > mentioned {
			x.told()
			told = true
		}
		select {
		case <-x.ctx.Done():
			return context.Cause(x.ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// write runs f in one transaction: all that it does is done, or nothing.
func (x *Index) write(what string, f func(tx *sql.Tx) error) error {
	err := x.wait(func() error {
		tx, err := x.db.BeginTx(x.ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
	return x.damaged(what, err)
}

// rows calls scan with each row of a query, which says how many bytes it has. A
// damaged file may have a row again and again: more bytes than the file has are
// an error.
func (x *Index) rows(query string, scan func(*sql.Rows) (int, error)) error {
	var rows *sql.Rows
	err := x.wait(func() (err error) {
		rows, err = x.db.QueryContext(x.ctx, query)
		return err
	})
	if err != nil {
		return x.failed("reading", err)
	}
	defer rows.Close()
	total, most := int64(0), int64(0)
	for rows.Next() {
		n, err := scan(rows)
		if total += int64(n); err == nil && total > most {
			if most, err = x.size(); err == nil && total > most {
				err = damage("it holds more than its size")
			}
		}
		if err != nil {
			return x.damaged("reading", err)
		}
	}
	if err := rows.Err(); err != nil {
		return x.failed("reading", err)
	}
	return nil
}

// damaged is failed, or says of damage that it is; nil if err is.
func (x *Index) damaged(what string, err error) error {
	var d damage
	switch {
	case err == nil:
		return nil
	case errors.As(err, &d):
		return fmt.Errorf("index %s: it is damaged: %w; remove the file", x.path, d)
	}
	return x.failed(what, err)
}

// damage is what is wrong with a file that is an index.
type damage string

func (d damage) Error() string { return string(d) }
