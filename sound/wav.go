package sound

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The format tags of WAVE files that are read.
const (
	tagPCM        = 1
	tagFloat      = 3
	tagExtensible = 0xFFFE
)

// subtype ends the 16 bytes that tell an extensible file's format, whose first two
// are the tag.
const subtype = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71"

// wav reads the samples of a file whose header is read.
type wav struct {
	r        io.Reader // of the data chunk, to its end or the file's
	rate     int       // frames a second
	channels int
	bytes    int // of a sample
	float    bool
	frames   int // read so far

	raw  []byte
	mono []float64
}

// readHeader reads the chunks up to the samples. An error that is [errForeign] means
// that the file may be sound of another format.
func readHeader(r *bufio.Reader) (*wav, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errForeign
		}
		return nil, withoutPath(err)
	}
	if id := string(riff[:4]); id != "RIFF" && id != "RF64" || string(riff[8:]) != "WAVE" {
		return nil, errForeign
	}
	var w *wav
	large := int64(math.MaxInt64) // of a data chunk that is too large for its size
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, ended(err, "before its samples: there is no data chunk")
		}
		id, size := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		switch {
		case id == "data" && w == nil:
			return nil, errors.New("WAV: its samples come before their format (chunk fmt)")
		case id == "data":
			if size == math.MaxUint32 {
				size = large
			}
			w.r = io.LimitReader(r, size)
			return w, nil
		case id == "ds64":
			var err error
			if large, err = readLarge(r, size); err != nil {
				return nil, err
			}
		case id == "fmt " && w == nil:
			var err error
			if w, err = readFormat(r, size); err != nil {
				return nil, err
			}
		default:
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
				return nil, ended(err, fmt.Sprintf("within the chunk %q", id))
			}
		}
	}
}

// readLarge reads the chunk ds64 of files of more than 4 GB: how many bytes of samples
// there are. Those that were written into a pipe have neither size: all that follows.
func readLarge(r io.Reader, size int64) (int64, error) {
	var head [16]byte
	if size < int64(len(head)) {
		return 0, fmt.Errorf("WAV: the chunk ds64 has %d bytes; expected 16 or more", size)
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, ended(err, "within the chunk ds64")
	}
	if _, err := io.CopyN(io.Discard, r, size-int64(len(head))+size%2); err != nil {
		return 0, ended(err, "within the chunk ds64")
	}
	return int64(min(binary.LittleEndian.Uint64(head[8:]), math.MaxInt64)), nil
}

// ended says where a file ended.
func ended(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("WAV: the file ends %s", where)
	}
	return withoutPath(err)
}

// readFormat reads the chunk fmt.
func readFormat(r io.Reader, size int64) (*wav, error) {
	if size < 16 {
		return nil, fmt.Errorf("WAV: the chunk fmt has %d bytes; expected 16 or more", size)
	}
	head := make([]byte, min(size, 40))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, ended(err, "within the chunk fmt")
	}
	if _, err := io.CopyN(io.Discard, r, size-int64(len(head))+size%2); err != nil {
		return nil, ended(err, "within the chunk fmt")
	}
	tag := int(binary.LittleEndian.Uint16(head))
	if tag == tagExtensible && len(head) == 40 && string(head[26:]) == subtype {
		tag = int(binary.LittleEndian.Uint16(head[24:]))
	}
	if tag != tagPCM && tag != tagFloat {
		return nil, fmt.Errorf("%w: WAV of format %d", errForeign, tag)
	}
	block, bits := int(binary.LittleEndian.Uint16(head[12:])), int(binary.LittleEndian.Uint16(head[14:]))
	w := &wav{channels: int(binary.LittleEndian.Uint16(head[2:])), bytes: (bits + 7) / 8, float: tag == tagFloat}
	rate := binary.LittleEndian.Uint32(head[4:])
	switch {
	case w.channels == 0:
		return nil, errors.New("WAV: it has 0 channels")
	case rate < MinRate || rate > MaxRate:
		return nil, fmt.Errorf("WAV: its rate is %d Hz; expected %d to %d", rate, MinRate, MaxRate)
	case w.float && bits != 32 && bits != 64, !w.float && (bits < 1 || bits > 32):
		return nil, fmt.Errorf("WAV: samples of %d bits (format %d); expected PCM of 1 to 32 or floats of 32 or 64", bits, tag)
	case block != w.channels*w.bytes:
		return nil, fmt.Errorf("WAV: a frame of %d channels of %d bits takes %d bytes, the file says %d", w.channels, bits, w.channels*w.bytes, block)
	}
	w.rate = int(rate)
	frames := max(1, 1<<16/block)
	w.raw, w.mono = make([]byte, frames*block), make([]float64, frames)
	return w, nil
}

// next are the means over the channels of the frames that follow; none at the end. They
// are valid until the next call.
func (w *wav) next() ([]float64, error) {
	n, err := io.ReadFull(w.r, w.raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, withoutPath(err)
	}
	frames := n / (w.channels * w.bytes)
	for i := range frames {
		sum := 0.0
		for c := range w.channels {
			sum += w.sample(w.raw[(i*w.channels+c)*w.bytes:])
		}
		if !(math.Abs(sum) <= math.MaxFloat32) {
			return nil, fmt.Errorf("WAV: the samples at %.3f seconds are NaN, Inf or beyond float32's", float64(w.frames+i)/float64(w.rate))
		}
		w.mono[i] = sum / float64(w.channels)
	}
	w.frames += frames
	return w.mono[:frames], nil
}

// sample is the first sample of b. PCM of bits that are no multiple of 8 fills the
// upper bits of its bytes.
func (w *wav) sample(b []byte) float64 {
	switch {
	case w.float && w.bytes == 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case w.float:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case w.bytes == 1:
		return (float64(b[0]) - 128) / (1 << 7)
	case w.bytes == 2:
		return float64(int16(binary.LittleEndian.Uint16(b))) / (1 << 15)
	case w.bytes == 3:
		return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
	default:
		return float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31)
	}
}
