package ast

import (
	"errors"
	"fmt"

	"saccade/models/nn"
	"saccade/sound"
)

// Features is how a sound becomes what the network reads: transformers'
// ASTFeatureExtractor. Windows are counted from the beginning: what is beyond the last
// frame is cut off.
type Features struct {
	sound.Fbank
	Frames    int
	Normalize bool
	Mean, Std float64
}

// inertFeatures are keys that change nothing of the numbers.
var inertFeatures = []string{"feature_size", "padding_value", "return_attention_mask"}

// ParseFeatures reads preprocessor_config.json; nil is the class's defaults with the bins
// and frames of the network.
func ParseFeatures(data []byte, c Config) (Features, error) {
	const where = "preprocessor_config.json"
	var h struct {
		Rate      int     `json:"sampling_rate"`
		Bins      int     `json:"num_mel_bins"`
		Frames    int     `json:"max_length"`
		Normalize bool    `json:"do_normalize"`
		Mean      float64 `json:"mean"`
		Std       float64 `json:"std"`
	}
	if err := signatures.DecodeExtractor("ASTFeatureExtractor", data, &h, inertFeatures...); err != nil {
		return Features{}, err
	}
	if data == nil {
		h.Bins, h.Frames = c.Bins, c.Frames
	}
	switch {
	case h.Rate != sound.FbankRate:
		return Features{}, fmt.Errorf("%s: sampling_rate is %d; %d is supported", where, h.Rate, sound.FbankRate)
	case h.Bins != c.Bins || h.Frames != c.Frames:
		return Features{}, fmt.Errorf("%s: it makes %d frames of %d bins (max_length, num_mel_bins), the network reads %d of %d", where, h.Frames, h.Bins, c.Frames, c.Bins)
	case h.Normalize && h.Std == 0:
		return Features{}, fmt.Errorf("%s: std is 0", where)
	}
	return Features{Fbank: sound.Fbank{Bins: h.Bins}, Frames: h.Frames, Normalize: h.Normalize, Mean: h.Mean, Std: h.Std}, nil
}

// Of are the features of samples, [1, frames, bins]: a shorter sound has zeros behind its
// logarithms, a longer one is cut.
func (f Features) Of(samples []float32) (map[string]nn.Array, error) {
	if f.Fbank.Frames(len(samples)) == 0 {
		return nil, errors.New("the sound is shorter than a window of 25 ms")
	}
	samples = samples[:min(len(samples), f.Samples(f.Frames))]
	out := nn.Array{Shape: []int{1, f.Frames, f.Bins}, Data: make([]float32, f.Frames*f.Bins)}
	copy(out.Data, f.Features(samples))
	if f.Normalize {
		for i, v := range out.Data {
			out.Data[i] = float32((float64(v) - f.Mean) / (2 * f.Std))
		}
	}
	return map[string]nn.Array{InputValues: out}, nil
}
