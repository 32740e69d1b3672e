package sound

import (
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Fbank are Kaldi's log filter banks of sounds of 16000 Hz, as torchaudio computes them
// for AST (Gong et al. 2021): of windows of 25 ms every 10 ms, all within the sound, the
// mean taken away, each sample less 0.97 of the one before, a Hann window whose ends are
// zero, the power spectrum of 512 samples, in bands whose edges are spaced evenly on
// Kaldi's mel scale from 20 Hz to half the rate and whose sides are straight there; of
// that the natural logarithm.
type Fbank struct {
	Bins int // bands
}

// The constants of Fbank.
const (
	FbankRate     = 16000                  // Hz
	fbankWindow   = 400                    // samples
	fbankHop      = 160                    // samples
	fbankFFT      = 512                    // samples
	fbankLow      = 20                     // Hz
	fbankEmphasis = 0.97                   // of the sample before
	fbankFloor    = 1.1920928955078125e-07 // power
)

// Frames is how many windows lie within so many samples.
func (Fbank) Frames(samples int) int {
	return max(0, (samples-fbankWindow+fbankHop)/fbankHop)
}

// Samples is how many hold so many windows, at least one.
func (Fbank) Samples(frames int) int { return fbankWindow + (frames-1)*fbankHop }

// Features are those of samples, [Frames, Bins].
func (f Fbank) Features(samples []float32) []float32 {
	frames := f.Frames(len(samples))
	out := make([]float32, frames*f.Bins)
	bank, window := kaldiBank(f.Bins, fbankFFT, FbankRate, fbankLow, FbankRate/2), make([]float64, fbankWindow)
	for i := range window {
		window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/(fbankWindow-1))
	}
	workers := min(runtime.GOMAXPROCS(0), max(1, frames/64))
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			fft := fourier.NewFFT(fbankFFT)
			frame := make([]float64, fbankFFT)
			var spectrum []complex128
			for t := frames * w / workers; t < frames*(w+1)/workers; t++ {
				emphasised(frame, samples[t*fbankHop:][:fbankWindow], window)
				spectrum = fft.Coefficients(spectrum, frame)
				for b, band := range bank {
					sum := 0.0
					for k, weight := range band.weights {
						c := spectrum[band.first+k]
						sum += weight * (real(c)*real(c) + imag(c)*imag(c))
					}
					out[t*f.Bins+b] = float32(math.Log(max(sum, fbankFloor)))
				}
			}
		})
	}
	all.Wait()
	return out
}

// emphasised fills a frame with a window of samples, whose mean is taken away first and
// then 0.97 of the sample before, of the first of itself.
func emphasised(frame []float64, samples []float32, window []float64) {
	mean := 0.0
	for _, v := range samples {
		mean += float64(v)
	}
	mean /= float64(len(samples))
	before := float64(samples[0]) - mean
	for i, v := range samples {
		x := float64(v) - mean
		frame[i] = (x - fbankEmphasis*before) * window[i]
		before = x
	}
}
