package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// serveHub serves a folder as the hub's org/name and counts the files that are
// fetched. The server may be closed before the test's end.
func serveHub(t *testing.T, dir string) (server *httptest.Server, fetched func() []string) {
	t.Helper()
	var gets []string
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := strings.CutPrefix(r.URL.Path, "/org/name/resolve/main/")
		if before, after, found := strings.Cut(r.URL.Path, "/resolve/"+strings.Repeat("a", 40)+"/"); found && before == "/org/name" {
			file, ok = after, true
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if !ok || err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		if r.Method == http.MethodGet {
			gets = append(gets, file)
		}
		sum := sha256.Sum256(data)
		w.Header().Set("X-Repo-Commit", strings.Repeat("a", 40))
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	t.Setenv("HF_TOKEN", "")
	t.Setenv("HF_HUB_OFFLINE", "0")
	return server, func() []string { return gets }
}

// A hub id is fetched once into the cache, and found there without a network.
func TestHub(t *testing.T) {
	server, gets := serveHub(t, checkpoint(t, "vit_classify"))
	pic := picturePath(t, t.TempDir(), "a.png", 30, 20, 1)

	fetch := func(id string) result { return call(t, "-model", "vit", "-weights", id, "-image", pic, "-json") }
	r := fetch("org/name")
	requireFine(t, r)
	assert.Empty(t, r.stderr)
	var doc classification
	requireJSON(t, r, &doc)
	assert.Equal(t, "org/name", doc.Weights)
	assert.NotEmpty(t, doc.Images[0].Top[0].Label)
	fetched := gets()
	assert.NotEmpty(t, fetched)

	requireFine(t, fetch("org/name@main"))
	assert.Equal(t, fetched, gets())
	requireError(t, fetch("org/other"), cli.ExitFailure, "org/other")
	t.Setenv("HF_HUB_OFFLINE", "1")
	server.Close()
	requireFine(t, fetch("org/name"))
	requireError(t, fetch("org/third"), cli.ExitFailure, "org/third")
}

// Of a pipeline on the hub a part alone is fetched; a repository may be of a part.
func TestHubParts(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.safetensors")
	alone := checkpoint(t, "vae_kl")
	require.NoError(t, os.Rename(filepath.Join(alone, "model.safetensors"), filepath.Join(alone, "diffusion_pytorch_model.safetensors")))
	in, _ := partInput(t, "vae_kl", "pixel_values")
	for _, c := range []struct {
		dir     string
		fetched []string
	}{
		{pipelineFolder(t, "sd1_tiny"), []string{"model_index.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors"}},
		{alone, []string{"config.json", "diffusion_pytorch_model.safetensors"}},
	} {
		server, gets := serveHub(t, c.dir)
		args := []string{"-model", "vae", "-weights", "org/name", "-input", in, "-save", out}
		requireFine(t, call(t, args...))
		assert.Equal(t, c.fetched, gets())
		t.Setenv("HF_HUB_OFFLINE", "1")
		server.Close()
		requireFine(t, call(t, args...))
		assert.Equal(t, c.fetched, gets())
		requireError(t, call(t, append(args, "-weights", "org/other")...), cli.ExitFailure, "org/other")
	}
}
