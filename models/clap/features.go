package clap

import (
	"fmt"

	"saccade/models/nn"
	"saccade/ops"
	"saccade/sound"
)

// Features is how a sound becomes what the sound tower reads: transformers'
// ClapFeatureExtractor. Where that draws a part of a longer sound at random, it is the
// middle one here, so that a sound has one embedding.
type Features struct {
	sound.Decibels
	Samples int // of a window, up to which shorter sounds are filled
	Padding Padding
	Fused   bool // four spectrograms, else one
}

// Padding is how shorter sounds are filled.
type Padding string

// The ways.
const (
	RepeatPad Padding = "repeatpad" // repeated as a whole, then zeros
	Repeat    Padding = "repeat"    // repeated and cut
	Zeros     Padding = "pad"
)

// inertFeatures are keys that change nothing of the numbers: the class reads no top_db, and
// fills with zeros whatever padding_value says.
var inertFeatures = []string{"padding_value", "return_attention_mask", "top_db"}

// ParseFeatures reads preprocessor_config.json; nil is the class's defaults, with the bins and
// the fusion of the network.
func ParseFeatures(data []byte, c AudioConfig) (Features, error) {
	const where = "preprocessor_config.json"
	var h struct {
		Bins       int     `json:"feature_size"`
		Rate       int     `json:"sampling_rate"`
		Hop        int     `json:"hop_length"`
		Seconds    int     `json:"max_length_s"`
		FFT        int     `json:"fft_window_size"`
		Low        float64 `json:"frequency_min"`
		High       float64 `json:"frequency_max"`
		Truncation string  `json:"truncation"`
		Padding    Padding `json:"padding"`
	}
	if err := signatures.DecodeExtractor("ClapFeatureExtractor", data, &h, inertFeatures...); err != nil {
		return Features{}, err
	}
	f := Features{Decibels: sound.Decibels{Rate: h.Rate, Bins: h.Bins, FFT: h.FFT, Hop: h.Hop, Low: h.Low, High: h.High}, Samples: h.Seconds * h.Rate, Padding: h.Padding, Fused: h.Truncation == "fusion"}
	if f.HTK = f.Fused; data == nil {
		f.Bins, f.Fused, f.HTK = c.Bins, c.Fused, c.Fused
	}
	if err := f.check(h.Seconds, h.Truncation, c); err != nil {
		return Features{}, fmt.Errorf("%s: %w", where, err)
	}
	return f, nil
}

func (f Features) check(seconds int, truncation string, c AudioConfig) error {
	if err := f.Check(); err != nil {
		return err
	}
	switch {
	case seconds < 1 || seconds > 600:
		return fmt.Errorf("max_length_s is %d; expected 1 to 600 seconds", seconds)
	case truncation != "fusion" && truncation != "rand_trunc":
		return fmt.Errorf("truncation is %q; expected fusion or rand_trunc", truncation)
	case f.Fused != c.Fused:
		return fmt.Errorf("truncation is %q, which does not go with the network's enable_fusion %t", truncation, c.Fused)
	case f.Padding != RepeatPad && f.Padding != Repeat && f.Padding != Zeros:
		return fmt.Errorf("padding is %q; expected repeatpad, repeat or pad", string(f.Padding))
	case f.Bins != c.Bins:
		return fmt.Errorf("feature_size is %d, the network reads %d", f.Bins, c.Bins)
	case f.frames() > c.frames():
		return fmt.Errorf("a window of max_length_s has %d frames (hop_length), the network reads at most %d", f.frames(), c.frames())
	}
	return nil
}

// frames is how many a window has.
func (f Features) frames() int { return f.Decibels.Frames(f.Samples) }

// Of are the inputs of samples: the spectrograms [1, 1 or 4, frames, bins], and that they
// are longer than a window, which transformers says of one of a batch in any case.
func (f Features) Of(samples []float32) (map[string]nn.Array, error) {
	channels := 1
	if f.Fused {
		channels = 4
	}
	var spectrograms []float32
	switch {
	case len(samples) <= f.Samples:
		spectrograms = f.Features(f.filled(samples))
	case !f.Fused:
		at := (len(samples) - f.Samples) / 2
		spectrograms = f.Features(samples[at : at+f.Samples])
	case f.Decibels.Frames(len(samples)) == f.frames():
		spectrograms = f.Features(samples)
	default:
		spectrograms = f.fourOf(f.Features(samples))
	}
	out := nn.Array{Shape: []int{1, channels, f.frames(), f.Bins}}
	for len(out.Data) < channels*f.frames()*f.Bins {
		out.Data = append(out.Data, spectrograms...)
	}
	return map[string]nn.Array{InputFeatures: out, IsLonger: {Shape: []int{1, 1}, Data: []float32{1}}}, nil
}

// filled are the samples of a window.
func (f Features) filled(samples []float32) []float32 {
	out := make([]float32, f.Samples)
	n := copy(out, samples)
	switch f.Padding {
	case RepeatPad:
		for ; n+len(samples) <= f.Samples; n += len(samples) {
			copy(out[n:], samples)
		}
	case Repeat:
		for n < f.Samples {
			n += copy(out[n:], samples)
		}
	}
	return out
}

// fourOf are four spectrograms of that of a longer sound: it shrunk to a window's frames,
// then the middle parts of its first, second and last third. (The class shrinks to 64 bins,
// whatever there are, and fails on others.)
func (f Features) fourOf(whole []float32) []float32 {
	frames, window := len(whole)/f.Bins, f.frames()
	out := ops.InterpolateLinear(whole, 1, [2]int{frames, f.Bins}, [2]int{window, f.Bins})
	for _, at := range thirds(frames - window + 1) {
		out = append(out, whole[at*f.Bins:][:window*f.Bins]...)
	}
	return out
}

// thirds are the middle ones of three parts of n beginnings, of which the first are one
// longer where n is no multiple of three; 0 of an empty one.
func thirds(n int) [3]int {
	var middle [3]int
	begin := 0
	for i := range middle {
		size := n / 3
		if i < n%3 {
			size++
		}
		if size > 0 {
			middle[i] = begin + size/2
		}
		begin += size
	}
	return middle
}
