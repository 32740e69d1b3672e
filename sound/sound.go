package sound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sound is one channel of samples, of which full scale is 1.
type Sound struct {
	Rate    int // samples a second
	Samples []float32
}

// Seconds is how long it lasts.
func (s *Sound) Seconds() float64 { return float64(len(s.Samples)) / float64(s.Rate) }

// The sample rates that are read and made, in Hz.
const (
	MinRate = 1_000
	MaxRate = 768_000
)

// DefaultMaxSeconds bounds what is read: 6 hours.
const DefaultMaxSeconds = 6 * 3600

// Options say how a file is read. The zero value keeps its rate.
type Options struct {
	Rate       int // samples a second to resample to; 0: the file's own
	MaxSeconds int // of sound, beyond which it is refused; 0: [DefaultMaxSeconds]
}

func (o Options) check() error {
	if o.Rate != 0 && !sensible(o.Rate) {
		return fmt.Errorf("resampling to %d Hz; expected %d to %d", o.Rate, MinRate, MaxRate)
	}
	if o.MaxSeconds < 0 {
		return fmt.Errorf("reading at most %d seconds; expected a positive number", o.MaxSeconds)
	}
	return nil
}

func sensible(rate int) bool { return rate >= MinRate && rate <= MaxRate }

// extensions of sounds, lower case: WAV's and those of formats that ffmpeg reads.
var extensions = []string{".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wave", ".wma"}

// HasSoundExtension reports whether a file's name ends like a sound. [Open] itself goes by
// content, never by name.
func HasSoundExtension(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// errForeign is a file that is whole, for all we know, and not ours to read.
var errForeign = errors.New("not WAV of PCM or floats")

// Open reads a sound file: WAV by [Decode], all else by ffmpeg, which ends with ctx.
func Open(ctx context.Context, path string, o Options) (*Sound, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("sound %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Sound, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder; expected a file")
	}
	s, err := decode(ctx, f, o)
	if errors.Is(err, errForeign) {
		return convert(ctx, path, err, o)
	}
	return s, err
}

// withoutPath is an error of package os without the path, which the caller names.
func withoutPath(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Decode reads WAV: PCM of 8 to 32 bits, floats of 32 and 64, plain or "extensible",
// of any number of channels, and longer than 4 GB (RF64) too.
func Decode(r io.Reader, o Options) (*Sound, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return decode(context.Background(), r, o)
}

func decode(ctx context.Context, r io.Reader, o Options) (*Sound, error) {
	w, err := readHeader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return nil, err
	}
	s := &Sound{Rate: o.Rate}
	if o.Rate == 0 {
		s.Rate = w.rate
	}
	most := o.MaxSeconds
	if most == 0 {
		most = DefaultMaxSeconds
	}
	to := newResampler(w.rate, s.Rate)
	for {
		mono, err := w.next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if w.frames > most*w.rate {
			return nil, fmt.Errorf("it is longer than %d seconds; cut it", most)
		}
		if s.Samples = to.write(s.Samples, mono); len(mono) == 0 {
			break
		}
	}
	if w.frames == 0 {
		return nil, errors.New("it holds no samples: 0 seconds")
	}
	return s, nil
}
