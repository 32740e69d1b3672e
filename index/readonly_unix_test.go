//go:build unix

package index

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pipe in place of an index is refused, not waited for.
func TestPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.index")
	require.NoError(t, syscall.Mkfifo(file, 0o644))
	for _, o := range []Options{{}, forSearch} {
		_, err := OpenWith(context.Background(), file, clip, o)
		assert.EqualError(t, err, "index "+file+": it is no regular file")
	}
}

// An index that cannot be written is searched, by a user without the right to.
func TestReadOnly(t *testing.T) {
	if file := os.Getenv("INDEX_TO_READ"); file != "" {
		searchReadOnly(t, file)
		return
	}
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755)) // the test's own, which others may not enter
	file := filepath.Join(folder, "x.index")
	x := open(t, file)
	fill(t, x, files(t, t.TempDir(), 3))
	require.NoError(t, x.Close())
	before := listing(t, folder)
	for _, mode := range []struct{ file, folder os.FileMode }{{0o444, 0o555}, {0o444, 0o777}, {0o666, 0o555}} {
		require.NoError(t, os.Chmod(file, mode.file))
		require.NoError(t, os.Chmod(folder, mode.folder))
		asNobody(t, file)
		require.NoError(t, os.Chmod(folder, 0o755))
		assert.Equal(t, before, listing(t, folder))
	}

	// What lies in a log of a writer that died is not left out silently.
	require.NoError(t, os.WriteFile(file+"-wal", []byte("x"), 0o444))
	require.NoError(t, os.Chmod(folder, 0o555))
	t.Cleanup(func() { _ = os.Chmod(folder, 0o755) })
	t.Setenv("INDEX_WANTS", "it cannot be written, and what was last added lies in x.index-wal; copy both to where they can be")
	asNobody(t, file)
}

// searchReadOnly is what the test's other process does.
func searchReadOnly(t *testing.T, file string) {
	x, err := OpenWith(context.Background(), file, clip, forSearch)
	if want := os.Getenv("INDEX_WANTS"); want != "" {
		assert.ErrorContains(t, err, want)
		return
	}
	require.NoError(t, err)
	v, err := x.Vectors(nil)
	require.NoError(t, err)
	assert.Len(t, v.Data, 3)
	require.NoError(t, x.Close())
	_, err = Open(file, clip)
	assert.EqualError(t, err, "index "+file+": it cannot be written, it or its folder; without pictures to add it can be searched")
}

// asNobody runs the test in a process that root's rights do not help.
func asNobody(t *testing.T, file string) {
	t.Helper()
	t.Setenv("INDEX_TO_READ", file)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run=^TestReadOnly$")
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.Path = copied(t, self)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		cmd.Dir = filepath.Dir(cmd.Path)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// copied is the test's program where everybody may run it.
func copied(t *testing.T, program string) string {
	t.Helper()
	from, err := os.Open(program)
	require.NoError(t, err)
	defer from.Close()
	path := filepath.Join(t.TempDir(), "program")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return path
}
