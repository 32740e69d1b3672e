package index

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// before makes an index of an old format, with what statements add.
func before(t *testing.T, file string, format int, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", file)
	require.NoError(t, err)
	defer db.Close()
	all := slices.Clone(oldTables)
	if format == 2 {
		all = append(all, lineTables...)
	}
	for key, value := range map[string]string{
		"format": fmt.Sprintf("saccade embeddings %d", format), "model": clip.Model, "weights": clip.Source, "fingerprint": clip.Fingerprint, "precision": clip.Precision, "preprocessing": clip.Preprocessing,
	} {
		all = append(all, fmt.Sprintf("INSERT INTO meta VALUES (%s, %s)", quote(key), quote(value)))
	}
	for _, s := range append(all, statements...) {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

// An index of a format before is searched as it is, and converted when it is written to:
// nothing is computed again.
func TestFormatsBefore(t *testing.T) {
	for format := 1; format <= 2; format++ {
		dir := t.TempDir()
		file := filepath.Join(dir, "x.index")
		paths := files(t, dir, 4)
		var rows []string
		for i, p := range paths {
			info, err := os.Stat(p)
			require.NoError(t, err)
			embedding, why := fmt.Sprintf("x'%x'", encode(vector(i))), ""
			if i == 2 {
				embedding, why = "x''", "it is damaged"
			}
			rows = append(rows, fmt.Sprintf("INSERT INTO pictures VALUES (%s, %d, %d, %s, %s)", quote(filepath.Base(p)), info.Size(), info.ModTime().UnixNano(), embedding, quote(why)))
		}
		before(t, file, format, rows...)
		bytes := listing(t, dir)["x.index"]

		x, err := OpenWith(context.Background(), file, clip, forSearch)
		require.NoError(t, err)
		want, err := x.Vectors(nil)
		require.NoError(t, err)
		assert.Equal(t, []string{paths[0], paths[1], paths[3]}, want.Paths)
		assert.Equal(t, kept(vector(3)), want.Data[2])
		one, err := x.Vectors(paths[1:2])
		require.NoError(t, err)
		assert.Equal(t, want.Data[1:2], one.Data)
		require.NoError(t, x.Close())
		assert.Equal(t, bytes, listing(t, dir)["x.index"])
		assert.NoFileExists(t, file+".vectors")

		x = open(t, file)
		got, err := x.Vectors(nil)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		stale, err := x.Stale(paths)
		require.NoError(t, err)
		assert.Empty(t, stale)
		n, err := x.Documents()
		require.NoError(t, err)
		assert.Zero(t, n)
		require.NoError(t, x.Close())
		info, err := os.Stat(file + ".vectors")
		require.NoError(t, err)
		assert.EqualValues(t, vectorsHead+3*16, info.Size())
		x = open(t, file)
		fill(t, x, append(paths, files(t, filepath.Join(dir, "more"), 2)...))
		got, err = x.Vectors(nil)
		require.NoError(t, err)
		assert.Len(t, got.Paths, 5)
		require.NoError(t, x.Close())
	}
}

// Rows of pictures that changed or are gone are taken again: the file does not grow by them,
// and a search sees none of them.
func TestRowsAreTakenAgain(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "pictures")
	paths := files(t, folder, 40)
	x := open(t, filepath.Join(dir, "x.index"))
	fill(t, x, paths)
	for round := range 5 {
		for i := round; i < len(paths); i += 5 {
			require.NoError(t, os.WriteFile(paths[i], make([]byte, 3+round), 0o600))
		}
		stale, err := x.Stale(paths)
		require.NoError(t, err)
		require.Len(t, stale, 8)
		for k := range stale {
			stale[k].Embedding = vector(1000*round + k)
		}
		require.NoError(t, x.Add(stale))
		v, err := x.Vectors(nil)
		require.NoError(t, err)
		require.Equal(t, paths, v.Paths)
		for k := range stale {
			i := slices.Index(paths, stale[k].Path)
			require.Equal(t, kept(vector(1000*round+k)), v.Data[i])
		}
	}
	removed, err := x.Keep(folder, paths[10:])
	require.NoError(t, err)
	assert.Equal(t, 10, removed)
	v, err := x.Vectors(nil)
	require.NoError(t, err)
	assert.Equal(t, paths[10:], v.Paths)
	n, err := x.Count(paths[:12])
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	info, err := os.Stat(filepath.Join(dir, "x.index.vectors"))
	require.NoError(t, err)
	assert.LessOrEqual(t, info.Size(), int64(vectorsHead+48*16))
}

// A search whose rows are taken by another picture meanwhile begins again.
func TestSearchBeginsAgain(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "pictures")
	paths := files(t, folder, 6)
	file := filepath.Join(dir, "x.index")
	writer, x := open(t, file), open(t, file)
	fill(t, writer, paths)
	times := 0
	found, err := x.Search(nil, func(s *Stored) ([]Found, error) {
		if times++; times == 1 {
			_, err := writer.Keep(folder, paths[1:])
			require.NoError(t, err)
			fill(t, writer, append(paths[1:], files(t, filepath.Join(dir, "more"), 1)...))
		}
		return []Found{{Row: 0, Cosine: 0.25}}, nil
	})
	require.NoError(t, err)
	assert.Equal(t, 2, times)
	assert.Equal(t, []Match{{filepath.Join(dir, "more", "000.png"), 0.25}}, found)
}
