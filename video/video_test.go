package video

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

// needed skips a test where ffmpeg is not installed.
func needed(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
}

// grey is a picture of one colour, brighter from left to right.
func grey(w, h, level int) *picture.Image {
	m := picture.New(w, h)
	for i := range m.Pix {
		m.Pix[i] = uint8(level + i/3%w/2)
	}
	return m
}

// written is a file of n frames that become brighter.
func written(t *testing.T, w, h, n int, rate float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.mp4")
	v, err := Create(t.Context(), path, w, h, rate)
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, v.Add(grey(w, h, 20*i)))
	}
	require.NoError(t, v.Close())
	return path
}

func all(t *testing.T, r *Reader) (frames []*Frame, err error) {
	t.Helper()
	defer r.Close()
	for {
		f, err := r.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

// What was written is read, frame by frame, of odd sizes and from a pipe too.
func TestFrames(t *testing.T) {
	needed(t)
	path := written(t, 67, 43, 9, 12.5)
	r, err := Open(t.Context(), path, Options{})
	require.NoError(t, err)
	frames, err := all(t, r)
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, frames, 9)
	assert.Equal(t, 12.5, r.Rate())
	for i, f := range frames {
		assert.Equal(t, [2]int{68, 44}, [2]int{f.Image.W, f.Image.H})
		assert.Equal(t, i, f.Index)
		assert.InDelta(t, float64(i)/12.5, f.Time, 1e-9)
		for _, x := range []int{0, 30, 66, 67} {
			assert.InDelta(t, 20*i+min(x, 66)/2, f.Image.Pix[3*(20*68+x)], 5, "frame %d, column %d", i, x)
		}
	}
	matroska := filepath.Join(t.TempDir(), "x.mkv")
	require.NoError(t, exec.Command("ffmpeg", "-loglevel", "error", "-i", path, "-c", "copy", matroska).Run())
	text, err := os.ReadFile(matroska)
	require.NoError(t, err)
	r, err = Open(t.Context(), "-", Options{Stdin: bytes.NewReader(text)})
	require.NoError(t, err)
	frames, err = all(t, r)
	require.ErrorIs(t, err, io.EOF)
	assert.Len(t, frames, 9)
}

// A damaged video gives the frames before, then says so; what is none gives none.
func TestDamaged(t *testing.T) {
	needed(t)
	path := written(t, 64, 48, 40, 25)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, text := range map[string][]byte{"half": whole[:len(whole)/2], "text": []byte("no video at all"), "empty": {}} {
		bad := filepath.Join(t.TempDir(), name+".mp4")
		require.NoError(t, os.WriteFile(bad, text, 0o644))
		r, err := Open(t.Context(), bad, Options{})
		require.NoError(t, err)
		frames, err := all(t, r)
		assert.ErrorContains(t, err, bad, name)
		assert.ErrorContains(t, err, "ffmpeg", name)
		assert.NotErrorIs(t, err, io.EOF)
		assert.Less(t, len(frames), 40)
	}
	matroska := filepath.Join(t.TempDir(), "x.mkv")
	require.NoError(t, exec.Command("ffmpeg", "-loglevel", "error", "-i", path, "-c", "copy", matroska).Run())
	text, err := os.ReadFile(matroska)
	require.NoError(t, err)
	for i := len(text) / 2; i < len(text)/2+300; i++ {
		text[i] ^= 0x55
	}
	require.NoError(t, os.WriteFile(matroska, text, 0o644))
	r, err := Open(t.Context(), matroska, Options{})
	require.NoError(t, err)
	frames, err := all(t, r)
	assert.NotEmpty(t, frames)
	assert.ErrorContains(t, err, "ffmpeg says", "damaged within")
}

// Files, cameras and programs that are not there are named in a line.
func TestMissing(t *testing.T) {
	_, err := Open(t.Context(), "nowhere.mp4", Options{})
	assert.EqualError(t, err, "video nowhere.mp4: "+syscall.ENOENT.Error())
	_, err = OpenCamera(t.Context(), 87)
	assert.ErrorContains(t, err, "camera 87: ")
	assert.ErrorContains(t, Writable("x.avi"), "x.avi: videos are written as .mkv, .mov, .mp4, .webm")
	path := filepath.Join(t.TempDir(), "x.mp4")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	t.Setenv("PATH", t.TempDir())
	_, err = Open(t.Context(), path, Options{})
	assert.ErrorContains(t, err, "by the program ffmpeg, which is not found")
	_, err = Create(t.Context(), path, 2, 2, 25)
	assert.ErrorContains(t, err, "by the program ffmpeg, which is not found")
}

// A slow looker gets the newest frame, and is told how many were missed; all come to an end.
func TestLatest(t *testing.T) {
	needed(t)
	r, err := Open(t.Context(), written(t, 32, 32, 30, 25), Options{})
	require.NoError(t, err)
	defer r.Close()
	frames, end := r.Latest(t.Context())
	seen, last := 0, -1
	for f := range frames {
		assert.Greater(t, f.Index, last)
		last = f.Index
		if seen++; seen == 1 {
			require.Eventually(t, func() bool { return len(frames) > 0 }, 10*time.Second, time.Millisecond)
		}
	}
	missed, err := end()
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, 30, seen+missed)
	assert.Equal(t, 29, last)
}

// A frame is read as the format says, and others are refused.
func TestPPM(t *testing.T) {
	for text, want := range map[string]string{"P5\n1 1\n255\nx": `"P5"`, "P6\n0 1\n255\n": "0×1", "P6\n1 1\n65535\nxx": "65535", "P6\n9 9\n255\nabc": "cut off", "P6\n99999999 99999999\n255\n": "99999999"} {
		_, err := readPPM(bufio.NewReader(strings.NewReader(text)))
		assert.ErrorContains(t, err, want, text)
	}
	m, err := readPPM(bufio.NewReader(strings.NewReader("P6\n2 1\n255\n\n\n23 5")))
	require.NoError(t, err)
	assert.Equal(t, "\n\n23 5", string(m.Pix), "what looks like space is samples")
	_, err = readPPM(bufio.NewReader(strings.NewReader("")))
	assert.Equal(t, io.EOF, err)
}

// A writer that is given up leaves nothing behind, and one that fails says why.
func TestAbandoned(t *testing.T) {
	needed(t)
	dir := t.TempDir()
	v, err := Create(t.Context(), filepath.Join(dir, "a.mp4"), 16, 16, 25)
	require.NoError(t, err)
	require.NoError(t, v.Add(grey(16, 16, 9)))
	assert.ErrorContains(t, v.Add(grey(16, 18, 9)), "16×18 pixels among those of 16×16")
	v.Abandon()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	_, err = Create(t.Context(), filepath.Join(dir, "no", "a.mp4"), 16, 16, 25)
	assert.ErrorContains(t, err, "no")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Open(ctx, written(t, 64, 64, 60, 25), Options{Paced: true})
	require.NoError(t, err)
	_, err = r.Next()
	require.NoError(t, err)
	cancel()
	for err == nil {
		_, err = r.Next()
	}
	assert.ErrorIs(t, err, context.Canceled)
}
