package weights

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// left is the number of bytes of all files in a cache.
func left(t *testing.T, folder string) (n int64) {
	t.Helper()
	require.NoError(t, filepath.Walk(folder, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return err
	}))
	return n
}

// A body without an end stops at the limit of such files, and nothing of it is
// kept, whatever the server says of its size.
func TestEndlessBodies(t *testing.T) {
	for name, c := range map[string]struct {
		file, said, want string
		most             int64
	}{
		"config without a size": {"config.json", "", "more than 16777216 bytes came", ConfigLimit},
		"config that lies":      {"config.json", "18", "more than 18 bytes came", 1 << 20},
		"config that is huge":   {"config.json", "99999999999", "the hub says that it has 99999999999 bytes, such a file has at most 16777216", 0},
		"tensors of no size":    {"model.safetensors", "", "more than 67108864 bytes came", IndexLimit},
		"tensors that lie":      {"model.safetensors", "1000", "more than 1000 bytes came", 1 << 20},
		"tensors that are huge": {"model.safetensors", "4611686018427387904", "such a file has at most 68719476736", 0},
		"a negative size":       {"model.safetensors", "-5", "more than 67108864 bytes came", IndexLimit},
		"an index":              {"model.safetensors.index.json", "67108865", "such a file has at most 67108864", 0},
	} {
		t.Run(name, func(t *testing.T) {
			sent := int64(0)
			f := newFakeHub(t, nil)
			f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Repo-Commit", commitA)
				w.Header().Set("ETag", `"`+strings.Repeat("e", 40)+`"`)
				if r.Method == "HEAD" {
					if c.said != "" {
						w.Header().Set("X-Linked-Size", c.said)
					}
					w.(http.Flusher).Flush()
					return
				}
				w.(http.Flusher).Flush() // without a length
				for chunk := make([]byte, 1<<20); ; {
					n, err := w.Write(chunk)
					if sent += int64(n); err != nil {
						return
					}
				}
			})
			h := f.hub(t)
			_, err := Resolve(context.Background(), "org/name", h, c.file)
			f.Server.CloseClientConnections()
			f.Server.Close()
			require.ErrorContains(t, err, c.file+": too much data: ")
			assert.ErrorContains(t, err, c.want)
			assert.Less(t, len(err.Error()), 400)
			assert.Zero(t, left(t, h.Cache))
			assert.LessOrEqual(t, sent, c.most+16<<20, "what lies in the sockets is more than was read")
		})
	}
}

// What a server says is shown escaped and short, and cannot be a file's name.
func TestHostileHeaders(t *testing.T) {
	f := newFakeHub(t, small())
	message, commit := "", commitA
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Repo-Commit", commit)
		w.Header().Set("ETag", `"e"`)
		if message != "" {
			w.Header()["X-Error-Message"] = []string{message}
			w.WriteHeader(http.StatusForbidden)
		}
	})
	h := f.hub(t)
	message = strings.Repeat("long ", 100_000) + "\x9b31m"
	_, err := Resolve(context.Background(), "org/name", h)
	require.ErrorContains(t, err, "403 Forbidden (long long")
	assert.ErrorContains(t, err, `\x9b31m`)
	assert.Less(t, len(err.Error()), 600)
	message = ""
	for _, commit = range []string{"a\tb", "a b", "größe", "a:b"} {
		_, err = Resolve(context.Background(), "org/name", h)
		assert.ErrorContains(t, err, "it does not seem to be a Hugging Face hub", commit)
	}
	assert.Empty(t, tree(t, h.Cache))
}
