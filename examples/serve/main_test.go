package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/zoo"
)

// Many clients at once get each their own image's answer; what is no image is refused.
func TestUploadsUnderLoad(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	model, err := models.Load(t.Context(), dev, "vit", "", models.Options{Embedded: zoo.ViT()})
	require.NoError(t, err)
	defer model.Close()
	server := httptest.NewServer(newHandler(t.Context(), model))
	defer server.Close()

	var wg sync.WaitGroup
	for range 8 {
		for _, name := range []string{"ship", "frog", "airplane", "truck"} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				data, err := os.ReadFile("../../zoo/pictures/" + name + ".png")
				if !assert.NoError(t, err) {
					return
				}
				r, err := http.Post(server.URL, "image/png", bytes.NewReader(data))
				if !assert.NoError(t, err) {
					return
				}
				defer r.Body.Close()
				var classes []models.Prediction
				if assert.NoError(t, json.NewDecoder(r.Body).Decode(&classes)) {
					assert.Len(t, classes, 3)
					assert.Equal(t, name, classes[0].Label)
				}
			}()
		}
	}
	wg.Wait()

	r, err := http.Post(server.URL, "image/png", strings.NewReader("no image"))
	require.NoError(t, err)
	defer r.Body.Close()
	assert.Equal(t, http.StatusBadRequest, r.StatusCode)
}
