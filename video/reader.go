package video

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"saccade/picture"
)

// Frame is one of a video.
type Frame struct {
	Image *picture.Image // as it is seen: turned as the file says
	Index int            // from 0 on
	Time  float64        // seconds from the first, by the rate
	Read  time.Time      // when it was there
}

// Reader gives the frames of a video.
type Reader struct {
	Name string

	cmd    *exec.Cmd
	ctx    context.Context
	out    *bufio.Reader
	pipe   io.Closer
	said   *messages
	frames int
	ended  error // what Next gives from the end on
}

// extensions are of files that are taken for videos.
var extensions = []string{".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".ogv", ".3gp", ".y4m"}

// Is says that a path is of a video: by its extension, or "-", the standard input.
func Is(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	for _, e := range extensions {
		if e == ext {
			return true
		}
	}
	return path == "-"
}

// Options say how a video is read.
type Options struct {
	Stdin io.Reader // what "-" is
	Paced bool      // frames come when they are to be shown, not as fast as they are read
}

// Open begins to read a file, or the standard input for "-". The caller closes the reader, and
// ctx ends it.
func Open(ctx context.Context, path string, o Options) (*Reader, error) {
	r := &Reader{Name: path}
	var args []string
	if o.Paced {
		args = append(args, "-re")
	}
	if path == "-" {
		r.Name = "standard input"
		return r, r.start(ctx, o.Stdin, append(args, "-protocol_whitelist", "pipe", "-i", "pipe:0"))
	}
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, fmt.Errorf("video %s: %w", path, errors.Unwrap(err))
	case info.IsDir():
		return nil, fmt.Errorf("video %s: it is a folder", path)
	}
	// Playlists may name other files, but no hosts.
	return r, r.start(ctx, nil, append(args, "-protocol_whitelist", "file", "-i", "file:"+path))
}

// cameras begins the names of Linux's devices.
const cameras = "/dev/video"

// OpenCamera begins to read the camera of a number, on Linux by its Video4Linux device.
func OpenCamera(ctx context.Context, n int) (*Reader, error) {
	r := &Reader{Name: fmt.Sprintf("camera %d", n)}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("%s: cameras are read on Linux alone; pipe what reads yours into -image -", r.Name)
	}
	device := fmt.Sprintf("%s%d", cameras, n)
	if _, err := os.Stat(device); err != nil {
		others, _ := filepath.Glob(cameras + "*")
		there := "there is no " + cameras + "N"
		if len(others) > 0 {
			there = "there are " + strings.Join(others, ", ")
		}
		return nil, fmt.Errorf("%s: %s: %w; %s", r.Name, device, errors.Unwrap(err), there)
	}
	return r, r.start(ctx, nil, []string{"-fflags", "nobuffer", "-f", "v4l2", "-i", device})
}

// program finds ffmpeg.
func program(name string) (string, error) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return "", fmt.Errorf("%s: videos are read and written by the program ffmpeg, which is not found (%w); install it", name, errors.Unwrap(err))
	}
	return path, nil
}

// start runs ffmpeg, which writes the frames as pictures of the PPM format one after the other.
func (r *Reader) start(ctx context.Context, stdin io.Reader, input []string) error {
	path, err := program(r.Name)
	if err != nil {
		return err
	}
	args := append([]string{"-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"}, input...)
	args = append(args, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "image2pipe", "-c:v", "ppm", "pipe:1")
	r.ctx, r.said = ctx, &messages{}
	r.cmd = exec.CommandContext(ctx, path, args...)
	r.cmd.WaitDelay = time.Second
	r.cmd.Stdin, r.cmd.Stderr = stdin, r.said
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("%s: running ffmpeg: %w", r.Name, err)
	}
	r.out, r.pipe = bufio.NewReaderSize(out, 1<<20), out
	return nil
}

// Rate is the frames a second that the video says it has, 25 if it says none. It is known when
// the first frame is there.
func (r *Reader) Rate() float64 {
	if rate := r.said.rate(); rate > 0 {
		return rate
	}
	return 25
}

// Next is the next frame, or io.EOF behind the last. A video that is damaged gives its frames
// first, then the error.
func (r *Reader) Next() (*Frame, error) {
	if r.ended != nil {
		return nil, r.ended
	}
	img, err := readPPM(r.out)
	if err != nil {
		r.ended = r.end(err)
		return nil, r.ended
	}
	f := &Frame{Image: img, Index: r.frames, Time: float64(r.frames) / r.Rate(), Read: time.Now()}
	r.frames++
	return f, nil
}

// end finds out why there are no more frames.
func (r *Reader) end(err error) error {
	r.pipe.Close() // which ends a program that has not come to its end
	failed := r.cmd.Wait()
	switch line := r.said.failure(); {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case line != "":
		return fmt.Errorf("video %s: after %d frames ffmpeg says: %s", r.Name, r.frames, line)
	case failed != nil:
		return fmt.Errorf("video %s: after %d frames ffmpeg ended: %w", r.Name, r.frames, failed)
	case errors.Is(err, io.EOF) && r.frames > 0:
		return io.EOF
	case errors.Is(err, io.EOF):
		return fmt.Errorf("video %s: ffmpeg found no frame in it", r.Name)
	}
	return fmt.Errorf("video %s: after %d frames: %w", r.Name, r.frames, err)
}

// Close ends the reading.
func (r *Reader) Close() {
	if r.ended == nil {
		r.ended = io.EOF
		r.pipe.Close()
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	}
}

// mostPixels is the largest frame that is read: 16 times 4K.
const mostPixels = 1 << 27

// readPPM reads a picture of the binary PPM format with 8 bits a sample; io.EOF where none
// begins.
func readPPM(in *bufio.Reader) (*picture.Image, error) {
	var kind string
	var w, h, most int
	if _, err := in.Peek(1); err != nil {
		return nil, io.EOF
	}
	if _, err := fmt.Fscanf(in, "%2s\n%d %d\n%d\n", &kind, &w, &h, &most); err != nil || kind != "P6" || most != 255 || min(w, h) < 1 || w > mostPixels/h {
		return nil, fmt.Errorf("found a frame %q of %d×%d with samples up to %d; expected P6 up to 255 (%v)", kind, w, h, most, err)
	}
	m := picture.New(w, h)
	if _, err := io.ReadFull(in, m.Pix); err != nil {
		return nil, fmt.Errorf("a frame of %d×%d is cut off: %w", w, h, err)
	}
	return m, nil
}

// Latest gives the frames of a reader, but misses those that come while the one before is
// still looked at. missed, once the channel is closed, is how many those were; the error is the
// reader's.
func (r *Reader) Latest(ctx context.Context) (frames <-chan *Frame, end func() (missed int, err error)) {
	to := make(chan *Frame, 1)
	missed, err, done := 0, error(nil), make(chan struct{})
	go func() {
		defer close(done)
		defer close(to)
		for ctx.Err() == nil {
			var f *Frame
			if f, err = r.Next(); err != nil {
				return
			}
			select {
			case to <- f:
				continue
			default:
			}
			select {
			case <-to: // the one before has not been taken
				missed++
			default:
			}
			to <- f // there is room: nobody else sends
		}
		err = ctx.Err()
	}()
	return to, func() (int, error) { <-done; return missed, err }
}

// Stop has the frames end, as a reader that is not needed any more does.
func (r *Reader) Stop() { _ = r.cmd.Process.Kill() }
