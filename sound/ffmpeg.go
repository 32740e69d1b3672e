package sound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// conversionTime bounds ffmpeg's work on a file: it decodes some hundred seconds a
// second.
const conversionTime = 10 * time.Minute

// convert reads the first sound track of a file by ffmpeg, in its own rate and
// channels. why says that it is none of ours.
func convert(ctx context.Context, path string, why error, o Options) (*Sound, error) {
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, fmt.Errorf("%w, and ffmpeg, which reads others, is not found (%w); install it or give a WAV file", why, errors.Unwrap(err))
	}
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, conversionTime)
	defer cancel()
	// Playlists may name other files, but no hosts.
	cmd := exec.CommandContext(ctx, program, "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file",
		"-i", "file:"+path, "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1")
	cmd.WaitDelay = time.Second
	var said tail
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("running ffmpeg: %w", err)
	}
	s, err := decode(ctx, out, o)
	if err != nil {
		out.Close() // which ends a program that has not come to its end
	}
	failed := cmd.Wait()
	switch {
	case asked.Err() != nil:
		return nil, asked.Err()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("ffmpeg has not read it within %v", conversionTime)
	case err == nil && failed == nil:
		return s, nil
	case err != nil && !errors.Is(err, errForeign):
		return nil, err
	case said.line() != "":
		return nil, fmt.Errorf("ffmpeg: %s", said.line())
	}
	if failed != nil {
		err = failed
	}
	return nil, fmt.Errorf("ffmpeg gave no sound: %w", err)
}

// tail keeps the end of what is written.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	t.text = bytes.Clone(t.text[max(0, len(t.text)-4096):])
	return len(b), nil
}

// line is the last line that says something, cut where it is long.
func (t *tail) line() string {
	const most = 150
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	last := []rune(strings.ToValidUTF8(strings.TrimSpace(lines[len(lines)-1]), "?"))
	if len(last) > most {
		return string(last[:most]) + "…"
	}
	return string(last)
}
