package weights

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// fakeHub answers as huggingface.co does: files of more than lfsFrom bytes are
// large ones, whose HEAD redirects to another host with X-Linked-* headers.
type fakeHub struct {
	*httptest.Server
	cdn *httptest.Server

	mu       sync.Mutex
	commit   string
	files    map[string][]byte // of org/name and of name
	token    string            // what a request must bring, "" for nothing
	requests []string          // "GET /org/name/resolve/main/config.json", "… bytes=5-" with a range
	auth     []string          // the Authorization of each request
	// fault, if it is not nil, may answer a request itself.
	fault func(w http.ResponseWriter, r *http.Request, data []byte) bool
}

const lfsFrom = 1000

func newFakeHub(t testing.TB, files map[string][]byte) *fakeHub {
	f := &fakeHub{commit: commitA, files: files}
	f.cdn = httptest.NewServer(http.HandlerFunc(f.store))
	f.Server = httptest.NewServer(http.HandlerFunc(f.resolve))
	t.Cleanup(f.Close)
	t.Cleanup(f.cdn.Close)
	return f
}

func (f *fakeHub) note(r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	f.auth = append(f.auth, r.Header.Get("Authorization"))
}

func (f *fakeHub) resolve(w http.ResponseWriter, r *http.Request) {
	f.note(r)
	refuse := func(status int, code, message string) {
		w.Header().Set("X-Error-Code", code)
		w.Header().Set("X-Error-Message", message)
		http.Error(w, message, status)
	}
	before, after, ok := strings.Cut(r.URL.Path, "/resolve/")
	revision, file, _ := strings.Cut(after, "/")
	switch {
	case !ok:
		refuse(400, "", "not a resolve URL")
	case f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token:
		refuse(401, "GatedRepo", "Access to model is restricted.\nPlease log in.")
	case before != "/org/name" && before != "/name":
		refuse(404, "RepoNotFound", "Repository not found")
	case revision != "main" && revision != f.commit:
		refuse(404, "RevisionNotFound", "Invalid rev id: "+revision)
	default:
		w.Header().Set("X-Repo-Commit", f.commit)
		data, ok := f.files[file]
		if !ok {
			refuse(404, "EntryNotFound", "Entry not found")
			return
		}
		f.send(w, r, data)
	}
}

// send answers for a file that is there.
func (f *fakeHub) send(w http.ResponseWriter, r *http.Request, data []byte) {
	if len(data) < lfsFrom {
		if f.fault == nil || !f.fault(w, r, data) {
			w.Header().Set("ETag", `"`+gitBlob(data)+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
		return
	}
	w.Header().Set("X-Linked-Etag", `"`+sha(data)+`"`)
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
	w.Header().Set("Location", f.cdn.URL+"/"+sha(data)+"?signature=1")
	w.WriteHeader(http.StatusFound)
}

// store is the host of the large files.
func (f *fakeHub) store(w http.ResponseWriter, r *http.Request) {
	f.note(r)
	for _, data := range f.files {
		if "/"+sha(data) == r.URL.Path {
			if f.fault == nil || !f.fault(w, r, data) {
				w.Header().Set("ETag", `"store's own"`)
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			}
			return
		}
	}
	http.NotFound(w, r)
}

// took returns the requests since the last call.
func (f *fakeHub) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.requests
	f.requests, f.auth = nil, nil
	return r
}

func (f *fakeHub) hub(t testing.TB) *Hub {
	return &Hub{
		Cache: t.TempDir(), Endpoint: f.URL, Retries: 2,
		RetryWait: time.Millisecond, MetaTimeout: 5 * time.Second, DataTimeout: 5 * time.Second,
	}
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// gitBlob is the etag of a small file on the hub.
func gitBlob(data []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...))
	return hex.EncodeToString(sum[:])
}

// big is the bytes of a safetensors file of more than lfsFrom bytes.
func big(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, Write(path, []*Tensor{filled(t, "a", 1.5, 100, 1000)}, nil))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func small() map[string][]byte {
	return map[string][]byte{"config.json": []byte(`{"hidden_size": 8}`)}
}

func withWeights(t testing.TB) map[string][]byte {
	files := small()
	files["model.safetensors"] = big(t)
	return files
}

func TestSnapshotLayout(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	h := f.hub(t)
	var told []string
	h.Progress = func(file string, done, total int64) {
		if done == total {
			told = append(told, fmt.Sprintf("%s %d", file, total))
		}
	}
	folder, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)

	repo := filepath.Join(h.Cache, "models--org--name")
	assert.Equal(t, filepath.Join(repo, "snapshots", commitA), folder)
	config, weights := f.files["config.json"], f.files["model.safetensors"]
	assert.Equal(t, map[string]string{
		"models--org--name/refs/main":                                          commitA,
		"models--org--name/blobs/" + gitBlob(config):                           string(config),
		"models--org--name/blobs/" + sha(weights):                              string(weights),
		"models--org--name/snapshots/" + commitA + "/config.json":              "-> ../../blobs/" + gitBlob(config),
		"models--org--name/snapshots/" + commitA + "/model.safetensors":        "-> ../../blobs/" + sha(weights),
		"models--org--name/.no_exist/" + commitA + "/preprocessor_config.json": "",
		"models--org--name/.no_exist/" + commitA + "/processor_config.json":    "",
		".locks/models--org--name/" + gitBlob(config) + ".lock":                "",
		".locks/models--org--name/" + sha(weights) + ".lock":                   "",
	}, tree(t, h.Cache))
	assert.Equal(t, []string{
		"HEAD /org/name/resolve/main/config.json",
		"GET /org/name/resolve/main/config.json",
		"HEAD /org/name/resolve/main/preprocessor_config.json",
		"HEAD /org/name/resolve/main/processor_config.json",
		"HEAD /org/name/resolve/main/model.safetensors",
		"GET /org/name/resolve/main/model.safetensors",
		"GET /" + sha(weights),
	}, f.took())
	assert.Equal(t, []string{"config.json 18", fmt.Sprintf("model.safetensors %d", len(weights))}, told)

	c, err := Open(folder)
	require.NoError(t, err)
	require.NoError(t, c.Close())

	again, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	assert.Equal(t, folder, again)
	for _, r := range f.took() {
		assert.NotContains(t, r, "GET", "nothing is downloaded twice")
	}

	pinned, err := Resolve(context.Background(), "org/name@"+commitA, h)
	require.NoError(t, err)
	assert.Equal(t, folder, pinned)
	assert.Empty(t, f.took(), "a commit in the cache needs no request")
}

// tree is every file below a folder by its path with slashes: contents, or
// "-> target" of a link.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(folder, path)
		name = filepath.ToSlash(name)
		if target, err := os.Readlink(path); err == nil {
			found[name] = "-> " + filepath.ToSlash(target)
			return nil
		}
		data, err := os.ReadFile(path)
		found[name] = string(data)
		return err
	}))
	return found
}

func TestSnapshotOfShards(t *testing.T) {
	files := small()
	files["unet/diffusion_pytorch_model.safetensors.index.json"] = []byte(`{"weight_map":{"a":"diffusion_pytorch_model-1.safetensors","b":"diffusion_pytorch_model-2.safetensors"}}`)
	for name, tensor := range map[string]string{"1": "a", "2": "b"} {
		path := filepath.Join(t.TempDir(), "x")
		require.NoError(t, Write(path, []*Tensor{filled(t, tensor, 1, 3)}, nil))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		files["unet/diffusion_pytorch_model-"+name+".safetensors"] = data
	}
	f := newFakeHub(t, files)
	folder, err := Resolve(context.Background(), "name", f.hub(t),
		"config.json", "unet/diffusion_pytorch_model.safetensors|unet/diffusion_pytorch_model.safetensors.index.json")
	require.NoError(t, err)
	c, err := Open(filepath.Join(folder, "unet"))
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, []string{"a", "b"}, c.Names())
}

// A model without safetensors files is fetched as PyTorch files.
func TestSnapshotOfPyTorchFiles(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"one": {"pytorch_model.bin": zipFile(t, program(dictOf(str("a"), aTensor)))},
		"sharded": {
			"pytorch_model.bin.index.json": []byte(`{"weight_map":{"a":"pytorch_model-1.bin"}}`),
			"pytorch_model-1.bin":          zipFile(t, program(dictOf(str("a"), aTensor))),
		},
	} {
		files["config.json"] = []byte("{}")
		f := newFakeHub(t, files)
		folder, err := Resolve(context.Background(), "org/name", f.hub(t))
		require.NoError(t, err, name)
		c, err := Open(folder)
		require.NoError(t, err, name)
		assert.Equal(t, []string{"a"}, c.Names())
		require.NoError(t, c.Close())
	}
}

func TestResumeAfterACutConnection(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	cuts := 0
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if r.Method != "GET" || len(data) < lfsFrom || cuts == 2 {
			return false
		}
		cuts++
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
			w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		}
		w.Write(data[from : from+100_000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	h := f.hub(t)
	folder, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(folder, "model.safetensors"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(f.files["model.safetensors"], got))
	var ranges []string
	for _, r := range f.took() {
		if _, after, ok := strings.Cut(r, "bytes="); ok {
			ranges = append(ranges, after)
		}
	}
	// One each at the hub and at the store.
	assert.Equal(t, []string{"100000-", "100000-", "200000-", "200000-"}, ranges)
}

// What a stopped process left is gone on with by the next one.
func TestResumeInAnotherRun(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	data := f.files["model.safetensors"]
	h := f.hub(t)
	part := put(t, h.Cache, "models--org--name/blobs/"+sha(data)+".incomplete", data[:5000])
	var first int64 = -1
	h.Progress = func(file string, done, _ int64) {
		if file == "model.safetensors" && first < 0 {
			first = done
		}
	}
	_, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	assert.Equal(t, int64(5000), first)
	assert.Contains(t, f.took(), "GET /"+sha(data)+" bytes=5000-")
	assert.NoFileExists(t, part)
}

func TestResumeOfSomethingElse(t *testing.T) {
	for name, left := range map[string][]byte{
		"other bytes":   bytes.Repeat([]byte{7}, 5000),
		"too many":      make([]byte, 1<<20),
		"all but wrong": nil,
	} {
		f := newFakeHub(t, withWeights(t))
		data := f.files["model.safetensors"]
		if left == nil {
			left = make([]byte, len(data))
		}
		h := f.hub(t)
		put(t, h.Cache, "models--org--name/blobs/"+sha(data)+".incomplete", left)
		folder, err := Resolve(context.Background(), "org/name", h)
		require.NoError(t, err, name)
		got, err := os.ReadFile(filepath.Join(folder, "model.safetensors"))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got), name)
	}
}

func TestServerWithoutRanges(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	data := f.files["model.safetensors"]
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		w.Header().Set("ETag", `W/"`+gitBlob(data)+`"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		if r.Method == "GET" {
			w.Write(data)
		}
		return true
	}
	h := f.hub(t)
	put(t, h.Cache, "models--org--name/blobs/"+sha(data)+".incomplete", data[:5000])
	folder, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(folder, "model.safetensors"))
	assert.FileExists(t, filepath.Join(h.Cache, "models--org--name", "blobs", gitBlob(f.files["config.json"])))
}

func TestTruncated(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	data := f.files["model.safetensors"]
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if len(data) < lfsFrom || r.Header.Get("Range") != "" {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:9999])
		panic(http.ErrAbortHandler)
	}
	h := f.hub(t)
	h.Retries = 0
	ctx, cancel := context.WithCancel(context.Background())
	h.Progress = func(_ string, done, _ int64) {
		if done == 9999 {
			cancel()
		}
	}
	_, err := Resolve(ctx, "org/name", h)
	require.ErrorIs(t, err, context.Canceled)
	found := tree(t, h.Cache)
	assert.Equal(t, string(data[:9999]), found["models--org--name/blobs/"+sha(data)+".incomplete"], "kept for the next time")
	assert.NotContains(t, found, "models--org--name/refs/main", "an incomplete commit is not main")
	assert.NotContains(t, found, "models--org--name/blobs/"+sha(data))
}

func TestConnectionThatIsAlwaysCut(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if len(data) < lfsFrom {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:9999]) // whatever range is asked for
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, err := Resolve(context.Background(), "org/name", f.hub(t))
	assert.ErrorContains(t, err, fmt.Sprintf("model.safetensors: cut off after 9999 of %d bytes: ", len(f.files["model.safetensors"])))
	assert.Len(t, f.took(), 5+2*3, "one that got on, two retries")
}

func TestChecksumWrong(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if len(data) < lfsFrom {
			return false
		}
		bad := bytes.Clone(data)
		bad[5000]++
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(bad))
		return true
	}
	h := f.hub(t)
	_, err := Resolve(context.Background(), "org/name", h)
	require.ErrorContains(t, err, "hub model org/name: model.safetensors: the checksum is wrong: SHA-256 ")
	assert.ErrorContains(t, err, "the hub says "+sha(f.files["model.safetensors"]))
	for name := range tree(t, h.Cache) {
		assert.NotContains(t, name, "incomplete")
		assert.NotContains(t, name, "blobs/"+sha(f.files["model.safetensors"]))
	}
}

func TestSizesThatDiffer(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if len(data) < lfsFrom {
			return false
		}
		w.Write(append(bytes.Clone(data), 1))
		return true
	}
	_, err := Resolve(context.Background(), "org/name", f.hub(t))
	require.ErrorContains(t, err, "model.safetensors: ")
	assert.NotContains(t, err.Error(), "\n")
	n := len(f.files["model.safetensors"])
	assert.Regexp(t, fmt.Sprintf("more than %d bytes came|the hub says %d", n, n), err.Error())
}

func TestServerThatIsDownForAWhile(t *testing.T) {
	f := newFakeHub(t, small())
	failures := 2
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if failures == 0 {
			return false
		}
		failures--
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	_, err := Resolve(context.Background(), "org/name", f.hub(t), "config.json")
	require.NoError(t, err)
	assert.Equal(t, []string{
		"HEAD /org/name/resolve/main/config.json", "HEAD /org/name/resolve/main/config.json",
		"HEAD /org/name/resolve/main/config.json", "GET /org/name/resolve/main/config.json",
	}, f.took())
}

func TestStalledDownload(t *testing.T) {
	f := newFakeHub(t, small())
	stop := make(chan struct{})
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if r.Method == "HEAD" {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-stop
		return true
	}
	h := f.hub(t)
	h.Retries, h.DataTimeout = 1, 20*time.Millisecond
	_, err := Resolve(context.Background(), "org/name", h, "config.json")
	close(stop)
	assert.ErrorContains(t, err, "config.json: cut off after 0 of 18 bytes: no data came for 20ms")
}
