package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
)

// coldVariable carries a coldRequest to the new process.
const coldVariable = "SACCADE_BENCH_COLD"

// coldRequest asks a new process for the time of a first run.
type coldRequest struct {
	Spec             spec
	Adapter, Backend string
	Tuning           string // the file of ways
	Started          int64  // nanoseconds since 1970 before the process was started
}

// coldStart measures, in a new process without the driver's cache of compiled
// shaders, the time from its start to the first read-back, without the part
// in which random weights are drawn, in milliseconds.
func (b *bench) coldStart(ctx context.Context, s spec) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("timing the cold start: %w", err)
	}
	backend, err := b.choice.BackendName(b.getenv)
	if err != nil {
		return 0, err
	}
	request, err := json.Marshal(coldRequest{Spec: s, Adapter: b.choice.AdapterText(b.getenv), Backend: backend, Tuning: b.choice.File, Started: time.Now().UnixNano()})
	if err != nil {
		return 0, fmt.Errorf("timing the cold start: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), coldVariable+"="+string(request), "MESA_SHADER_CACHE_DISABLE=true")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("timing the cold start of %s in a new process: %w: %s", s, err, strings.TrimSpace(stderr.String()))
	}
	var ms float64
	if err := json.Unmarshal(stdout.Bytes(), &ms); err != nil {
		return 0, fmt.Errorf("timing the cold start of %s: the new process said %q", s, stdout.String())
	}
	return ms, nil
}

// coldChild is the new process: it prints the milliseconds.
func coldChild(ctx context.Context, request string, stdout, stderr io.Writer, getenv func(string) string) int {
	var r coldRequest
	b := &bench{stdout: stdout, stderr: stderr, getenv: getenv}
	err := json.Unmarshal([]byte(request), &r)
	if err == nil {
		b.choice = cli.Choice{Adapter: r.Adapter, Backend: r.Backend, Tuning: cli.Tuning{File: r.Tuning}}
		err = b.runCold(ctx, r)
	}
	return cli.Exit(ctx, stderr, command, err)
}

func (b *bench) runCold(ctx context.Context, r coldRequest) error {
	if err := b.open(); err != nil {
		return err
	}
	defer b.dev.Close()
	s, err := r.Spec.open(ctx, b.dev)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.run(ctx); err != nil {
		return err
	}
	took := time.Since(time.Unix(0, r.Started)) - s.drawn
	return json.NewEncoder(b.stdout).Encode(took.Seconds() * 1e3)
}
