package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

func TestDocuments(t *testing.T) {
	const want = `{"model":"vit","adapter":{"name":"a"},"images":[{"top":[{"label":"cat","score":0.5},{"label":"dog","score":0.25}]}],"ms":{"load":1}}`
	for _, c := range []struct {
		name, got string
		apart     float64
		err       string
	}{
		{"the same", want, 0, ""},
		{"another adapter and other times", `{"model":"vit","adapter":{"name":"b"},"images":[{"top":[{"label":"cat","score":0.5},{"label":"dog","score":0.25}]}],"ms":{"load":2}}`, 0, ""},
		{"other numbers", `{"model":"vit","images":[{"top":[{"label":"cat","score":0.53125},{"label":"dog","score":0.125}]}]}`, 0.125, ""},
		{"another label", `{"model":"vit","images":[{"top":[{"label":"cat","score":0.5},{"label":"fox","score":0.25}]}]}`, 0, ".images[0].top[1].label is dog here and fox there"},
		{"one class less", `{"model":"vit","images":[{"top":[{"label":"cat","score":0.5}]}]}`, 0, ".images[0].top is"},
		{"a key more", `{"model":"vit","images":[],"errors":[]}`, 0, " is map"},
		{"no number", `{"model":1,"images":[]}`, 0, "is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			apart, err := files(file(t, "a.json", want), file(t, "b.json", c.got))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.apart, apart)
		})
	}
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

func TestPictures(t *testing.T) {
	a, b := picture.New(2, 1), picture.New(2, 1)
	b.Pix[5] = 153 // 0.6 in one of six
	apart, err := pictures(a, b)
	require.NoError(t, err)
	assert.InDelta(t, 0.1, apart, 1e-12)
	_, err = pictures(a, picture.New(1, 2))
	require.ErrorContains(t, err, "2×1")
}
