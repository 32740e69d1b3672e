package sound

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"
)

// LogMel are the features of Whisper (Radford et al. 2022), as transformers'
// WhisperFeatureExtractor computes them in NumPy: the power spectrum under a periodic
// Hann window, mirrored at the ends, in bands of Slaney's scale up to 8000 Hz; of that
// log₁₀, at most 8 below the largest, plus 4, over 4.
type LogMel struct {
	Rate int // of the samples, Hz
	Bins int // bands
	FFT  int // samples in a window
	Hop  int // samples from one window to the next
}

// The constants of LogMel.
const (
	melHigh  = 8000  // Hz
	melFloor = 1e-10 // power
	melRange = 8     // of log₁₀ below the largest
)

// Check refuses what has no spectrogram.
func (m LogMel) Check() error {
	for _, v := range []struct {
		name        string
		value, most int
	}{{"sampling_rate", m.Rate, MaxRate}, {"feature_size", m.Bins, 1024}, {"n_fft", m.FFT, 1 << 16}, {"hop_length", m.Hop, 1 << 20}} {
		if v.value < 1 || v.value > v.most {
			return fmt.Errorf("%s is %d; expected 1 to %d", v.name, v.value, v.most)
		}
	}
	if m.FFT < 2 {
		return fmt.Errorf("n_fft is %d; expected 2 or more", m.FFT)
	}
	return nil
}

// Frames is how many columns samples give.
func (m LogMel) Frames(samples int) int {
	return max(0, (samples+m.FFT/2*2-m.FFT)/m.Hop)
}

// Features are those of samples, [Bins, Frames]. The largest is that of all of them.
func (m LogMel) Features(samples []float32) []float32 {
	frames := m.Frames(len(samples))
	out := make([]float32, m.Bins*frames)
	stft{m.FFT, m.Hop}.bands(samples, frames, slaneyBank(m.Bins, m.FFT, m.Rate, 0, melHigh), func(t, b int, power float64) {
		out[b*frames+t] = float32(math.Log10(max(power, melFloor)))
	})
	largest := float32(math.Inf(-1))
	for _, v := range out {
		largest = max(largest, v)
	}
	for i, v := range out {
		out[i] = (max(v, largest-melRange) + 4) / 4
	}
	return out
}

// stft are the windows of a spectrogram: around every hop-th sample the ones of a
// transform, under a periodic Hann window, mirrored at the ends.
type stft struct{ fft, hop int }

// bands tells the power in the bands of a bank at times 0 to frames, from several
// goroutines.
func (s stft) bands(samples []float32, frames int, bank []band, tell func(t, b int, power float64)) {
	window := hann(s.fft)
	workers := min(runtime.GOMAXPROCS(0), max(1, frames/64))
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { s.some(samples, bank, window, frames*w/workers, frames*(w+1)/workers, tell) })
	}
	all.Wait()
}

// some is bands at times from first to before last.
func (s stft) some(samples []float32, bank []band, window []float64, first, last int, tell func(t, b int, power float64)) {
	fft := fourier.NewFFT(s.fft)
	frame, power := make([]float64, s.fft), make([]float64, 1+s.fft/2)
	var spectrum []complex128
	for t := first; t < last; t++ {
		if from := t*s.hop - s.fft/2; from >= 0 && from+s.fft <= len(samples) {
			for i, v := range samples[from : from+s.fft] {
				frame[i] = window[i] * float64(v)
			}
		} else {
			for i := range frame {
				frame[i] = window[i] * float64(samples[mirror(from+i, len(samples))])
			}
		}
		spectrum = fft.Coefficients(spectrum, frame)
		for k, c := range spectrum {
			power[k] = real(c)*real(c) + imag(c)*imag(c)
		}
		for b, band := range bank {
			sum := 0.0
			for k, w := range band.weights {
				sum += w * power[band.first+k]
			}
			tell(t, b, sum)
		}
	}
}

// mirror is the place within 0 to n-1 of a sample that may be beyond the ends, at
// which the sound turns back without repeating the last one.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	if i %= period; i < 0 {
		i += period
	}
	return min(i, period-i)
}

// hann is the window of n samples whose period is n.
func hann(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n))
	}
	return w
}
