package shard

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listed are the files of a folder.
func listed(folder string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(folder, "*", "*.png"))
	slices.Sort(found)
	return found, err
}

func put(t *testing.T, path string, data []byte) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// archive is a tar of members, name and text in turn.
func archive(t *testing.T, members ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(members); i += 2 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: members[i], Mode: 0o600, Size: int64(len(members[i+1]))}))
		_, err := w.Write([]byte(members[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// image is a picture in a row, as Hugging Face's datasets have it.
type image struct {
	Bytes []byte `parquet:"bytes,optional"`
	Path  string `parquet:"path,optional"`
}

type imageRow struct {
	Image image `parquet:"image,optional"`
	Label int64 `parquet:"label"`
	ID    int64 `parquet:"id"`
}

type rawRow struct {
	JPG []byte `parquet:"jpg"`
	Key string `parquet:"__key__"`
}

func table[T any](t *testing.T, rows []T, group int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[T](&out, parquet.PageBufferSize(64))
	for len(rows) > 0 {
		n := min(group, len(rows))
		_, err := w.Write(rows[:n])
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		rows = rows[n:]
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// contents reads all items at once, in several goroutines.
func contents(t *testing.T, s *Shard) []string {
	t.Helper()
	all := make([]string, len(s.Items))
	var readers sync.WaitGroup
	for i := range all {
		readers.Go(func() {
			data, err := s.Read(i)
			if all[i] = string(data); err != nil {
				all[i] = err.Error()
			}
		})
	}
	readers.Wait()
	return all
}

func TestKinds(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "in/b/2.small.png"), []byte("two"))
	put(t, filepath.Join(dir, "in/a/1.png"), []byte("one"))
	var images []imageRow
	var raw []rawRow
	var wanted, keys []string
	for i := range 700 {
		data := strings.Repeat(fmt.Sprint(i, " "), 20)
		images = append(images, imageRow{Image: image{Bytes: []byte(data), Path: fmt.Sprintf("p%d.jpg", i)}, ID: int64(1000 + i)})
		raw = append(raw, rawRow{[]byte(data), fmt.Sprintf("k/%d", i)})
		wanted, keys = append(wanted, data), append(keys, fmt.Sprint(1000+i))
	}
	images[5].Image.Bytes = nil
	for name, c := range map[string]struct {
		path, kind           string
		items, keys, content []string
	}{
		"folder": {filepath.Join(dir, "in"), "folder", []string{filepath.Join(dir, "in/a/1.png"), filepath.Join(dir, "in/b/2.small.png")}, []string{"a/1", "b/2"}, []string{"one", "two"}},
		"list": {put(t, filepath.Join(dir, "list.txt"), []byte("# pictures\nin/b/2.small.png\r\n\nin/gone.png\n")), "list",
			[]string{filepath.Join(dir, "in/b/2.small.png"), filepath.Join(dir, "in/gone.png")}, []string{"in/b/2", "in/gone"}, []string{"two", syscall.ENOENT.Error()}},
		"tar": {put(t, filepath.Join(dir, "x.tar"), archive(t, "a/000.jpg", "first", "a/000.json", "{}", "a/000.cls", "7", "b.mask.png", strings.Repeat("long", 500))), "tar archive",
			[]string{"a/000.jpg", "b.mask.png"}, []string{"a/000", "b"}, []string{"first", strings.Repeat("long", 500)}},
		"images":  {put(t, filepath.Join(dir, "images.parquet"), table(t, images, 300)), "Parquet file", nil, keys, slices.Concat(wanted[:5], []string{errEmpty.Error()}, wanted[6:])},
		"columns": {put(t, filepath.Join(dir, "raw"), table(t, raw, 1000)), "Parquet file", nil, nil, wanted},
	} {
		s, err := Open(c.path, listed)
		require.NoError(t, err, name)
		assert.Equal(t, c.kind, s.Kind, name)
		for i, x := range s.Items {
			if c.items != nil {
				assert.Equal(t, c.items[i], x.Path, name)
			}
			if c.keys != nil {
				assert.Equal(t, c.keys[i], x.Key, name)
			}
		}
		assert.Equal(t, c.content, contents(t, s), name)
		again, err := Open(c.path, listed)
		require.NoError(t, err)
		assert.Equal(t, s.Fingerprint(), again.Fingerprint())
		require.NoError(t, again.Close())
		require.NoError(t, s.Close())
	}
}

// What is no shard is refused by what it lacks.
func TestNoShards(t *testing.T) {
	dir := t.TempDir()
	whole := archive(t, "a.jpg", strings.Repeat("x", 5000), "b.jpg", strings.Repeat("y", 5000))
	damaged := slices.Clone(whole)
	copy(damaged[512+5120:], "garbage that is no header")
	broken := table(t, []rawRow{{[]byte("x"), "k"}}, 1)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"gone":         {nil, syscall.ENOENT.Error()},
		"empty":        {nil, "there are no pictures in it, a folder"},
		"no.tar":       {archive(t, "a.txt", "x"), "there are no pictures in it, a tar archive"},
		"cut.tar":      {whole[:512+5120+512+100], "truncated tar archive: it ends within a member, after 2 pictures"},
		"head.tar":     {whole[:100], "truncated tar archive"},
		"damaged.tar":  {damaged, "damaged tar archive: archive/tar: invalid tar header, after 1 pictures"},
		"x.tar.gz":     {[]byte("\x1f\x8b\x08 and more"), "it is compressed"},
		"text.txt":     {[]byte("# nothing\n\n"), "there are no pictures in it, a list"},
		"picture.png":  {[]byte("\x89PNG\r\n\x1a\n\x00\x00"), "neither a tar archive nor a Parquet file nor a list"},
		"cut.parquet":  {broken[:len(broken)-20], "damaged Parquet file"},
		"none.parquet": {table(t, []struct{ A, B int64 }{{1, 2}}, 1), "there is no column of pictures in it, such as image (a struct with bytes) or jpg; it has A, B"},
	} {
		path := filepath.Join(dir, name)
		if c.data != nil {
			put(t, path, c.data)
		}
		_, err := Open(path, listed)
		require.ErrorContains(t, err, c.want, name)
		assert.ErrorContains(t, err, "shard "+path, name)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// A file says what it was made of and has its rows in order; nothing is left beside it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.parquet")
	none, err := Made(path)
	require.NoError(t, err)
	assert.Nil(t, none)
	for _, content := range []Content{Vectors, Classes, Texts} {
		for _, half := range []bool{false, true} {
			m := Maker{Content: content, Model: "clip", Fingerprint: "12", Shard: "34"}
			w, err := Write(path, m, 3, half)
			require.NoError(t, err)
			for i := range 5 {
				r := Row{Item: Item{Path: fmt.Sprintf("p%d.png", i), Key: fmt.Sprintf("p%d", i)}}
				switch {
				case i == 2:
					r.Err = "it is damaged"
				case content == Vectors:
					r.Vector = []float32{float32(i), 0.5, -1}
				case content == Classes:
					r.Classes = make([]Class, i) // also none
				default:
					r.Text = "a cat"
				}
				require.NoError(t, w.Add(r))
			}
			_, err = w.Close()
			require.NoError(t, err)
			m.Rows, m.Errors = 5, 1
			made, err := Made(path)
			require.NoError(t, err)
			assert.Equal(t, &m, made)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Len(t, entries, 1)
			checkRows(t, path, content, half)
		}
	}
	w, err := Write(path+"2", Maker{Content: Texts}, 0, false)
	require.NoError(t, err)
	w.Drop()
	assert.NoFileExists(t, path+"2")
	_, err = Made(put(t, filepath.Join(dir, "x"), []byte("text")))
	assert.ErrorContains(t, err, "is there and no output of this program")
	_, err = Made(put(t, filepath.Join(dir, "y"), table(t, []rawRow{{[]byte("x"), "k"}}, 1)))
	assert.ErrorContains(t, err, "is there and no output of this program")
}

func checkRows(t *testing.T, path string, content Content, half bool) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	file, err := parquet.OpenFile(f, info.Size())
	require.NoError(t, err)
	var columns []string
	for _, c := range file.Root().Columns() {
		columns = append(columns, c.Name())
	}
	assert.Equal(t, []string{"path", "key", "model", map[Content]string{Vectors: "vector", Classes: "top", Texts: "text"}[content], "error"}, columns)
	rows := file.RowGroups()[0].Rows()
	defer rows.Close()
	all := make([]parquet.Row, 5)
	n, _ := rows.ReadRows(all) // io.EOF with the last
	require.Equal(t, 5, n)
	for i, row := range all {
		assert.Equal(t, fmt.Sprintf("p%d.png", i), row[0].String())
		assert.Equal(t, "12", row[2].String())
		last := row[len(row)-1]
		assert.Equal(t, i != 2, last.IsNull())
		switch {
		case content == Vectors && i == 2:
			assert.True(t, row[3].IsNull())
		case content == Vectors && half:
			assert.Equal(t, []byte{0, 0x38}, row[4].ByteArray())
		case content == Vectors:
			assert.InDelta(t, float32(i), row[3].Float(), 0)
		}
	}
}
