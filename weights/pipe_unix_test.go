//go:build unix

package weights

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pipe in place of a file is refused, not waited for.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"model.safetensors", "model.safetensors.index.json", "config.json"} {
		path := filepath.Join(dir, name)
		require.NoError(t, syscall.Mkfifo(path, 0o666))
		_, err := ReadFile(os.DirFS(dir), name, 1000)
		assert.ErrorContains(t, err, "not a regular file")
		_, err = Open(path)
		assert.ErrorContains(t, err, "not a regular file")
	}
	_, err := Open(dir)
	assert.EqualError(t, err, "open checkpoint "+filepath.Join(dir, "model.safetensors")+": not a regular file")
}
