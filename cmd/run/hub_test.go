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

	"saccade/cmd/internal/cli"
)

// A hub id is fetched once into the cache, and found there without a network.
func TestHub(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	pic := picturePath(t, t.TempDir(), "a.png", 30, 20, 1)
	gets := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := strings.CutPrefix(r.URL.Path, "/org/name/resolve/main/")
		if before, after, found := strings.Cut(r.URL.Path, "/resolve/"+strings.Repeat("a", 40)+"/"); found && before == "/org/name" {
			file, ok = after, true
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.Base(file)))
		if !ok || err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		if r.Method == http.MethodGet {
			gets++
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

	fetch := func(id string) result { return call(t, "-model", "vit", "-weights", id, "-image", pic, "-json") }
	r := fetch("org/name")
	requireFine(t, r)
	assert.Empty(t, r.stderr)
	var doc classification
	requireJSON(t, r, &doc)
	assert.Equal(t, "org/name", doc.Weights)
	assert.NotEmpty(t, doc.Images[0].Top[0].Label)
	fetched := gets
	assert.Positive(t, fetched)

	requireFine(t, fetch("org/name@main"))
	assert.Equal(t, fetched, gets)
	requireError(t, fetch("org/other"), cli.ExitFailure, "org/other")
	t.Setenv("HF_HUB_OFFLINE", "1")
	server.Close()
	requireFine(t, fetch("org/name"))
	requireError(t, fetch("org/third"), cli.ExitFailure, "org/third")
}
