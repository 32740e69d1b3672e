package fit

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where a disk is full in the middle of a file, which a limit of files' sizes is like, the state
// before stays as it is, and nothing is left beside it.
func TestFullDisk(t *testing.T) {
	o, train, before := saved(t)

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	limit := was
	limit.Cur = uint64(len(before) / 2)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	o.Steps, o.Resume = 4, true
	failed := train()
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was))

	assert.ErrorIs(t, failed, syscall.EFBIG)
	assert.ErrorContains(t, failed, "the one before is still there")
	after, err := os.ReadFile(o.State)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	files, err := os.ReadDir(filepath.Dir(o.State))
	require.NoError(t, err)
	assert.Len(t, files, 1)
	assert.NoError(t, train(), "it goes on from it")
}
