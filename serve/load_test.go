package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Callers at once get what each alone gets, none is lost, and together they are not much slower
// than one after the other.
func TestCallersAtOnce(t *testing.T) {
	x := open(t, []string{"clip"}, nil)
	const texts = 32
	want := make([][]float32, texts)
	text := func(i int) string { return fmt.Sprintf("the picture number %d of them", i%texts) }
	for i := range want {
		want[i] = get[embeddings](x, "/v1/embeddings", m{"input": text(i)}).Data[0].Embedding
	}
	rates := map[int]float64{}
	for range 2 { // the first time sizes of batches are tried
		for _, clients := range []int{1, 4, 16, 64} {
			const requests = 192
			var next atomic.Int64
			var all sync.WaitGroup
			took := make([]time.Duration, requests)
			began := time.Now()
			for range clients {
				all.Go(func() {
					for i := next.Add(1) - 1; i < requests; i = next.Add(1) - 1 {
						began := time.Now()
						got := get[embeddings](x, "/v1/embeddings", m{"input": text(int(i))}).Data[0].Embedding
						took[i] = time.Since(began)
						assert.Equal(t, want[i%texts], got)
					}
				})
			}
			all.Wait()
			rates[clients] = requests / time.Since(began).Seconds()
			slices.Sort(took)
			t.Logf("%d clients: %.0f a second, p50 %v, p99 %v", clients, rates[clients], took[requests/2], took[requests*99/100])
		}
	}
	assert.Greater(t, rates[16], 0.5*rates[1])
}

// bomb is a PNG of a few bytes that says it is of so many pixels a side.
func bomb(side uint32) []byte {
	head := append([]byte("IHDR"), 0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0)
	binary.BigEndian.PutUint32(head[4:], side)
	binary.BigEndian.PutUint32(head[8:], side)
	b := []byte("\x89PNG\r\n\x1a\n")
	b = binary.BigEndian.AppendUint32(b, 13)
	b = append(b, head...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
	return append(b, make([]byte, 40)...)
}

// hostile are requests that should do no harm; each gives what went wrong.
func hostile(x *site, data []byte) []func() error {
	status := func(path string, document any, want ...int) func() error {
		return func() error {
			body, err := json.Marshal(document)
			if err != nil {
				return err
			}
			r, err := http.Post(x.url+path, "application/json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			defer r.Body.Close()
			answer, err := io.ReadAll(r.Body)
			if err == nil && !slices.Contains(append(want, http.StatusTooManyRequests), r.StatusCode) {
				err = fmt.Errorf("%s: %d: %.200s", path, r.StatusCode, answer)
			}
			return err
		}
	}
	raw := func(text string) func() error {
		return func() error {
			c, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
			if err != nil {
				return err
			}
			_, err = io.WriteString(c, text)
			time.Sleep(time.Millisecond)
			_ = c.Close()
			return err
		}
	}
	leave := func(path, document string, after time.Duration) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(context.Background(), after)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url+path, strings.NewReader(document))
			if err != nil {
				return err
			}
			if got, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, got.Body)
				_ = got.Body.Close()
			}
			return nil
		}
	}
	encoded := base64.StdEncoding.EncodeToString(data)
	return []func() error{
		status("/v1/embeddings", m{"input": "a cat"}, 200),
		status("/v1/embeddings", m{"input": []string{jpegURL(data)}, "modality": "image"}, 200),
		status("/api/generate", m{"prompt": "", "images": []string{encoded}, "stream": false}, 200),
		status("/saccade/classify", m{"image": encoded}, 200),
		status("/v1/embeddings", m{"input": base64.StdEncoding.EncodeToString(bomb(100_000)), "modality": "image"}, 400),
		status("/v1/embeddings", m{"input": base64.StdEncoding.EncodeToString(bomb(16_000)), "modality": "image"}, 400),
		status("/v1/embeddings", m{"input": base64.StdEncoding.EncodeToString(bomb(2_000)), "modality": "image"}, 200, 400),
		status("/v1/embeddings", m{"input": base64.StdEncoding.EncodeToString(data[:len(data)/2]), "modality": "image"}, 200, 400),
		status("/v1/embeddings", m{"input": strings.Repeat("x", 1<<20)}, 413),
		status("/v2/models/vit/infer", m{"inputs": []m{{"name": "pixel_values", "shape": []int{1 << 20, 3, 32, 32}, "datatype": "FP32", "data": []int{1}}}}, 400),
		status("/v1/images/generations", m{"prompt": "x", "size": "100000x100000"}, 400),
		raw("POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"input\":"),
		raw("POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n--x"),
		raw("POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{"),
		raw("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"),
		leave("/v1/images/generations", `{"prompt":"red apple","steps":100,"stream":true,"partial_images":50}`, 50*time.Millisecond),
		leave("/api/generate", `{"prompt":"","images":["`+encoded+`"]}`, 10*time.Millisecond),
		leave("/v1/embeddings", `{"input":"a cat"}`, time.Millisecond),
	}
}

// A thousand requests, most of which break off, lie or are bombs, leave nothing behind.
func TestHostile(t *testing.T) {
	x := open(t, []string{"clip", "blip", "vit", "sd"}, func(o *Options) { o.Limits.Body, o.Limits.Pixels, o.Limits.Requests = 1<<20, 1_000_000, 12 })
	data, _ := cat(t)
	kinds := hostile(x, data)
	round := func(n int) {
		var all sync.WaitGroup
		var next atomic.Int64
		for range 16 {
			all.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					assert.NoError(t, kinds[rand.IntN(len(kinds))]())
				}
			})
		}
		all.Wait()
	}
	rest := func() (goroutines int, heap, device int64) {
		require.Eventually(t, func() bool { return x.s.queue.There() == 0 }, 20*time.Second, 5*time.Millisecond)
		for _, m := range x.s.queue.Models { // each lane is at its end
			require.NoError(t, m.Load(t.Context()))
		}
		assert.Eventually(t, func() bool { // connections that were broken off end when that is noticed
			http.DefaultClient.CloseIdleConnections()
			return runtime.NumGoroutine() <= 16
		}, 30*time.Second, 50*time.Millisecond, "goroutines that do not end")
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return runtime.NumGoroutine(), int64(s.HeapAlloc), x.s.Device.Stats().BufferBytes
	}
	get[images](x, "/v1/images/generations", m{"prompt": "red apple", "steps": 1}) // all parts of it are there
	round(1000)                                                                    // until there is a program of most shapes and sizes of batch
	goroutines, heap, device := rest()
	round(1000)
	goroutines2, heap2, device2 := rest()
	t.Logf("goroutines %d, then %d; heap %d, then %d; device %d, then %d", goroutines, goroutines2, heap, heap2, device, device2)
	assert.LessOrEqual(t, goroutines2, goroutines+8)
	assert.LessOrEqual(t, heap2, heap+8<<20)
	assert.LessOrEqual(t, device2, device+device/4)
	want := get[embeddings](x, "/v1/embeddings", m{"input": "a cat"}).Data[0].Embedding
	assert.Equal(t, want, get[embeddings](x, "/v1/embeddings", m{"input": "a cat"}).Data[0].Embedding)
}

// A body that does not come is not waited for long: the caller loses the seat. One that is
// done for longer than that is not cut off by it.
func TestSlowBody(t *testing.T) {
	x := open(t, []string{"sd"}, func(o *Options) { o.Read = 300 * time.Millisecond })
	c, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"input\":")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return x.s.queue.There() == 1 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return x.s.queue.There() == 0 }, 5*time.Second, time.Millisecond)

	began := time.Now()
	got := get[images](x, "/v1/images/generations", m{"prompt": "red apple", "steps": 20})
	assert.NotEmpty(t, got.Data)
	assert.Greater(t, time.Since(began), 300*time.Millisecond, "it was no longer than the time for a body")
	kind, body := form(t, map[string]string{"prompt": "red apple", "steps": "20", "strength": "1"}, map[string][]byte{"image": small(t)})
	status, answer := x.send(http.MethodPost, "/v1/images/edits", kind, body)
	assert.Equal(t, http.StatusOK, status, "%.200s", answer)
}

// small is a PNG of 64 by 64 pixels.
func small(t *testing.T) []byte {
	t.Helper()
	return encoded(t, image.NewNRGBA(image.Rect(0, 0, 64, 64)))
}
