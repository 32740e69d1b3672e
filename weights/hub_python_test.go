package weights

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// python runs a script with Python's huggingface_hub on the same cache and
// server as a Hub, and returns what it prints. SACCADE_PYTHON names the Python.
func python(t *testing.T, h *Hub, script string) string {
	t.Helper()
	program := os.Getenv("SACCADE_PYTHON")
	if program == "" {
		t.Skip("SACCADE_PYTHON names no Python that has huggingface_hub (TestSnapshotLayout checks the layout without)")
	}
	home := t.TempDir()
	cmd := exec.Command(program, "-c", "from huggingface_hub import *\nfrom huggingface_hub import _CACHED_NO_EXIST, errors\n"+script)
	cmd.Env = append(os.Environ(), "HF_HOME="+home, "HF_HUB_CACHE="+h.Cache, "HF_ENDPOINT="+h.Endpoint,
		"HF_HUB_DISABLE_PROGRESS_BARS=1", "HF_HUB_DISABLE_TELEMETRY=1", "HF_TOKEN="+h.Token, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.TrimSpace(string(out))
}

func TestPythonReadsOurCache(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	h := f.hub(t)
	folder, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	f.took()
	out := python(t, h, `
print(hf_hub_download("org/name", "model.safetensors", local_files_only=True))
print(snapshot_download("org/name", local_files_only=True))
print(try_to_load_from_cache("org/name", "preprocessor_config.json") is _CACHED_NO_EXIST)
print(hf_hub_download("org/name", "config.json"))
info = scan_cache_dir()
print(len(info.warnings), [(r.repo_id, r.nb_files) for r in info.repos], info.size_on_disk)
`)
	size := len(f.files["config.json"]) + len(f.files["model.safetensors"])
	assert.Equal(t, strings.Split(strings.Join([]string{
		filepath.Join(folder, "model.safetensors"), folder, "True", filepath.Join(folder, "config.json"),
		"0 [('org/name', 2)] " + strconv.Itoa(size),
	}, "\n"), "\n"), strings.Split(out, "\n"))
	for _, r := range f.took() {
		assert.NotContains(t, r, "GET /org/name", "it downloads nothing again")
	}
}

func TestWeReadPythonsCache(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	h := f.hub(t)
	out := python(t, h, `
hf_hub_download("org/name", "config.json")
print(hf_hub_download("org/name", "model.safetensors"))
try:
    hf_hub_download("org/name", "preprocessor_config.json")
except errors.EntryNotFoundError as e:
    pass
`)
	f.took()
	folder, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	assert.Equal(t, filepath.Dir(out), folder)
	for _, r := range f.took() {
		assert.NotContains(t, r, "GET", "we download nothing again")
	}
	h.Offline = true
	again, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	assert.Equal(t, folder, again)
	for _, id := range []string{"org/name@" + commitA, "org/name"} {
		_, err := Resolve(context.Background(), id, h, "preprocessor_config.json")
		assert.ErrorIs(t, err, ErrNotInModel, "Python's note that there is no such file is believed")
	}
}

// Python waits for our lock and then finds the file.
func TestPythonWaitsForOurLock(t *testing.T) {
	f := newFakeHub(t, small())
	h := f.hub(t)
	r := h.repo(Model{ID: "org/name"})
	etag := gitBlob(f.files["config.json"])
	unlock, _, err := r.lock(context.Background(), etag, func() {})
	require.NoError(t, err)
	out := python(t, h, `
from filelock import FileLock, Timeout
import os
try:
    FileLock(os.environ["HF_HUB_CACHE"] + "/.locks/models--org--name/`+etag+`.lock").acquire(timeout=0.2)
    print("not locked")
except Timeout:
    print("locked")
`)
	unlock()
	assert.Equal(t, "locked", out)
}
