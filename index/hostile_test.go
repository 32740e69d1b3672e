package index

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var forSearch = Options{Search: true}

// listing is every file of a folder with its bytes.
func listing(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	found := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		require.NoError(t, err)
		found[e.Name()] = string(data)
	}
	return found
}

func TestSearchMakesNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "none.index")
	_, err := OpenWith(context.Background(), file, clip, forSearch)
	assert.EqualError(t, err, "index "+file+": there is none yet; give the pictures or documents too, and it is made")
	assert.Empty(t, listing(t, dir))
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = OpenWith(context.Background(), file, clip, forSearch)
	assert.ErrorContains(t, err, "there is none yet")
	assert.Equal(t, map[string]string{"none.index": ""}, listing(t, dir))
	x, err := Open(file, clip) // an empty file is nobody's
	require.NoError(t, err)
	require.NoError(t, x.Close())
	x, err = OpenWith(context.Background(), file, clip, forSearch)
	require.NoError(t, err)
	require.NoError(t, x.Close())
	assert.Len(t, listing(t, dir), 1)
}

// A search leaves an index as it is, also beside a process that writes to it.
func TestSearch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.index")
	writer := open(t, file)
	fill(t, writer, files(t, t.TempDir(), 3))
	x, err := OpenWith(context.Background(), file, clip, forSearch)
	require.NoError(t, err)
	v, err := x.Vectors(nil)
	require.NoError(t, err)
	assert.Len(t, v.Paths, 3)
	require.NoError(t, x.Close())
	require.NoError(t, writer.Close())
	before := listing(t, dir)
	other := clip
	other.Model = "siglip"
	_, err = OpenWith(context.Background(), file, other, forSearch)
	var mismatch *MismatchError
	require.ErrorAs(t, err, &mismatch)
	x, err = OpenWith(context.Background(), file, clip, forSearch)
	require.NoError(t, err)
	_, err = x.Vectors(nil)
	require.NoError(t, err)
	require.NoError(t, x.Close())
	assert.Equal(t, before, listing(t, dir))
}

// Files that are not ours stay as they are, and nothing is made beside them.
func TestForeignDatabasesAreLeftAlone(t *testing.T) {
	ours := strings.Join(slices.Concat(tables, lineTables), ";")
	for name, statements := range map[string]string{
		"songs":            "CREATE TABLE songs (name TEXT)",
		"songs with a log": "PRAGMA journal_mode=WAL; CREATE TABLE songs (name TEXT)",
		"a meta of others": "CREATE TABLE meta (key TEXT, value TEXT)",
		"a view":           metaTable + "; CREATE VIEW pictures AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS path, 0 AS size, 0 AS modified, zeroblob(32) AS embedding, '' AS error FROM n",
		"a trigger":        ours + "; CREATE TRIGGER t AFTER INSERT ON pictures BEGIN DELETE FROM pictures; END",
		"another column":   metaTable + "; " + strings.Replace(oldTables[1], "error TEXT NOT NULL", "error TEXT NOT NULL, big AS (zeroblob(1000000000))", 1),
		"one table":        metaTable,
		"one more":         ours + "; CREATE TABLE songs (name TEXT)",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "x.index")
		db, err := sql.Open("sqlite3", file)
		require.NoError(t, err)
		_, err = db.Exec(statements)
		require.NoError(t, err, name)
		require.NoError(t, db.Close())
		before := listing(t, dir)
		for _, o := range []Options{{}, forSearch} {
			_, err = OpenWith(context.Background(), file, clip, o)
			assert.EqualError(t, err, "index "+file+": it is an SQLite file of something else; give another -index", name)
			assert.Equal(t, before, listing(t, dir), name)
		}
	}
	dir := t.TempDir()
	file := put(t, dir, "x.index", "SQLite format 3\x00 and then something else")
	_, err := Open(file, clip)
	assert.ErrorContains(t, err, "reading (is it an index?): ")
	assert.Len(t, listing(t, dir), 1)
	file = put(t, dir, "x.index", "text")
	_, err = Open(file, clip)
	assert.EqualError(t, err, "index "+file+": it is not an SQLite file, as an index is; give another -index")
	assert.Equal(t, map[string]string{"x.index": "text"}, listing(t, dir))
}

// SQLite's errors repeat what a file says; they are shown escaped.
func TestErrorsOfSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.index")
	require.NoError(t, open(t, file).Close())
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	damaged := strings.Replace(string(data), "path TEXT NOT", "path [\x1bXT NOT", 1)
	require.NotEqual(t, string(data), damaged)
	put(t, filepath.Dir(file), "x.index", damaged)
	_, err = Open(file, clip)
	require.ErrorContains(t, err, "reading (is it an index?): malformed database schema")
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, err.Error(), "\x1b")
}

func put(t *testing.T, dir, name, data string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(data), 0o644))
	return path
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, os.DevNull} {
		if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
			continue
		}
		for _, o := range []Options{{}, forSearch} {
			_, err := OpenWith(context.Background(), path, clip, o)
			assert.EqualError(t, err, "index "+path+": it is no regular file")
		}
		assert.NoFileExists(t, path+"-journal")
		assert.NoFileExists(t, path+"-wal")
	}
	assert.Empty(t, listing(t, dir))
}

// What a stranger put into an index of before is refused where it is read, and where it
// would be converted.
func TestHostileRows(t *testing.T) {
	for name, c := range map[string]struct{ values, want string }{
		"text":         {"'p', 1, 1, 'text', ''", "it holds an embedding that is none of float32 values"},
		"a number":     {"'p', 1, 1, 5, ''", "none of float32 values"},
		"three bytes":  {"'p', 1, 1, x'010203', ''", "none of float32 values"},
		"empty":        {"'p', 1, 1, x'', ''", "none of float32 values"},
		"NaN":          {"'p', 1, 1, x'0000c07f', ''", "Inf or NaN"},
		"Inf":          {"'p', 1, 1, x'0000807f', ''", "Inf or NaN"},
		"two lengths":  {"'p', 1, 1, x'00000000', ''), ('q', 1, 1, x'0000000000000000', ''", "it holds embeddings of 1 and of 2 values"},
		"a large blob": {"'p', 1, 1, zeroblob(5000000), ''", "too big"},
		"a large path": {"printf('%.*c', 5000000, 'x'), 1, 1, x'00000000', ''", "too big"},
	} {
		file := filepath.Join(t.TempDir(), "x.index")
		before(t, file, 2, "INSERT INTO pictures VALUES ("+c.values+")")
		x, err := OpenWith(context.Background(), file, clip, forSearch)
		require.NoError(t, err)
		_, err = x.Vectors(nil)
		assert.ErrorContains(t, err, "index "+file+": ", name)
		assert.ErrorContains(t, err, c.want, name)
		require.NoError(t, x.Close())
		_, err = Open(file, clip)
		assert.ErrorContains(t, err, "index "+file+": ", name)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// What a stranger put into an index of today, or did to its vectors, is refused.
func TestHostileVectors(t *testing.T) {
	run := func(statements string) func(string) error {
		return func(file string) error {
			db, err := sql.Open("sqlite3", file)
			if err == nil {
				_, err = db.Exec(statements)
				_ = db.Close()
			}
			return err
		}
	}
	write := func(at int64, data string) func(string) error {
		return func(file string) error {
			f, err := os.OpenFile(file+".vectors", os.O_RDWR, 0)
			if err == nil {
				_, err = f.WriteAt([]byte(data), at)
				_ = f.Close()
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		do   func(file string) error
		want string
	}{
		"none":            {func(file string) error { return os.Remove(file + ".vectors") }, "its vectors are not there"},
		"a folder":        {func(file string) error { _ = os.Remove(file + ".vectors"); return os.Mkdir(file+".vectors", 0o755) }, "no regular file"},
		"cut":             {func(file string) error { return os.Truncate(file+".vectors", 64+20) }, "its vectors end before the last"},
		"cut head":        {func(file string) error { return os.Truncate(file+".vectors", 20) }, "no file of vectors"},
		"another magic":   {write(0, "x"), "no file of vectors"},
		"another type":    {write(16, "\x02"), "no file of vectors"},
		"no width":        {write(20, "\x00"), "no file of vectors"},
		"a large width":   {write(20, "\xff\xff\xff\xff"), "no file of vectors"},
		"another's":       {write(24, "x"), "it is of another index"},
		"NaN":             {write(64, "\xff\x7f"), "Inf or NaN"},
		"a far row":       {run("UPDATE pictures SET row = 1000000000 WHERE row = 2"), "its vectors end before the last"},
		"a row of none":   {run("DELETE FROM pictures WHERE row = 1"), "a vector of no picture"},
		"free below 0":    {run("INSERT INTO free VALUES (-5)"), "numbers of rows that can't be"},
		"all free":        {run("INSERT INTO free VALUES (0), (1), (2); UPDATE pictures SET row = -row - 1"), ""},
		"free and not so": {run("INSERT INTO free VALUES (2)"), ""},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "x.index")
		x := open(t, file)
		fill(t, x, files(t, dir, 3))
		require.NoError(t, x.Close())
		require.NoError(t, c.do(file), name)
		x, err := OpenWith(context.Background(), file, clip, forSearch)
		require.NoError(t, err, name)
		_, err = x.Vectors(nil)
		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, "index "+file+": ", name)
			assert.ErrorContains(t, err, c.want, name)
		}
		require.NoError(t, x.Close())
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.index")
	put(t, dir, "x.index.vectors", "my own")
	x := open(t, file)
	assert.ErrorContains(t, x.Add([]Entry{{Path: "p", Embedding: vector(1)}}), "is there and no file of vectors; remove it")
	assert.Equal(t, "my own", listing(t, dir)["x.index.vectors"])
}

func TestMismatchIsShownEscaped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.index")
	evil := clip
	evil.Model = "\x1b[31m" + strings.Repeat("x", 500_000)
	x, err := Open(file, evil)
	require.NoError(t, err)
	require.NoError(t, x.Close())
	_, err = Open(file, clip)
	require.Error(t, err)
	assert.Contains(t, err.Error(), `\x1b[31mxxx`)
	assert.Less(t, len(err.Error()), 500)
}

// Waiting for another process is told once, and ends with the context.
func TestWaitingForALock(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.index")
	require.NoError(t, open(t, file).Close())
	locker, err := sql.Open("sqlite3", "file:"+file+"?_txlock=immediate")
	require.NoError(t, err)
	defer locker.Close()
	tx, err := locker.Begin()
	require.NoError(t, err)

	told := 0
	within := func(f func(ctx context.Context) error) {
		t.Helper()
		told = 0
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		stopped := errors.New("stopped by SIGTERM")
		time.AfterFunc(mentioned+200*time.Millisecond, func() { cancel(stopped) })
		began := time.Now()
		err := f(ctx)
		require.ErrorIs(t, err, stopped)
		assert.Less(t, time.Since(began), mentioned+time.Second)
		assert.Equal(t, 1, told)
	}
	o := Options{Waiting: func() { told++ }}
	within(func(ctx context.Context) error { _, err := OpenWith(ctx, file, clip, o); return err })

	require.NoError(t, tx.Rollback())
	within(func(ctx context.Context) error {
		x, err := OpenWith(ctx, file, clip, o)
		require.NoError(t, err)
		defer x.Close()
		tx, err := locker.Begin()
		require.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // nothing was written
		return x.Add([]Entry{{Path: filepath.Join(dir, "a"), Embedding: []float32{1}}})
	})

	tx, err = locker.Begin() // one that ends is waited for
	require.NoError(t, err)
	time.AfterFunc(100*time.Millisecond, func() { _ = tx.Rollback() })
	told = 0
	x, err := OpenWith(context.Background(), file, clip, o)
	require.NoError(t, err)
	require.NoError(t, x.Close())
	assert.Zero(t, told, "so short a wait is not mentioned")
}

// Two that make an index at once make one.
func TestMadeTwiceAtOnce(t *testing.T) {
	for range 20 {
		file := filepath.Join(t.TempDir(), "x.index")
		done := make(chan error, 4)
		for range cap(done) {
			go func() {
				x, err := Open(file, clip)
				if err == nil {
					err = x.Close()
				}
				done <- err
			}()
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
	}
}

func TestMissingFolderOrRights(t *testing.T) {
	_, err := OpenWith(context.Background(), filepath.Join(t.TempDir(), "none", "x"), clip, forSearch)
	assert.ErrorContains(t, err, "there is no folder")
	assert.NotErrorIs(t, err, fs.ErrNotExist)
}

// FuzzIndex opens damaged files: none hangs, panics, or gives what is no
// embedding.
func FuzzIndex(f *testing.F) {
	dir := f.TempDir()
	file := filepath.Join(dir, "seed")
	x, err := Open(file, clip)
	require.NoError(f, err)
	var entries []Entry
	for i := range 40 {
		entries = append(entries, Entry{Path: filepath.Join(dir, strings.Repeat("p", i+1)), Embedding: vector(i)})
	}
	require.NoError(f, x.Add(entries))
	require.NoError(f, x.Close())
	seed, err := os.ReadFile(file)
	require.NoError(f, err)
	f.Add(seed)
	f.Add(seed[:len(seed)/2])
	f.Add(seed[:4096])
	f.Add([]byte("SQLite format 3\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := t.TempDir()
		file := filepath.Join(folder, "x.index")
		require.NoError(t, os.WriteFile(file, data, 0o644))
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for _, o := range []Options{forSearch, {}} {
			x, err := OpenWith(ctx, file, clip, o)
			if err == nil {
				var v *Vectors
				if v, err = x.Vectors(nil); err == nil {
					for _, e := range v.Data {
						require.Len(t, e, len(v.Data[0]))
						require.False(t, math.IsNaN(float64(e[0])))
					}
				}
				if !o.Search {
					stale, _ := x.Stale([]string{filepath.Join(folder, "new")})
					for i := range stale {
						stale[i].Embedding = vector(i)
					}
					_ = x.Add(stale)                       // a damaged file may not take it
					_, _ = x.Keep(folder, []string{"one"}) // nor this
				}
				_ = x.Close()
			}
			require.NoError(t, ctx.Err())
			if err != nil {
				require.NotContains(t, err.Error(), "\n")
				require.Less(t, len(err.Error()), 1000)
			}
		}
	})
}
