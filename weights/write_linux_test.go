package weights

import (
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The limit on a file's size fails a write half way, as a full disk does, and
// needs no rights. No test of this package runs beside another.
func TestWriteOnAFullDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	tensors := []*Tensor{filled(t, "a", 1, 1<<20)}

	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max}))
	err := Write(path, tensors, nil)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))

	assert.EqualError(t, err, "save "+path+": file too large")
	assertEmpty(t, dir)
	assert.NoError(t, Write(path, tensors, nil))
}

func TestWriteIntoAReadOnlyFolder(t *testing.T) {
	dir := openTempDir(t)
	require.NoError(t, os.Chmod(dir, 0o555))
	path := filepath.Join(dir, "x.safetensors")
	tensors := []*Tensor{filled(t, "a", 1, 2)}
	asNobody(t, func() {
		assert.EqualError(t, Write(path, tensors, nil), "save "+path+": permission denied")
	})
	assertEmpty(t, dir)
}

func TestOpenWithoutPermission(t *testing.T) {
	path := put(t, openTempDir(t), "model.safetensors", raw(oneTensor, 8))
	require.NoError(t, os.Chmod(path, 0))
	asNobody(t, func() {
		_, err := Open(path)
		assert.EqualError(t, err, "open checkpoint "+path+": permission denied")
	})
}

// openTempDir is a temporary folder that other users can enter.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

// asNobody calls f without the rights of root over files: the thread's file
// system user is another, if the process may choose.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	defer syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	f()
}
