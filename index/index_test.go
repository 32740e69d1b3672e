package index

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var clip = Identity{Model: "clip", Source: "zoo/clip", Fingerprint: "1234", Precision: "f16", Preprocessing: "64x64"}

// files makes files of so many names in a folder.
func files(t *testing.T, folder string, n int) []string {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var paths []string
	for i := range n {
		path := filepath.Join(folder, fmt.Sprintf("%03d.png", i))
		require.NoError(t, os.WriteFile(path, []byte{byte(i)}, 0o644))
		paths = append(paths, path)
	}
	return paths
}

func vector(i int) []float32 {
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	v, sum := make([]float32, 8), 0.0
	for k := range v {
		v[k] = float32(rng.NormFloat64())
		sum += float64(v[k] * v[k])
	}
	for k := range v {
		v[k] /= float32(math.Sqrt(sum))
	}
	return v
}

// kept is what an index keeps of a vector: halves.
func kept(v []float32) []float32 { return floats(halves(v), len(v)) }

func open(t *testing.T, path string) *Index {
	t.Helper()
	x, err := Open(path, clip)
	require.NoError(t, err)
	t.Cleanup(func() { x.Close() })
	return x
}

// fill adds all that is stale, entry i with vector(i).
func fill(t *testing.T, x *Index, paths []string) (added int) {
	t.Helper()
	stale, err := x.Stale(paths)
	require.NoError(t, err)
	for i := range stale {
		stale[i].Embedding = vector(i)
	}
	require.NoError(t, x.Add(stale))
	return len(stale)
}

func TestOnlyChangedFiles(t *testing.T) {
	dir := t.TempDir()
	paths := files(t, filepath.Join(dir, "pictures"), 5)
	file := filepath.Join(dir, "a.index")
	x := open(t, file)
	assert.Equal(t, 5, fill(t, x, paths))
	assert.Equal(t, 0, fill(t, x, paths))
	require.NoError(t, os.WriteFile(paths[2], []byte("longer"), 0o644))
	require.NoError(t, os.Chtimes(paths[3], time.Time{}, time.Unix(1, 0)))
	paths = append(paths, files(t, filepath.Join(dir, "more"), 1)...)
	stale, err := x.Stale(paths)
	require.NoError(t, err)
	require.Len(t, stale, 3)
	assert.Equal(t, []string{paths[2], paths[3], paths[5]}, []string{stale[0].Path, stale[1].Path, stale[2].Path})
	require.NoError(t, x.Close())
	assert.Equal(t, 3, fill(t, open(t, file), paths))
}

func TestBadPicturesAreRemembered(t *testing.T) {
	dir := t.TempDir()
	paths := files(t, dir, 2)
	x := open(t, filepath.Join(dir, "a.index"))
	stale, err := x.Stale(paths)
	require.NoError(t, err)
	stale[0].Embedding, stale[1].Err = vector(0), "not a picture"
	require.NoError(t, x.Add(stale))
	assert.Equal(t, 0, fill(t, x, paths))
	v, err := x.Vectors(nil)
	require.NoError(t, err)
	assert.Equal(t, paths[:1], v.Paths)
}

func TestVanishedPictures(t *testing.T) {
	dir := t.TempDir()
	a, b := files(t, filepath.Join(dir, "a"), 3), files(t, filepath.Join(dir, "ab"), 2)
	x := open(t, filepath.Join(dir, "x.index"))
	fill(t, x, append(a, b...))
	removed, err := x.Keep(filepath.Join(dir, "a"), a[:2])
	require.NoError(t, err)
	assert.Equal(t, 1, removed)
	v, err := x.Vectors(nil)
	require.NoError(t, err)
	assert.Len(t, v.Paths, 4)
}

// A folder can be moved with its index; paths are shown as they can be opened.
func TestMoved(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	paths := files(t, old, 3)
	x, err := Open(filepath.Join(old, "x.index"), clip)
	require.NoError(t, err)
	fill(t, x, paths)
	require.NoError(t, x.Close())
	moved := filepath.Join(dir, "new name?#%")
	require.NoError(t, os.Rename(old, moved))
	x = open(t, filepath.Join(moved, "x.index"))
	v, err := x.Vectors(nil)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(moved, "000.png"), v.Paths[0])
	assert.FileExists(t, v.Paths[0])
	one, err := x.Vectors([]string{filepath.Join(moved, "001.png")})
	require.NoError(t, err)
	assert.Equal(t, [][]float32{kept(vector(1))}, one.Data)
}

func TestTop(t *testing.T) {
	v := &Vectors{}
	for i := range 1000 {
		v.Paths, v.Data = append(v.Paths, fmt.Sprint(i)), append(v.Data, vector(i))
	}
	top := v.Top(vector(77), 3)
	require.Len(t, top, 3)
	assert.Equal(t, "77", top[0].Path)
	assert.InDelta(t, 1, top[0].Cosine, 1e-6)
	assert.GreaterOrEqual(t, top[1].Cosine, top[2].Cosine)
	assert.Len(t, v.Top(vector(1), 0), 1000)
	assert.Empty(t, (&Vectors{}).Top(vector(1), 5))
}

func TestAnotherModel(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.index")
	require.NoError(t, open(t, file).Close())
	for name, change := range map[string]func(*Identity){
		"model siglip":                  func(id *Identity) { id.Model = "siglip" },
		"precision f32":                 func(id *Identity) { id.Precision = "f32" },
		"zoo/clip as they were then":    func(id *Identity) { id.Fingerprint = "5" },
		"weights zoo/clip, not another": func(id *Identity) { id.Fingerprint, id.Source = "5", "another" },
	} {
		id := clip
		change(&id)
		_, err := Open(file, id)
		var mismatch *MismatchError
		require.ErrorAs(t, err, &mismatch, name)
		assert.Contains(t, err.Error(), file)
	}
	id := clip
	id.Source = "a copy of it"
	x, err := Open(file, id)
	require.NoError(t, err)
	require.NoError(t, x.Close())
}

func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("this is no database at all, only text"), 0o644))
	_, err := Open(text, clip)
	assert.ErrorContains(t, err, text)
	data, err := os.ReadFile(text)
	require.NoError(t, err)
	assert.Equal(t, "this is no database at all, only text", string(data))

	other := filepath.Join(dir, "other")
	db, err := sql.Open("sqlite3", other)
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE songs (name TEXT)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = Open(other, clip)
	assert.ErrorContains(t, err, "something else")
	_, err = Open(filepath.Join(dir, "none", "x"), clip)
	assert.ErrorContains(t, err, "there is no folder")

	damaged := filepath.Join(dir, "damaged")
	x, err := Open(damaged, clip)
	require.NoError(t, err)
	fill(t, x, files(t, dir, 200))
	require.NoError(t, x.Close())
	require.NoError(t, os.Truncate(damaged, 9000))
	if x, err = Open(damaged, clip); err == nil {
		_, err = x.Vectors(nil)
		x.Close()
	}
	assert.ErrorContains(t, err, damaged)
}

// Two processes write at once: each waits for the other.
func TestTwoAtOnce(t *testing.T) {
	dir := t.TempDir()
	paths := files(t, dir, 100)
	file := filepath.Join(dir, "x.index")
	a, b := open(t, file), open(t, file)
	done := make(chan error, 2)
	for _, x := range []*Index{a, b} {
		go func() {
			for i := range paths {
				stale, err := x.Stale(paths[i : i+1])
				for k := range stale {
					stale[k].Embedding = vector(i)
				}
				if err == nil {
					err = x.Add(stale)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	v, err := a.Vectors(nil)
	require.NoError(t, err)
	require.Len(t, v.Data, 100)
	for i, e := range v.Data {
		assert.Equal(t, kept(vector(i)), e)
	}
}

// What doc.go says to Python is true.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.index")
	x := open(t, file)
	fill(t, x, files(t, dir, 3))
	require.NoError(t, x.Close())
	script := `import sqlite3, struct, sys
rows = sqlite3.connect(sys.argv[1]).execute("SELECT row, path FROM pictures WHERE row >= 0").fetchall()
data = open(sys.argv[1] + ".vectors", "rb").read()
width = struct.unpack_from("<I", data, 20)[0]
stride = (width + 7) // 8 * 8
row, path = rows[1]
print(path, *struct.unpack_from("<%de" % width, data, 64 + 2 * stride * row))`
	out, err := exec.Command(python, "-c", script, file).CombinedOutput()
	require.NoError(t, err, string(out))
	var name string
	got := make([]float64, 8)
	args := []any{&name}
	for i := range got {
		args = append(args, &got[i])
	}
	_, err = fmt.Sscan(string(out), args...)
	require.NoError(t, err)
	assert.Equal(t, "001.png", name)
	for i, v := range kept(vector(1)) {
		assert.Equal(t, v, float32(got[i]))
	}
}

// A process that dies in the middle leaves whole transactions.
func TestKilled(t *testing.T) {
	if file := os.Getenv("INDEX_TO_KILL"); file != "" {
		writeForEver(file)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.index")
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=TestKilled")
		cmd.Env = append(os.Environ(), "INDEX_TO_KILL="+file)
		require.NoError(t, cmd.Start())
		time.Sleep(150 * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		x := open(t, file)
		v, err := x.Vectors(nil)
		require.NoError(t, err)
		require.Zero(t, len(v.Data)%10, "a part of a transaction")
		for _, e := range v.Data {
			require.Equal(t, []float32{1, 0.5}, e)
		}
		require.NoError(t, x.Close())
	}
}

// writeForEver adds ten entries at a time until the process is killed.
func writeForEver(file string) {
	x, err := Open(file, clip)
	if err != nil {
		panic(err)
	}
	for n := 0; ; n += 10 {
		var entries []Entry
		for i := range 10 {
			entries = append(entries, Entry{Path: filepath.Join(filepath.Dir(file), fmt.Sprintf("%d-%d.png", os.Getpid(), n+i)), Embedding: []float32{1, 0.5}})
		}
		if err := x.Add(entries); err != nil {
			panic(err)
		}
	}
}

func BenchmarkTop(b *testing.B) {
	v := &Vectors{}
	for i := range 100_000 {
		e := make([]float32, 512)
		for k := range e {
			e[k] = float32((i*31+k*17)%101) / 1000
		}
		v.Paths, v.Data = append(v.Paths, ""), append(v.Data, e)
	}
	for b.Loop() {
		v.Top(v.Data[5], 10)
	}
}
