package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

func TestEmbed(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	dir := t.TempDir()
	ship, err := os.ReadFile("../../zoo/pictures/ship.png")
	require.NoError(t, err)
	for name, data := range map[string][]byte{"a.png": ship, "b.png": []byte("no image"), "c.png": ship, "notes.txt": nil} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o666))
	}
	var out bytes.Buffer
	require.NoError(t, embed(t.Context(), dev, dir, &out))
	var lines [3]line
	for i, raw := range bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n")) {
		require.NoError(t, json.Unmarshal(raw, &lines[i]))
	}
	var length float64
	for _, v := range lines[0].Vector {
		length += float64(v) * float64(v)
	}
	assert.InDelta(t, 1, length, 1e-4)
	assert.Contains(t, lines[1].Error, "b.png")
	assert.Equal(t, lines[0].Vector, lines[2].Vector)
}
