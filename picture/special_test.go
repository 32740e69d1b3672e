//go:build unix

package picture

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOpenSpecialFiles shows that nothing is waited for.
func TestOpenSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe.png"), filepath.Join(dir, "s.png")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	for path, want := range map[string]string{
		pipe:        "read picture " + pipe + ": is a pipe; expected a picture file",
		socket:      "read picture " + socket + ": is a socket; expected a picture file",
		"/dev/zero": "read picture /dev/zero: is a device; expected a picture file",
	} {
		done := make(chan error, 1)
		go func() {
			_, err := Open(path, DecodeOptions{})
			done <- err
		}()
		select {
		case err := <-done:
			assert.EqualError(t, err, want)
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still waiting", path)
		}
	}
}
