package whisper

import (
	"encoding/json"
	"errors"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/sound"
)

// Features is how a sound becomes what the encoder reads: transformers'
// WhisperFeatureExtractor.
type Features struct {
	sound.LogMel
	Chunk   int     // samples of a window, whose shorter ones are padded
	Padding float32 // what they are padded with
}

// inertFeatures are keys that change nothing of the numbers.
var inertFeatures = []string{"return_attention_mask"}

// FeaturesOf are those of a checkpoint, as [ParseFeatures] reads its files, for a network
// whose input is spectrograms [N, bins, frames]. Where there are no files they are as the
// published checkpoints have them, of as many bins and seconds as the network takes.
func FeaturesOf(preprocessor, processor []byte, input nn.Input) (Features, error) {
	bins, frames := input.Dims[1].Size, input.Dims[2].Size
	if preprocessor == nil && processor == nil {
		f, err := ParseFeatures(nil, nil)
		f.Bins, f.Chunk = bins, frames*f.Hop
		return f, err
	}
	f, err := ParseFeatures(preprocessor, processor)
	if n := f.Frames(f.Chunk); err == nil && (f.Bins != bins || n != frames) {
		err = fmt.Errorf("preprocessor_config.json: it makes %d bins of %d frames (feature_size, chunk_length, hop_length), the network reads %d of %d", f.Bins, n, bins, frames)
	}
	return f, err
}

// ParseFeatures reads preprocessor_config.json, or the feature_extractor in
// processor_config.json; nil is the class's defaults. What the class computes of other
// keys (n_samples, nb_max_frames, mel_filters) is computed here too.
func ParseFeatures(preprocessor, processor []byte) (Features, error) {
	where, data := "preprocessor_config.json", preprocessor
	var nested struct {
		Extractor json.RawMessage `json:"feature_extractor"`
	}
	if processor != nil {
		if err := checkpoint.Decode("processor_config.json", processor, &nested); err != nil {
			return Features{}, err
		}
		if len(nested.Extractor) > 0 && string(nested.Extractor) != "null" {
			where, data = "processor_config.json: feature_extractor", nested.Extractor
		}
	}
	if data == nil {
		data = []byte("{}")
	}
	f, err := parseFeatures(where, data)
	if err != nil {
		return Features{}, err
	}
	if err := f.check(); err != nil {
		return Features{}, fmt.Errorf("%s: %w", where, err)
	}
	return f, nil
}

func parseFeatures(where string, data []byte) (Features, error) {
	var named struct {
		Type string `json:"feature_extractor_type"`
		Side string `json:"padding_side"`
	}
	if err := checkpoint.Decode(where, data, &named); err != nil {
		return Features{}, err
	}
	if named.Type != "" && named.Type != "WhisperFeatureExtractor" {
		return Features{}, fmt.Errorf("%s: feature_extractor_type is %q; expected WhisperFeatureExtractor", where, named.Type)
	}
	if named.Side != "" && named.Side != "right" {
		return Features{}, fmt.Errorf("%s: padding_side is %q; expected right", where, named.Side)
	}
	var c struct {
		Bins    int     `json:"feature_size"`
		Rate    int     `json:"sampling_rate"`
		Hop     int     `json:"hop_length"`
		FFT     int     `json:"n_fft"`
		Seconds int     `json:"chunk_length"`
		Padding float64 `json:"padding_value"`
		Dither  float64 `json:"dither"`
	}
	if err := signatures.Decode(where, "WhisperFeatureExtractor", data, &c, inertFeatures...); err != nil {
		return Features{}, err
	}
	if c.Dither != 0 {
		return Features{}, fmt.Errorf("%s: dither is %g, which adds random noise and is not supported; expected 0", where, c.Dither)
	}
	if c.Seconds < 1 || c.Seconds > 3600 {
		return Features{}, fmt.Errorf("%s: chunk_length is %d; expected 1 to 3600 seconds", where, c.Seconds)
	}
	return Features{LogMel: sound.LogMel{Rate: c.Rate, Bins: c.Bins, FFT: c.FFT, Hop: c.Hop}, Chunk: c.Seconds * c.Rate, Padding: float32(c.Padding)}, nil
}

func (f Features) check() error {
	if err := f.Check(); err != nil {
		return err
	}
	if f.Frames(f.Chunk) == 0 {
		return errors.New("a window gives no frame; expected a hop_length below its samples")
	}
	return nil
}

// Of are the features of samples at the extractor's rate, [Bins, Frames] of at least a
// window: shorter sounds are padded, longer ones are taken whole.
func (f Features) Of(samples []float32) []float32 {
	if len(samples) < f.Chunk {
		padded := make([]float32, f.Chunk)
		n := copy(padded, samples)
		for i := n; i < f.Chunk; i++ {
			padded[i] = f.Padding
		}
		samples = padded
	}
	return f.LogMel.Features(samples)
}
