package sound

import (
	"fmt"
	"math"
)

// Decibels are the features of CLAP (Wu et al. 2023), as transformers' ClapFeatureExtractor
// computes them in NumPy: the power spectrum under a periodic Hann window, mirrored at the
// ends, in bands of Slaney's scale or of HTK's, in decibels, at least −100.
type Decibels struct {
	Rate      int // of the samples, Hz
	Bins      int // bands
	FFT       int // samples in a window
	Hop       int // samples from one window to the next
	Low, High float64
	HTK       bool // HTK's bands, each of a height of one; else Slaney's, each divided by half its width
}

// Check refuses what has no spectrogram.
func (d Decibels) Check() error {
	for _, v := range []struct {
		name        string
		value, most int
	}{{"sampling_rate", d.Rate, MaxRate}, {"feature_size", d.Bins, 1024}, {"fft_window_size", d.FFT, 1 << 16}, {"hop_length", d.Hop, 1 << 20}} {
		if v.value < 1 || v.value > v.most {
			return fmt.Errorf("%s is %d; expected 1 to %d", v.name, v.value, v.most)
		}
	}
	if d.FFT < 2 || !(d.Low >= 0 && d.Low < d.High && d.High <= float64(d.Rate)/2) {
		return fmt.Errorf("frequency_min is %g and frequency_max %g, fft_window_size %d; expected 0 to half the rate of %d, and 2 or more", d.Low, d.High, d.FFT, d.Rate)
	}
	return nil
}

// Frames is how many windows samples give.
func (d Decibels) Frames(samples int) int { return 1 + (samples+d.FFT/2*2-d.FFT)/d.Hop }

// Features are those of samples, [Frames, Bins].
func (d Decibels) Features(samples []float32) []float32 {
	bank := slaneyBank
	if d.HTK {
		bank = htkBank
	}
	frames := d.Frames(len(samples))
	out := make([]float32, frames*d.Bins)
	stft{d.FFT, d.Hop}.bands(samples, frames, bank(d.Bins, d.FFT, d.Rate, d.Low, d.High), func(t, b int, power float64) {
		out[t*d.Bins+b] = float32(10 * math.Log10(max(power, melFloor)))
	})
	return out
}
