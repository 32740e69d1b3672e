package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// predict asks as immich's server does, and gives the vector.
func (s *started) predict(t *testing.T, model, kind, field string, value []byte) (vector []float64) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("entries", `{"clip":{"`+kind+`":{"modelName":"`+model+`","options":{}}}}`))
	create := func() (io.Writer, error) { return w.CreateFormFile(field, "blob") }
	if field == "text" {
		create = func() (io.Writer, error) { return w.CreateFormField(field) }
	}
	part, err := create()
	require.NoError(t, err)
	_, err = part.Write(value)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	r, err := http.Post(s.url+"/predict", w.FormDataContentType(), &b)
	require.NoError(t, err)
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode, "%s", answer)
	var document struct{ Clip string }
	require.NoError(t, json.Unmarshal(answer, &document))
	require.NoError(t, json.Unmarshal([]byte(document.Clip), &vector))
	return vector
}

// What immich gets is what open_clip makes of the same weights: a ViT-B-32 and a multilingual
// SigLIP with random ones. SACCADE_TEST_OPEN_CLIP names a Python that has open_clip,
// transformers, sentencepiece and torch.
func TestOpenCLIP(t *testing.T) {
	python := os.Getenv("SACCADE_TEST_OPEN_CLIP")
	if python == "" {
		t.Skip("SACCADE_TEST_OPEN_CLIP names no Python with open_clip, transformers, sentencepiece and torch")
	}
	texts := []string{"a photo of a cat on a chair", "Sonnenuntergang am Meer, 2019!", "東京"}
	list, err := json.Marshal(texts)
	require.NoError(t, err)
	images := []string{"cat.jpg", "astronaut.jpg", "horse.png"}
	for i := range images {
		images[i] = filepath.Join("../../zoo/pictures", images[i])
	}
	near := func(t *testing.T, what string, got, want []float64) {
		var dot, a, b float64
		for i := range want {
			dot, a, b = dot+got[i]*want[i], a+got[i]*got[i], b+want[i]*want[i]
		}
		cosine := dot / math.Sqrt(a*b)
		t.Logf("%s: cosine %.7f", what, cosine)
		assert.Greater(t, cosine, 0.9999, what)
	}
	for _, c := range []struct{ script, family, name string }{
		{"open_clip_checkpoint.py", "clip", "ViT-B-32__openai"}, {"open_clip_siglip.py", "siglip", "ViT-B-16-SigLIP-i18n-256__webli"},
	} {
		t.Run(c.family, func(t *testing.T) {
			folder := t.TempDir()
			args := append([]string{filepath.Join("clients", c.script), folder, string(list)}, images...)
			out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			var want struct{ Texts, Images [][]float64 }
			data, err := os.ReadFile(filepath.Join(folder, "vectors.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &want))
			s := start(t, "-models", c.family+"="+folder, "-alias", c.name+"="+c.family)
			for i, text := range texts {
				near(t, text, s.predict(t, c.name, "textual", "text", []byte(text)), want.Texts[i])
			}
			for i, path := range images {
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				near(t, path, s.predict(t, c.name, "visual", "image", data), want.Images[i])
			}
		})
	}
}
