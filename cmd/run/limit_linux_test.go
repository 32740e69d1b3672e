package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models/nn"
)

// limitFiles bounds the size of files that this process writes, in bytes: a
// write fails half way, as on a full disk.
func limitFiles(bytes string) {
	n, err := strconv.ParseUint(bytes, 10, 64)
	if err != nil {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		panic(err)
	}
}

// The limit leaves room for the files in memory that drivers compile into; the
// attention probabilities take more.
func TestSaveOnAFullDisk(t *testing.T) {
	const pictures = 200 // of 47 KB
	dir := checkpoint(t, "vit_classify")
	input := save(t, tensor(t, nn.PixelValues, make([]float32, pictures*3*20*28), pictures, 3, 20, 28))
	out := t.TempDir()
	path := filepath.Join(out, "x.safetensors")
	require.NoError(t, os.WriteFile(path, []byte("older"), 0o644))
	args := []string{"-model", "vit", "-weights", dir, "-input", input, "-save", path, "-attention", "-json"}
	r := finish(t, subprocess(t, []string{"SACCADE_TEST_FILE_LIMIT=8000000"}, args...))
	requireError(t, r, cli.ExitFailure, path, "file too large")
	assert.Equal(t, []string{path}, files(t, out))
	left, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "older", string(left))
}

func TestSaveIntoAReadOnlyFolder(t *testing.T) {
	input := save(t, tensor(t, nn.PixelValues, make([]float32, 3*32*32), 1, 3, 32, 32))
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(input)), filepath.Dir(input)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	require.NoError(t, os.Chmod(dir, 0o555))
	asNobody(t, func() {
		r := call(t, "-model", "vit", "-input", input, "-save", filepath.Join(dir, "x.safetensors"), "-json")
		requireError(t, r, cli.ExitFailure, "x.safetensors", "permission denied")
	})
	assert.Empty(t, files(t, dir))
}

// asNobody calls f without the rights of root over files.
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

func TestSaveToADevice(t *testing.T) {
	r := call(t, "-model", "vit", "-image", picturePath(t, t.TempDir(), "a.png", 30, 20, 1), "-save", "/dev/full", "-json")
	requireError(t, r, cli.ExitFailure, "save /dev/full", "not a file")
}

func TestFullStdout(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := subprocess(t, nil, "-list-models")
	cmd.Stdout = full
	var stderr errBuffer
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run())
	requireError(t, result{code: cmd.ProcessState.ExitCode(), stderr: string(stderr)}, cli.ExitFailure, "writing the results", "no space left on device")
}

type errBuffer []byte

func (b *errBuffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }

// A run that would take minutes ends within seconds of Ctrl-C, with one line.
func TestInterrupt(t *testing.T) {
	values := make([]float32, 20000*3*32*32)
	input := save(t, tensor(t, nn.PixelValues, values, 20000, 3, 32, 32))
	out := t.TempDir()
	path := filepath.Join(out, "x.safetensors")
	r, began := signalled(t, path, func(cmd *exec.Cmd) {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
	}, "-model", "vit", "-input", input, "-json", "-save", path)
	assert.Less(t, time.Since(began), 5*time.Second)
	requireError(t, r, cli.ExitInterrupted, "interrupted")
	assert.Empty(t, files(t, out))
}

// Stopped in the middle of its work and continued six seconds later, longer
// than the binding waits by itself, a run goes on as if nothing had been.
func TestStoppedAndContinued(t *testing.T) {
	const pictures = 300
	input := save(t, tensor(t, nn.PixelValues, make([]float32, pictures*3*32*32), pictures, 3, 32, 32))
	path := filepath.Join(t.TempDir(), "x.safetensors")
	r, _ := signalled(t, path, func(cmd *exec.Cmd) {
		require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
		time.Sleep(6 * time.Second)
		require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	}, "-model", "vit", "-input", input, "-json", "-save", path)
	requireFine(t, r)
	assert.Equal(t, []int{pictures, 10}, read(t, path)["logits"].Shape)
}

// signalled runs the command, which is to write the file path, and calls signal in
// the middle: after a second and a half, or sooner where that turns out to be too
// late, since a fast adapter is done by then. It gives the result and when signal
// had returned.
func signalled(t *testing.T, path string, signal func(cmd *exec.Cmd), args ...string) (result, time.Time) {
	t.Helper()
	for after := 1500 * time.Millisecond; after > 10*time.Millisecond; after = after * 2 / 3 {
		cmd := subprocess(t, nil, args...)
		var stdout, stderr errBuffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Start())
		time.Sleep(after)
		_, err := os.Stat(path) // the last thing that a run does
		late := err == nil
		if !late {
			signal(cmd)
		}
		began := time.Now()
		_ = cmd.Wait() // the exit code tells
		r := result{cmd.ProcessState.ExitCode(), string(stdout), string(stderr)}
		if !late {
			return r, began
		}
		requireFine(t, r)
		require.NoError(t, os.Remove(path))
	}
	require.Fail(t, "no signal came before the end")
	return result{}, time.Time{}
}
