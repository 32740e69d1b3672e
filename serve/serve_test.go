package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/picture"
	"saccade/serve/queue"
	"saccade/zoo"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// site is a server that listens on the loopback address.
type site struct {
	*testing.T
	s   *Server
	url string
	key string
}

// open serves embedded models; change changes the options.
func open(t *testing.T, ids []string, change func(o *Options)) *site {
	t.Helper()
	x := unopened(t, ids, change)
	require.NoError(t, x.s.Open(t.Context()))
	return x
}

// unopened is open without the models' loading.
func unopened(t *testing.T, ids []string, change func(o *Options)) *site {
	t.Helper()
	d := gputest.Open(t, gpu.Options{})
	o := Options{Device: d, Limits: DefaultLimits(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "0.0.0",
		Load: func(ctx context.Context, e queue.Entry) (*models.Model, error) {
			return models.Load(ctx, d, e.Family, e.Weights, models.Options{Embedded: zoo.All(), Answers: e.ID == "blip_vqa"})
		}}
	for _, id := range ids {
		o.Models = append(o.Models, queue.Entry{ID: id, Family: strings.TrimSuffix(id, "_vqa")})
	}
	if change != nil {
		change(&o)
	}
	s := New(o)
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); s.Close() })
	return &site{t, s, h.URL, o.Key}
}

// addChat serves the golden's model that is talked to.
func addChat(o *Options) {
	o.Models = append(o.Models, queue.Entry{ID: "smolvlm", Family: "smolvlm", Weights: "../golden/chat"})
}

// ask sends a document, or with nil asks for one, and gives the status and the answer.
func (x *site) ask(path string, document any) (status int, answer []byte) {
	x.Helper()
	method, body := http.MethodGet, []byte(nil)
	if document != nil {
		method = http.MethodPost
		var err error
		body, err = json.Marshal(document)
		require.NoError(x, err)
	}
	return x.send(method, path, "application/json", body)
}

func (x *site) send(method, path, kind string, body []byte) (status int, answer []byte) {
	x.Helper()
	r, err := http.NewRequest(method, x.url+path, bytes.NewReader(body))
	require.NoError(x, err)
	r.Header.Set("Content-Type", kind)
	if x.key != "" {
		r.Header.Set("Authorization", "Bearer "+x.key)
	}
	got, err := http.DefaultClient.Do(r)
	require.NoError(x, err)
	defer got.Body.Close()
	answer, err = io.ReadAll(got.Body)
	require.NoError(x, err)
	return got.StatusCode, answer
}

// get demands an answer with status 200, and reads it.
func get[T any](x *site, path string, document any) (v T) {
	x.Helper()
	status, answer := x.ask(path, document)
	require.Equal(x, http.StatusOK, status, "%s", answer)
	require.NoError(x, json.Unmarshal(answer, &v), "%s", answer)
	return v
}

// refused demands a status, and parts of the answer.
func (x *site) refused(path string, document any, status int, parts ...string) {
	x.Helper()
	got, answer := x.ask(path, document)
	require.Equal(x, status, got, "%s", answer)
	for _, part := range parts {
		assert.Contains(x, string(answer), part)
	}
}

// m is a document.
type m = map[string]any

// cat is an image file, and the image.
func cat(t *testing.T) (data []byte, img *picture.Image) {
	t.Helper()
	data, err := os.ReadFile("../zoo/pictures/cat.jpg")
	require.NoError(t, err)
	img, err = picture.Decode(data, picture.DecodeOptions{})
	require.NoError(t, err)
	return data, img
}

// jpegURL is an image as a data URL.
func jpegURL(data []byte) string {
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data)
}

// alone loads an embedded model beside the server's.
func alone(t *testing.T, family string, o models.Options) *models.Model {
	t.Helper()
	o.Embedded = zoo.All()
	m, err := models.Load(t.Context(), gputest.Open(t, gpu.Options{}), family, "", o)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// Alive is said at once, ready when the models are there and until the server stops.
func TestReady(t *testing.T) {
	x := unopened(t, []string{"clip"}, nil)
	get[m](x, "/health", nil)
	x.refused("/ready", nil, http.StatusServiceUnavailable, "not ready")
	x.refused("/v1/embeddings", m{"input": "a cat"}, http.StatusServiceUnavailable, "not ready", "server_error")
	status, _ := x.ask("/ping", nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Empty(t, get[struct{ Data []any }](x, "/v1/models", nil).Data)
	for _, path := range []string{"/v1/models/clip", "/sdapi/v1/options", "/v2/models/clip/ready"} {
		x.refused(path, nil, http.StatusServiceUnavailable, "not ready")
	}
	x.refused("/api/show", m{"model": "clip"}, http.StatusServiceUnavailable, "not ready")
	require.NoError(t, x.s.Open(t.Context()))
	get[m](x, "/ready", nil)
	x.s.Stop()
	x.refused("/ready", nil, http.StatusServiceUnavailable)
	get[m](x, "/v1/embeddings", m{"input": "a cat"})
	get[m](x, "/health", nil)
}

func TestKey(t *testing.T) {
	x := open(t, nil, func(o *Options) { o.Key = "secret" })
	get[m](x, "/v1/models", nil)
	for _, key := range []string{"", "secre", "secrets"} {
		x.key = key
		x.refused("/v1/models", nil, http.StatusUnauthorized, "authentication_error", "a key is asked for")
		x.refused("/metrics", nil, http.StatusUnauthorized)
		x.refused("/v1/embeddings", m{}, http.StatusUnauthorized)
		get[m](x, "/health", nil)
	}
	r, err := http.NewRequest(http.MethodGet, x.url+"/sdapi/v1/samplers", nil)
	require.NoError(t, err)
	r.SetBasicAuth("anybody", "secret")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	assert.Equal(t, http.StatusOK, got.StatusCode)
}

// Pages of other sites reach nothing, by no name.
func TestOtherSites(t *testing.T) {
	x := open(t, nil, nil)
	ask := func(change func(r *http.Request)) int {
		r, err := http.NewRequest(http.MethodPost, x.url+"/sdapi/v1/interrupt", nil)
		require.NoError(t, err)
		change(r)
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		return got.StatusCode
	}
	assert.Equal(t, http.StatusOK, ask(func(*http.Request) {}))
	assert.Equal(t, http.StatusOK, ask(func(r *http.Request) { r.Header.Set("Origin", x.url) }))
	assert.Equal(t, http.StatusForbidden, ask(func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }))
	assert.Equal(t, http.StatusForbidden, ask(func(r *http.Request) { r.Host = "elsewhere.example" }))
	assert.Equal(t, http.StatusOK, ask(func(r *http.Request) { r.Host = "localhost:1" }))
}

// Requests beyond the queue are refused in their client's own form, and counted.
func TestFull(t *testing.T) {
	x := open(t, []string{"clip"}, func(o *Options) { o.Limits.Requests = 1 })
	leave, err := x.s.queue.Enter()
	require.NoError(t, err)
	x.refused("/v1/embeddings", m{"input": "a cat"}, http.StatusTooManyRequests, `"type":"rate_limit_error"`)
	x.refused("/api/chat", m{}, http.StatusTooManyRequests, `{"error":"too many requests`)
	x.refused("/sdapi/v1/txt2img", m{}, http.StatusTooManyRequests, `"detail":"too many requests`)
	x.refused("/v2/models/clip/infer", m{}, http.StatusTooManyRequests, `{"error":"too many requests`)
	leave()
	get[m](x, "/v1/embeddings", m{"input": "a cat"})
	_, metrics := x.ask("/metrics", nil)
	assert.Contains(t, string(metrics), `saccade_requests_total{route="/v1/embeddings",status="429"} 1`)
	assert.Contains(t, string(metrics), `saccade_requests_total{route="/v1/embeddings",status="200"} 1`)
	assert.Contains(t, string(metrics), `saccade_device_seconds_total{model="clip"}`)
	assert.Contains(t, string(metrics), "saccade_requests_in_flight 0")
}

// Bodies and images that are too large are refused, whatever they say of themselves.
func TestLimits(t *testing.T) {
	data, _ := cat(t)
	x := open(t, []string{"clip", "blip"}, func(o *Options) {
		o.Limits.Body, o.Limits.Pixels, o.Limits.Texts = 100_000, 1000, 3
	})
	x.refused("/v1/embeddings", m{"input": strings.Repeat("x", 200_000)}, http.StatusRequestEntityTooLarge, "larger than 100000 bytes", "invalid_request_error")
	x.refused("/api/generate", m{"prompt": strings.Repeat("x", 200_000)}, http.StatusRequestEntityTooLarge, `{"error":"the request is larger`)
	x.refused("/v1/embeddings", m{"input": jpegURL(data), "modality": "image"}, http.StatusBadRequest, "the image", "300")
	x.refused("/v1/embeddings", m{"input": []string{"a", "b", "c", "d"}}, http.StatusBadRequest, "at most 3")
	x.refused("/api/generate", m{"prompt": "", "images": []string{base64.StdEncoding.EncodeToString(data)}}, http.StatusBadRequest, "the image")
}

// A request ends when its time is over, also one that waits.
func TestTime(t *testing.T) {
	x := open(t, []string{"clip"}, func(o *Options) { o.Limits.Time = 300 * time.Millisecond })
	model := x.s.queue.Models[0]
	held, done := make(chan bool), make(chan bool)
	go func() {
		assert.NoError(t, model.Do(context.Background(), func(context.Context, *models.Model, *queue.Turn) error { close(held); <-done; return nil }))
	}()
	<-held
	began := time.Now()
	x.refused("/v1/embeddings", m{"input": "a cat"}, http.StatusGatewayTimeout, "the time for a request is over")
	assert.Less(t, time.Since(began), 5*time.Second)
	close(done)
	row, _, _, err := model.Text("a cat") // the lane goes on
	require.NoError(t, err)
	require.NoError(t, model.Rows(t.Context(), []*queue.Row{row}))
}

// There is one document of what is served, with the other names.
func TestModels(t *testing.T) {
	x := open(t, []string{"clip", "blip", "blip_vqa", "vit"}, func(o *Options) { o.Aliases = map[string]string{"ViT-B-32__openai": "clip"} })
	list := get[struct {
		Data []struct {
			ID        string
			Abilities []string
			Answers   bool
		}
	}](x, "/v1/models", nil).Data
	require.Len(t, list, 5)
	assert.Equal(t, []string{"embed_texts", "embed_images"}, list[0].Abilities)
	assert.Equal(t, "ViT-B-32__openai", list[1].ID)
	assert.Equal(t, []any{[]string{"write"}, false}, []any{list[2].Abilities, list[2].Answers})
	assert.Equal(t, []any{"blip_vqa", true}, []any{list[3].ID, list[3].Answers})
	assert.Equal(t, []string{"classify"}, list[4].Abilities)
	assert.Equal(t, "vit", get[m](x, "/v1/models/vit", nil)["id"])
	x.refused("/v1/models/vitt", nil, http.StatusNotFound, "model_not_found", `the nearest is \"vit\"`)
	x.refused("/v1/embeddings", m{"input": "x", "model": "vit"}, http.StatusBadRequest, "not one that makes vectors of texts")
	x.refused("/v1/images/generations", m{"prompt": "x"}, http.StatusNotFound, "no model that is served makes images")
	x.refused("/nowhere", nil, http.StatusNotFound, "there is no GET /nowhere")
}
