package venv

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Python is a Python that has packages, in an environment of that name in the user's cache. The test
// is skipped where it can't be made.
func Python(t testing.TB, name string, packages ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	folder := filepath.Join(cache, "saccade", name)
	program := filepath.Join(folder, "bin", "python")
	if _, err := os.Stat(program); err != nil {
		if out, err := exec.Command("python3", "-m", "venv", folder).CombinedOutput(); err != nil {
			t.Skipf("there is no Python with venv: %v: %s", err, out)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program, append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, packages...)...).CombinedOutput(); err != nil {
		t.Skipf("%s can't be installed: %v: %s", strings.Join(packages, ", "), err, out)
	}
	return program
}
