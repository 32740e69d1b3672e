package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// TestMain runs the command itself in the processes that start begins.
func TestMain(m *testing.M) {
	if os.Getenv("SACCADE_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// call runs the command in this process.
func call(t *testing.T, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err, getenv)
	return code, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	none := func(string) string { return "" }
	for say, args := range map[string][]string{
		"no models: give -models":                                 {},
		`model "clipp" is unknown; the nearest is "clip"`:         {"-models", "clipp"},
		"clip is there twice":                                     {"-models", "clip,clip"},
		"expected NAME or NAME=SOURCE":                            {"-models", "clip="},
		"it is two networks":                                      {"-models", "ocr"},
		"videos are not served":                                   {"-models", "video=x"},
		"whose callers must show a key":                           {"-models", "clip", "-listen", "0.0.0.0:0"},
		"-listen :0 is more than the loopback":                    {"-models", "clip", "-listen", ":0"},
		"expected ADDRESS:PORT":                                   {"-models", "clip", "-listen", "8080"},
		"no such model is served; the nearest is clip":            {"-models", "clip", "-alias", "x=clop"},
		"clip is a model itself":                                  {"-models", "clip,vit", "-alias", "clip=vit"},
		"expected NAME=MODEL":                                     {"-models", "clip", "-alias", "x"},
		"expected a number of bytes":                              {"-models", "clip", "-memory", "much"},
		"expected a time such as":                                 {"-models", "clip", "-timeout", "long"},
		"expected a whole number":                                 {"-models", "clip", "-queue", "0"},
		"expected a URL":                                          {"-models", "clip", "-immich-others", "there"},
		"flag -model is unknown; the nearest is -models":          {"-model", "clip"},
		`unexpected argument "clip"; models are given with -mode`: {"clip"},
	} {
		code, stdout, stderr := call(t, none, args...)
		assert.Equal(t, cli.ExitUsage, code, stderr)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, say)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
	code, stdout, _ := call(t, none, "-h")
	assert.Equal(t, cli.ExitFine, code)
	assert.Contains(t, stdout, "-models NAME[=SOURCE]")
	code, stdout, _ = call(t, none, "-version")
	assert.Equal(t, cli.ExitFine, code)
	assert.Contains(t, stdout, cli.Version)
}

func TestParse(t *testing.T) {
	var o options
	require.NoError(t, o.parse([]string{"-models", "clip,sd=./x", "-models", "clip=a/b", "-memory", "5G", "-max-body", "8MiB", "-listen", "0.0.0.0:1"}, func(name string) string {
		return map[string]string{"SACCADE_API_KEY": "k"}[name]
	}))
	assert.Equal(t, []string{"clip", "sd", "a/b"}, []string{o.models[0].ID, o.models[1].ID, o.models[2].ID})
	assert.Equal(t, []any{int64(5 << 30), int64(8 << 20), "k"}, []any{o.memory, o.limits.Body, o.key})
}

// started is the command in a process of its own.
type started struct {
	*exec.Cmd
	url string
	log *bufio.Scanner
}

// start starts it and waits until it is ready.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, append([]string{"-listen", "127.0.0.1:0", "-log", "json"}, args...)...)
	cmd.Env = append(os.Environ(), "SACCADE_TEST_MAIN=1")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	s := &started{Cmd: cmd, log: bufio.NewScanner(stderr)}
	s.until(t, "ready")
	return s
}

// until reads the log up to a message.
func (s *started) until(t *testing.T, message string) {
	t.Helper()
	for s.log.Scan() {
		var line struct{ Msg, URL string }
		if json.Unmarshal(s.log.Bytes(), &line) != nil {
			continue
		}
		if line.URL != "" {
			s.url = line.URL
		}
		if line.Msg == message {
			return
		}
	}
	require.Fail(t, "the log ended", "without %q", message)
}

// ask sends a document and reads the answer.
func (s *started) ask(t *testing.T, path, document string, into any) {
	t.Helper()
	r, err := http.Post(s.url+path, "application/json", strings.NewReader(document))
	require.NoError(t, err)
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode, "%s", answer)
	require.NoError(t, json.Unmarshal(answer, into))
}

// jpeg is a file as a data URL.
func jpeg(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data)
}

// SIGTERM ends the server when the requests that are there have been answered.
func TestStop(t *testing.T) {
	s := start(t, "-models", "sd")
	answer := make(chan int, 1)
	go func() {
		r, err := http.Post(s.url+"/v1/images/generations", "application/json", strings.NewReader(`{"prompt":"red apple","steps":30}`))
		if !assert.NoError(t, err) {
			answer <- 0
			return
		}
		_, err = io.Copy(io.Discard, r.Body)
		assert.NoError(t, err)
		answer <- r.StatusCode
	}()
	require.Eventually(t, func() bool {
		r, err := http.Get(s.url + "/metrics")
		require.NoError(t, err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return strings.Contains(string(text), "saccade_requests_in_flight 1")
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, s.Process.Signal(syscall.SIGTERM))
	s.until(t, "stopping")
	assert.Equal(t, http.StatusOK, <-answer)
	assert.NoError(t, s.Wait())
	_, err := http.Get(s.url + "/health")
	assert.Error(t, err)
}

// What is there when the time for it is over is cut off.
func TestStopCutsOff(t *testing.T) {
	s := start(t, "-models", "sd", "-grace", "100ms")
	broken := make(chan error, 1)
	r, err := http.Post(s.url+"/v1/images/generations", "application/json", strings.NewReader(`{"prompt":"red apple","steps":150,"stream":true,"partial_images":100}`))
	require.NoError(t, err)
	go func() {
		_, err := io.Copy(io.Discard, r.Body)
		broken <- err
	}()
	require.NoError(t, s.Process.Signal(syscall.SIGTERM))
	began := time.Now()
	s.until(t, "requests are cut off: the time for them is over")
	assert.NoError(t, s.Wait())
	assert.Error(t, <-broken)
	assert.Less(t, time.Since(began), 10*time.Second)
}

// A model that is none ends the server, and so does a port that is taken.
func TestFailures(t *testing.T) {
	none := func(string) string { return "" }
	code, _, stderr := call(t, none, "-models", "clip="+t.TempDir(), "-listen", "127.0.0.1:0")
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, stderr, "serve: model clip: ")

	s := start(t, "-models", "vit")
	code, _, stderr = call(t, none, "-models", "vit", "-listen", strings.TrimPrefix(s.url, "http://"))
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, stderr, "address already in use")
	code, _, _ = call(t, none, "-models", "vit", "-listen", "127.0.0.1:0", "-adapter", "no such thing")
	assert.Equal(t, cli.ExitNoAdapter, code)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var b bytes.Buffer
	assert.Equal(t, cli.ExitFine, run(ctx, []string{"-models", "vit", "-listen", "127.0.0.1:0"}, io.Discard, &b, none), b.String())
}
