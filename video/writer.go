package video

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"saccade/picture"
)

// formats are those that files are written in, by their extensions.
var formats = map[string]string{".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}

// Writable says whether files of a name's extension can be written, and if not which can.
func Writable(path string) error {
	if formats[strings.ToLower(filepath.Ext(path))] == "" {
		return fmt.Errorf("%s: videos are written as %s", path, strings.Join(slices.Sorted(func(yield func(string) bool) {
			for ext := range formats {
				if !yield(ext) {
					return
				}
			}
		}), ", "))
	}
	return nil
}

// Writer writes a video.
type Writer struct {
	path, beside string
	w, h         int
	cmd          *exec.Cmd
	in           io.WriteCloser
	said         *messages
}

// Create begins a file of frames of w×h pixels at a rate. It stands under its name once
// [Writer.Close] has succeeded. H.264 and most others want even sides: of an odd one the last
// pixels stand twice.
func Create(ctx context.Context, path string, w, h int, rate float64) (*Writer, error) {
	if err := Writable(path); err != nil {
		return nil, err
	}
	tool, err := program(path)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".video-*"+filepath.Ext(path))
	if err != nil {
		return nil, fmt.Errorf("video %s: %w", path, err)
	}
	f.Close()
	v := &Writer{path: path, beside: f.Name(), w: w, h: h, said: &messages{}}
	v.cmd = exec.CommandContext(ctx, tool, "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+error", "-y",
		"-f", "rawvideo", "-pix_fmt", "rgb24", "-s", fmt.Sprintf("%dx%d", w, h), "-r", strconv.FormatFloat(rate, 'g', -1, 64), "-i", "pipe:0",
		"-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,fillborders=right="+strconv.Itoa(w%2)+":bottom="+strconv.Itoa(h%2), "-pix_fmt", "yuv420p", "-f", formats[strings.ToLower(filepath.Ext(path))], "file:"+v.beside)
	v.cmd.WaitDelay, v.cmd.Stderr = time.Second, v.said
	if v.in, err = v.cmd.StdinPipe(); err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		os.Remove(v.beside)
		return nil, fmt.Errorf("video %s: running ffmpeg: %w", path, err)
	}
	return v, nil
}

// Add writes a frame.
func (v *Writer) Add(m *picture.Image) error {
	if m.W != v.w || m.H != v.h {
		return fmt.Errorf("video %s: found a frame of %d×%d pixels among those of %d×%d", v.path, m.W, m.H, v.w, v.h)
	}
	if _, err := v.in.Write(m.Pix); err != nil {
		v.in.Close()
		return v.failed(errors.Join(err, v.cmd.Wait()))
	}
	return nil
}

// Close ends the file and gives it its name.
func (v *Writer) Close() error {
	v.in.Close()
	if err := v.cmd.Wait(); err != nil {
		return v.failed(err)
	}
	err := os.Chmod(v.beside, 0o644)
	if err == nil {
		err = os.Rename(v.beside, v.path)
	}
	if err != nil {
		os.Remove(v.beside)
		return fmt.Errorf("video %s: %w", v.path, err)
	}
	return nil
}

// Abandon leaves no file behind.
func (v *Writer) Abandon() {
	v.in.Close()
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait()
	os.Remove(v.beside)
}

func (v *Writer) failed(err error) error {
	os.Remove(v.beside)
	if line := v.said.failure(); line != "" {
		err = errors.New(line)
	}
	return fmt.Errorf("video %s: ffmpeg: %w", v.path, err)
}
