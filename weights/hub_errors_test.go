package weights

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestToken(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	f.token = "hf_secret"
	h := f.hub(t)
	_, err := Resolve(context.Background(), "org/name", h)
	var e *HubError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, http.StatusUnauthorized, e.Status)
	assert.ErrorContains(t, err, "the hub answers 401 Unauthorized (Access to model is restricted. Please log in.): "+
		"the model does not exist, or is private or gated: check the id, or accept its terms at "+f.URL+"/org/name and set HF_TOKEN")
	assert.NotContains(t, err.Error(), "\n")
	assert.Len(t, f.took(), 1, "asking again would not help")

	h.Token = "hf_wrong"
	_, err = Resolve(context.Background(), "org/name", h)
	assert.ErrorContains(t, err, "the token (HF_TOKEN) is not accepted")
	f.took()

	h.Token = "hf_secret"
	_, err = Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	for i, r := range f.requests {
		if r == "GET /"+sha(f.files["model.safetensors"]) {
			assert.Empty(t, f.auth[i], "the store is not told the token")
		} else {
			assert.Equal(t, "Bearer hf_secret", f.auth[i])
		}
	}
}

func TestGated(t *testing.T) {
	f := newFakeHub(t, small())
	f.fault = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	_, err := Resolve(context.Background(), "org/name", f.hub(t))
	assert.ErrorContains(t, err, "403 Forbidden: the model is gated: accept its terms at "+f.URL+"/org/name and set HF_TOKEN")
}

func TestWhatIsNotThere(t *testing.T) {
	f := newFakeHub(t, small())
	h := f.hub(t)
	resolve := func(src string, wanted ...string) error {
		_, err := Resolve(context.Background(), src, h, wanted...)
		return err
	}
	err := resolve("org/name")
	assert.EqualError(t, err, "org/name is no file or folder here; hub model org/name: "+
		"model.safetensors, model.safetensors.index.json, diffusion_pytorch_model.safetensors, "+
		"diffusion_pytorch_model.safetensors.index.json and 37 more: no such file in the model, or no such model")
	assert.ErrorIs(t, err, ErrNotInModel)
	assert.ErrorContains(t, resolve("org/other"), "404 Not Found (Repository not found): no such model; check the id")
	assert.ErrorContains(t, resolve("org/name@v9"), "hub model org/name@v9: ")
	assert.ErrorContains(t, resolve("org/name@v9"), "the model has no revision v9")
	assert.ErrorIs(t, resolve("org/name", "x?", "y|z?"), ErrNotInModel)
	assert.ErrorContains(t, resolve("org/name", "../x"), `"../x" is not the name of a file in a model`)
}

func TestResolvePaths(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "model.safetensors", raw(oneTensor, 8))
	none := &Hub{Endpoint: "http://127.0.0.1:1", Cache: dir}
	for _, path := range []string{dir, file} {
		got, err := Resolve(context.Background(), path, none)
		require.NoError(t, err)
		assert.Equal(t, path, got)
	}
	for _, path := range []string{
		filepath.Join(dir, "none"), "./none", "../none/x", "a/b/c", "none.safetensors", "org/resnet50-11ad3fa6.pth",
		`C:\none`, "", "~/x", "org--x", "a..b", filepath.Join(file, "x"),
	} {
		_, err := Resolve(context.Background(), path, none)
		assert.EqualError(t, err, "open "+path+": no such file or folder, and not a hub id such as org/name")
	}
	t.Chdir(dir)
	require.NoError(t, os.MkdirAll("org/name", 0o777))
	got, err := Resolve(context.Background(), "org/name", none)
	require.NoError(t, err)
	assert.Equal(t, "org/name", got, "a folder that is there wins over an id")
}

func TestParseModel(t *testing.T) {
	for text, want := range map[string]Model{
		"google/vit-base-patch16-224": {"google/vit-base-patch16-224", "main"},
		"gpt2":                        {"gpt2", "main"},
		"org/name@v1.0":               {"org/name", "v1.0"},
		"org/name@refs/pr/1":          {"org/name", "refs/pr/1"},
		"_x/y_1.5@" + commitA:         {"_x/y_1.5", commitA},
	} {
		m, err := ParseModel(text)
		require.NoError(t, err)
		assert.Equal(t, want, m)
	}
	for _, text := range []string{"a/b/c", "/a", "a/", "a b", "a@", "a@../x", "a@x y", "../a", "a--b", ".a", "a/..", "-a", "a@b@c"} {
		_, err := ParseModel(text)
		assert.Error(t, err, text)
	}
}

func TestOffline(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	h := f.hub(t)
	h.Offline = true
	_, err := Resolve(context.Background(), "org/name", h)
	assert.ErrorContains(t, err, "HF_HUB_OFFLINE is set, and it is not in the cache "+h.Cache)
	assert.Empty(t, f.took())
	assert.Empty(t, tree(t, h.Cache), "nothing is written")

	h.Offline = false
	want, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	f.took()
	h.Offline = true
	for _, id := range []string{"org/name", "org/name@" + commitA} {
		got, err := Resolve(context.Background(), id, h)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err = Resolve(context.Background(), "org/name@v2", h)
	assert.ErrorContains(t, err, "org/name@v2: ")
	assert.Empty(t, f.took())
}

func TestUnreachable(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	h := f.hub(t)
	want, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	f.Server.Close()
	got, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err, "the cache serves")
	assert.Equal(t, want, got)
	_, err = Resolve(context.Background(), "org/other", h)
	assert.ErrorContains(t, err, "asking 127.0.0.1:")
	assert.ErrorContains(t, err, "connection refused, and it is not in the cache ")
	assert.NotContains(t, err.Error(), "\n")
}

func TestNotAHub(t *testing.T) {
	f := newFakeHub(t, small())
	f.commit = ""
	_, err := Resolve(context.Background(), "org/name", f.hub(t))
	assert.ErrorContains(t, err, "it does not seem to be a Hugging Face hub; check HF_ENDPOINT")
	f.commit = "../../x"
	_, err = Resolve(context.Background(), "org/name", f.hub(t))
	assert.ErrorContains(t, err, "it does not seem to be a Hugging Face hub")
}

// A renamed model redirects within the hub before it answers.
func TestRedirectWithinTheHub(t *testing.T) {
	f := newFakeHub(t, small())
	moved := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if after, ok := strings.CutPrefix(r.URL.Path, "/old/name/"); ok {
			http.Redirect(w, r, "/org/name/"+after, http.StatusTemporaryRedirect)
			return
		}
		moved.ServeHTTP(w, r)
	})
	folder, err := Resolve(context.Background(), "old/name", f.hub(t), "config.json")
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(folder, "config.json"))
	assert.Contains(t, folder, "models--old--name")

	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	})
	_, err = Resolve(context.Background(), "org/name", f.hub(t))
	assert.ErrorContains(t, err, "the hub redirects in a circle")
}

// A revision that moves between two files is fetched again, all of it.
func TestRevisionMoves(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	const commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	f.fault = func(http.ResponseWriter, *http.Request, []byte) bool {
		f.commit = commitB
		return false
	}
	h := f.hub(t)
	folder, err := Resolve(context.Background(), "org/name", h)
	require.NoError(t, err)
	assert.Equal(t, commitB, filepath.Base(folder))
	assert.FileExists(t, filepath.Join(folder, "config.json"))
	assert.FileExists(t, filepath.Join(folder, "model.safetensors"))
	assert.Equal(t, commitB, tree(t, h.Cache)["models--org--name/refs/main"])

	f.fault = nil
	inner := f.Config.Handler
	n := 0
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		f.commit = commitA[:39] + string(rune('0'+n%10))
		inner.ServeHTTP(w, r)
	})
	_, err = Resolve(context.Background(), "org/name", h)
	assert.ErrorContains(t, err, "it keeps changing while it is downloaded; give a commit, org/name@COMMIT")
}

// Two at once download a file once.
func TestLock(t *testing.T) {
	f := newFakeHub(t, withWeights(t))
	h := f.hub(t)
	unlock, locked, err := h.repo(Model{ID: "org/name"}).lock(context.Background(), gitBlob(f.files["config.json"]), func() { t.Error("nobody has the lock") })
	require.NoError(t, err)
	assert.True(t, locked)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var waited []string
	h.Waiting = func(file string) { waited = append(waited, file) }
	_, err = Resolve(ctx, "org/name", h)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, []string{"config.json"}, waited)
	h.Waiting = nil
	f.took()

	done := make(chan error, 2)
	for range 2 {
		go func() { _, err := Resolve(context.Background(), "org/name", h); done <- err }()
	}
	time.Sleep(20 * time.Millisecond)
	unlock()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	gets := 0
	for _, r := range f.took() {
		if r == "GET /org/name/resolve/main/config.json" {
			gets++
		}
	}
	assert.Equal(t, 1, gets)
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	f := newFakeHub(t, small())
	h := f.hub(t)
	h.Cache = put(t, t.TempDir(), "file", nil)
	_, err := Resolve(context.Background(), "org/name", h, "config.json")
	assert.ErrorContains(t, err, "config.json: writing into the cache: ")
}

func TestHubFromEnv(t *testing.T) {
	home := t.TempDir()
	for _, v := range []string{"HF_HOME", "XDG_CACHE_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN",
		"HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS",
		"HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_DISABLE_IMPLICIT_TOKEN"} {
		t.Setenv(v, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	h := HubFromEnv()
	assert.Equal(t, filepath.Join(home, ".cache", "huggingface", "hub"), filepath.Clean(h.Cache))
	assert.Equal(t, "https://huggingface.co", h.Endpoint)
	assert.Empty(t, h.Token)
	assert.False(t, h.Offline)
	assert.Equal(t, 10*time.Second, h.MetaTimeout)

	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "xdg"))
	assert.Equal(t, filepath.Join(home, "xdg", "huggingface", "hub"), HubFromEnv().Cache)
	t.Setenv("HF_HOME", "~/hf")
	put(t, home, "hf/token", []byte("hf_file\n"))
	h = HubFromEnv()
	assert.Equal(t, filepath.Join(home, "hf", "hub"), filepath.Clean(h.Cache))
	assert.Equal(t, "hf_file", h.Token)
	t.Setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
	assert.Empty(t, HubFromEnv().Token)
	t.Setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "")
	t.Setenv("HF_TOKEN_PATH", put(t, home, "other", []byte(" hf_other ")))
	assert.Equal(t, "hf_other", HubFromEnv().Token)
	t.Setenv("HF_TOKEN", "hf_env")
	t.Setenv("HUGGINGFACE_HUB_CACHE", filepath.Join(home, "legacy"))
	assert.Equal(t, filepath.Join(home, "legacy"), HubFromEnv().Cache)
	t.Setenv("HF_HUB_CACHE", "$HOME/cache")
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:8080/")
	t.Setenv("HF_HUB_OFFLINE", "yes")
	t.Setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
	t.Setenv("HF_HUB_ETAG_TIMEOUT", "3")
	h = HubFromEnv()
	assert.Equal(t, "hf_env", h.Token)
	assert.Equal(t, home+"/cache", h.Cache)
	assert.Equal(t, "http://127.0.0.1:8080", h.Endpoint)
	assert.True(t, h.Offline && h.NoBars)
	assert.Equal(t, 3*time.Second, h.MetaTimeout)
	t.Setenv("HF_HUB_OFFLINE", "0")
	t.Setenv("TRANSFORMERS_OFFLINE", "1")
	assert.False(t, HubFromEnv().Offline)
}
