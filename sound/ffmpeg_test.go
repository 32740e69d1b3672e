package sound

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pretend puts a script in ffmpeg's place, the only program that is found, and gives a
// file that is not WAV.
func pretend(t *testing.T, script string) (file string) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	dir := t.TempDir()
	if script != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	t.Setenv("PATH", dir)
	file = filepath.Join(dir, "-x.mp3")
	require.NoError(t, os.WriteFile(file, []byte("ID3 and so on, long enough"), 0o644))
	return file
}

func TestFFmpeg(t *testing.T) {
	wav, err := filepath.Abs(filepath.Join(goldenDir, "src", "s16_stereo.wav"))
	require.NoError(t, err)
	file := pretend(t, "")
	// It is given the file by a name that is no flag.
	script := fmt.Sprintf("case \"$*\" in *'-i file:%s -map'*) exec /bin/cat '%s';; esac; exit 8", file, wav)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "ffmpeg"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	got, err := Open(t.Context(), file, Options{Rate: 16000})
	require.NoError(t, err)
	assert.Equal(t, goldenSound(t, "s16_stereo.wav", 16000), got)
}

// What ffmpeg says is in the error, in one line.
func TestFFmpegRefuses(t *testing.T) {
	for script, want := range map[string]string{
		"": "not WAV of PCM or floats, and ffmpeg, which reads others, is not found (executable file not found in $PATH); install it",
		"echo first >&2; echo 'no such stream, é' >&2; exit 1": "ffmpeg: no such stream, é",
		"exit 3":                        "ffmpeg gave no sound: exit status 3",
		"printf '%0999d' 1 >&2; exit 1": strings.Repeat("0", 150) + "…",
		"echo no sound; exit 0":         "ffmpeg gave no sound: not WAV",
	} {
		file := pretend(t, script)
		_, err := Open(t.Context(), file, Options{})
		assert.ErrorContains(t, err, "sound "+file+": ", script)
		assert.ErrorContains(t, err, want, script)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// Cancelling ends a program that does not end by itself.
func TestFFmpegCancel(t *testing.T) {
	file := pretend(t, "exec /bin/sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Open(ctx, file, Options{})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 20*time.Second)
}

// The real one gives what WAV holds, of a lossless format.
func TestRealFFmpeg(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("there is no ffmpeg")
	}
	file := filepath.Join(t.TempDir(), "x.flac")
	out, err := exec.Command(ffmpeg, "-loglevel", "error", "-i", filepath.Join(goldenDir, "src", "s16_stereo.wav"), file).CombinedOutput()
	require.NoError(t, err, string(out))
	got, err := Open(t.Context(), file, Options{Rate: 16000})
	require.NoError(t, err)
	assert.Equal(t, goldenSound(t, "s16_stereo.wav", 16000), got)
	text := filepath.Join(t.TempDir(), "x.txt")
	require.NoError(t, os.WriteFile(text, []byte("this is a text, no sound"), 0o644))
	_, err = Open(t.Context(), text, Options{})
	assert.ErrorContains(t, err, "ffmpeg: ")
}
