package sound

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chunks is a WAV file of chunks, each a name and its bytes.
func chunks(all ...any) []byte {
	body := []byte("WAVE")
	for i := 0; i < len(all); i += 2 {
		data := all[i+1].([]byte)
		body = append(body, all[i].(string)...)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
		body = append(append(body, data...), make([]byte, len(data)%2)...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// format is a chunk fmt.
func format(tag, channels, rate, bits int) []byte {
	block := channels * ((bits + 7) / 8)
	b := binary.LittleEndian.AppendUint16(nil, uint16(tag))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*block))
	b = binary.LittleEndian.AppendUint16(b, uint16(block))
	return binary.LittleEndian.AppendUint16(b, uint16(bits))
}

func decodeBytes(b []byte) (*Sound, error) { return Decode(bytes.NewReader(b), Options{}) }

// What a header may say, and what is refused by name.
func TestRefuses(t *testing.T) {
	pcm, data := format(1, 1, 8000, 16), make([]byte, 8)
	nan := binary.LittleEndian.AppendUint32(make([]byte, 4), math.Float32bits(float32(math.NaN())))
	huge := binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e300))
	badBlock := format(1, 2, 8000, 16)
	badBlock[12] = 3
	for want, b := range map[string][]byte{
		"not WAV":                              []byte("RIFF"),
		"not WAV of PCM":                       []byte("\x89PNG\r\n\x1a\n and more"),
		"no data chunk":                        chunks("fmt ", pcm),
		"within the chunk fm":                  chunks("fmt ", pcm)[:30],
		"0 seconds":                            chunks("fmt ", pcm, "data", []byte{}),
		"before their format":                  chunks("data", data, "fmt ", pcm),
		"has 8 bytes":                          chunks("fmt ", pcm[:8]),
		"of format 7":                          chunks("fmt ", format(7, 1, 8000, 8), "data", data),
		"of format 65534":                      chunks("fmt ", format(0xFFFE, 1, 8000, 16), "data", data),
		"0 channels":                           chunks("fmt ", format(1, 0, 8000, 16), "data", data),
		"rate is 5 Hz":                         chunks("fmt ", format(1, 1, 5, 16), "data", data),
		"rate is 4294967295":                   chunks("fmt ", format(1, 1, math.MaxUint32, 16), "data", data),
		"samples of 48 bits":                   chunks("fmt ", format(1, 1, 8000, 48), "data", data),
		"samples of 0 bits":                    chunks("fmt ", format(1, 1, 8000, 0), "data", data),
		"samples of 16 bits (format 3)":        chunks("fmt ", format(3, 1, 8000, 16), "data", data),
		"takes 4 bytes, the file says 3":       chunks("fmt ", badBlock, "data", data),
		"at 0.000 seconds are NaN":             chunks("fmt ", format(3, 1, 8000, 32), "data", nan[4:]),
		"NaN, Inf or beyond float32's":         chunks("fmt ", format(3, 1, 8000, 64), "data", huge),
		`the file ends within the chunk "LIS`:  append(chunks("fmt ", pcm), "LIST\xff\xff\xff\x7f"...),
		"the chunk ds64 has 4 bytes; expected": chunks("ds64", data[:4]),
	} {
		_, err := decodeBytes(b)
		if assert.ErrorContains(t, err, want) {
			assert.Less(t, len(err.Error()), 200)
		}
	}
	_, err := Decode(bytes.NewReader(nil), Options{Rate: 5})
	assert.ErrorContains(t, err, "resampling to 5 Hz; expected 1000 to 768000")
	_, err = Decode(bytes.NewReader(nil), Options{MaxSeconds: -1})
	assert.ErrorContains(t, err, "-1 seconds")
	second := chunks("fmt ", format(1, 1, 8000, 8), "data", make([]byte, 16001))
	_, err = Decode(bytes.NewReader(second), Options{MaxSeconds: 2})
	assert.ErrorContains(t, err, "longer than 2 seconds")
}

// A file that ends early is as long as what is there, without the last part of a frame;
// sizes that nobody knew mean all that follows.
func TestShortAndUnknown(t *testing.T) {
	whole := chunks("fmt ", format(1, 2, 8000, 16), "data", []byte{0, 64, 0, 64, 0, 192, 0, 192})
	want := []float32{0.5, -0.5}
	for name, b := range map[string][]byte{"whole": whole, "bytes after": append(bytes.Clone(whole), "LIST\x04\x00\x00\x00abcd"...)} {
		s, err := decodeBytes(b)
		require.NoError(t, err, name)
		assert.Equal(t, want, s.Samples, name)
	}
	s, err := decodeBytes(whole[:len(whole)-1])
	require.NoError(t, err)
	assert.Equal(t, want[:1], s.Samples)
	for _, id := range []string{"RIFF", "RF64"} {
		piped := append([]byte(id+"\xff\xff\xff\xff"), whole[8:]...)
		copy(piped[40:], "\xff\xff\xff\xff")
		s, err = decodeBytes(piped)
		require.NoError(t, err)
		assert.Equal(t, want, s.Samples)
	}
	// Twelve bits fill the upper ones of two bytes.
	s, err = decodeBytes(chunks("fmt ", format(1, 1, 8000, 12), "data", []byte{0xf0, 0x7f}))
	require.NoError(t, err)
	assert.Equal(t, []float32{2047.0 / 2048}, s.Samples)
}

// What is read in blocks and resampled under way is what whole arrays give.
func TestBlocks(t *testing.T) {
	samples := make([]float32, 200_003)
	raw := make([]byte, 0, 4*len(samples))
	for i := range samples {
		samples[i] = float32(math.Sin(float64(i) * float64(i) * 1e-6))
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(samples[i]))
	}
	file := chunks("fmt ", format(3, 1, 44100, 32), "data", raw)
	for _, rate := range []int{44100, 16000, 16001, 96000, MinRate} {
		got, err := Decode(onlyReader{bytes.NewReader(file)}, Options{Rate: rate})
		require.NoError(t, err)
		assert.Equal(t, Resample(samples, 44100, rate), got.Samples, rate)
		assert.Len(t, got.Samples, (len(samples)*rate+44099)/44100)
	}
}

// onlyReader gives few bytes at a time.
type onlyReader struct{ r io.Reader }

func (r onlyReader) Read(b []byte) (int, error) { return r.r.Read(b[:min(len(b), 777)]) }

// A tone keeps its height and its strength.
func TestResampleTone(t *testing.T) {
	for _, rates := range [][2]int{{16000, 44100}, {48000, 16000}, {8000, 16000}, {22050, 16000}} {
		from, to := rates[0], rates[1]
		tone := func(rate, n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(math.Sin(2 * math.Pi * 440 * float64(i) / float64(rate)))
			}
			return x
		}
		got, want := Resample(tone(from, from), from, to), tone(to, to)
		for i := to / 10; i < to*9/10; i++ {
			require.InDelta(t, want[i], got[i], 4e-3, "%v at %d", rates, i)
		}
	}
	assert.Empty(t, Resample(nil, 8000, 16000))
}

func TestCheck(t *testing.T) {
	good := LogMel{Rate: 16000, Bins: 80, FFT: 400, Hop: 160}
	require.NoError(t, good.Check())
	for want, m := range map[string]LogMel{
		"sampling_rate is 0":  {Bins: 80, FFT: 400, Hop: 160},
		"feature_size is -1;": {Rate: 1, Bins: -1, FFT: 400, Hop: 160},
		"n_fft is 1;":         {Rate: 1, Bins: 1, FFT: 1, Hop: 160},
		"hop_length is 0;":    {Rate: 1, Bins: 1, FFT: 2},
	} {
		assert.ErrorContains(t, m.Check(), want)
	}
	assert.Empty(t, good.Features(nil))
	assert.Len(t, good.Features(make([]float32, 161)), 80, "mirrored more than once")
	assert.Len(t, good.Features(make([]float32, 1)), 0)
	for i := range 13 {
		assert.Equal(t, []int{0, 1, 2, 1}[i%4], mirror(i-8, 3), i)
	}
}

// Reading two hours takes no more than what they are at the rate that is asked for.
func TestTwoHours(t *testing.T) {
	const rate, seconds = MinRate, 7200
	head := chunks("fmt ", format(1, 1, rate, 8), "data", []byte{})
	binary.LittleEndian.PutUint32(head[len(head)-4:], rate*seconds)
	s, err := Decode(io.MultiReader(bytes.NewReader(head), io.LimitReader(silence{}, rate*seconds)), Options{})
	require.NoError(t, err)
	assert.EqualValues(t, seconds, s.Seconds())
}

type silence struct{}

func (silence) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 128
	}
	return len(b), nil
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), dir, Options{})
	assert.EqualError(t, err, "sound "+dir+": it is a folder; expected a file")
	_, err = Open(t.Context(), filepath.Join(dir, "none.wav"), Options{})
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.Context(), dir, Options{Rate: 1})
	assert.ErrorContains(t, err, "resampling to 1 Hz")
}

func FuzzDecode(f *testing.F) {
	f.Add(chunks("fmt ", format(1, 2, 44100, 16), "data", make([]byte, 64)), 16000)
	f.Add(chunks("ds64", make([]byte, 28), "fmt ", format(3, 1, 8000, 32), "data", make([]byte, 64)), 0)
	f.Add(chunks("fmt ", append(format(0xFFFE, 3, 96000, 24), make([]byte, 24)...), "data", make([]byte, 99)), 48000)
	f.Fuzz(func(t *testing.T, b []byte, rate int) {
		s, err := Decode(bytes.NewReader(b), Options{Rate: rate, MaxSeconds: 1})
		if err != nil {
			assert.Less(t, len(err.Error()), 200)
			return
		}
		require.NotEmpty(t, s.Samples)
		require.LessOrEqual(t, s.Seconds(), 1.001)
		for _, v := range s.Samples {
			require.False(t, math.IsNaN(float64(v)))
		}
	})
}
