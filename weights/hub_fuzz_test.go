package weights

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzHub answers each request of a download with the next of the answers, raw
// HTTP with empty lines between head and body. Whatever a server sends, files are
// written below the cache alone, and never more than was sent.
func FuzzHub(f *testing.F) {
	const head = "HTTP/1.1 200 OK\r\nX-Repo-Commit: " + commitA + "\r\nETag: \"e\"\r\n"
	const body = head + "Content-Length: 2\r\n\r\n{}"
	moved := "HTTP/1.1 302 Found\r\nX-Repo-Commit: " + commitA + "\r\nLocation: /x\r\nX-Linked-Size: 5\r\nX-Linked-ETag: \"" + sha([]byte("hello")) + "\"\r\n\r\n"
	index := `{"weight_map":{"a":"b.safetensors"}}`
	f.Add([]byte(body), []byte(body), []byte(body), []byte(body))
	f.Add([]byte(moved), []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), []byte(body), []byte("HTTP/1.1 404 Not Found\r\nX-Error-Code: EntryNotFound\r\nX-Repo-Commit: x\r\n\r\n"))
	f.Add([]byte(head+"Content-Length: 36\r\n\r\n"), []byte(head+"Content-Length: 36\r\n\r\n"+index), []byte(body), []byte(body))
	f.Add([]byte("HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-5/9\r\n\r\n"), []byte("HTTP/1.1 301 M\r\nLocation: //[::1\r\n\r\n"), []byte(""), []byte("HTTP/1.1 403 F\r\nX-Error-Message: \x9b\r\n\r\n"))
	f.Add([]byte(head+"Content-Encoding: gzip\r\n\r\n"), []byte(head+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), []byte(moved), []byte(moved))
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		root := t.TempDir()
		server := &answers{of: [][]byte{a, b, c, d}}
		h := &Hub{Cache: filepath.Join(root, "cache"), Endpoint: "http://hub.invalid", Client: &http.Client{Transport: server},
			Retries: 1, RetryWait: time.Microsecond, MetaTimeout: time.Second, DataTimeout: time.Second}
		folder, err := Resolve(context.Background(), "org/name", h, "model.safetensors.index.json|config.json", "config.json?")
		if err != nil {
			checkLine(t, err)
		} else if !strings.HasPrefix(folder, h.Cache) {
			t.Fatalf("%s is outside the cache", folder)
		}
		entries, err := os.ReadDir(root)
		require.NoError(t, err)
		if len(entries) > 1 || left(t, root) > int64(server.sent+1000) {
			t.Fatalf("%d files, %d bytes of %d sent", len(entries), left(t, root), server.sent)
		}
	})
}

// answers is a server that gives each request the next answer, again from the
// first after the last.
type answers struct {
	of      [][]byte
	n, sent int
}

func (s *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	text := s.of[s.n%len(s.of)]
	s.n++
	s.sent += len(text)
	if s.n > 1000 {
		panic("it asks without end")
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), r)
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return resp, nil
}
