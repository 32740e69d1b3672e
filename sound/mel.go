package sound

import "math"

// band is a triangle of a bank of filters: the weights of frequencies from first on.
type band struct {
	first   int
	weights []float64
}

// slaneyBank are filters from low to high Hz whose edges are spaced evenly on Slaney's
// scale, each divided by half its width: librosa's bank. fft is the length of the
// transform, which gives 1 + fft/2 frequencies.
func slaneyBank(bins, fft, rate int, low, high float64) []band {
	bank, edges := trianglesBetween(bins, fft, rate, low, high, slaneyMel, slaneyHertz)
	for b := range bank {
		for k := range bank[b].weights {
			bank[b].weights[k] *= 2 / (edges[b+2] - edges[b])
		}
	}
	return bank
}

// htkBank are filters whose edges are spaced evenly on HTK's scale: torchaudio's bank.
func htkBank(bins, fft, rate int, low, high float64) []band {
	bank, _ := trianglesBetween(bins, fft, rate, low, high,
		func(hertz float64) float64 { return 2595 * math.Log10(1+hertz/700) },
		func(mel float64) float64 { return 700 * (math.Pow(10, mel/2595) - 1) })
	return bank
}

// trianglesBetween are filters of a height of one whose edges, Hz, are spaced evenly on a
// scale of mels.
func trianglesBetween(bins, fft, rate int, low, high float64, mel, hertz func(float64) float64) (bank []band, edges []float64) {
	edges = make([]float64, bins+2)
	first, last := mel(low), mel(high)
	for i := range edges {
		edges[i] = hertz(first + (last-first)*float64(i)/float64(bins+1))
	}
	frequencies := 1 + fft/2
	step := float64(rate/2) / float64(frequencies-1)
	bank = make([]band, bins)
	for b := range bank {
		low, middle, high := edges[b], edges[b+1], edges[b+2]
		for k := range frequencies {
			f := float64(k) * step
			w := min((f-low)/(middle-low), (high-f)/(high-middle))
			if w <= 0 {
				continue
			}
			if bank[b].weights == nil {
				bank[b].first = k
			}
			bank[b].weights = append(bank[b].weights, w)
		}
	}
	return bank, edges
}

// Slaney's scale is linear up to 1000 Hz, which are 15 mels, and then logarithmic: 27
// mels for a factor of 6.4.
const (
	slaneyLinear = 200.0 / 3 // Hz a mel
	slaneyKnee   = 15.0      // mels
)

var slaneyStep = math.Log(6.4) / 27

func slaneyMel(hertz float64) float64 {
	if mel := hertz / slaneyLinear; mel < slaneyKnee {
		return mel
	}
	return slaneyKnee + math.Log(hertz/(slaneyKnee*slaneyLinear))/slaneyStep
}

func slaneyHertz(mel float64) float64 {
	if mel < slaneyKnee {
		return mel * slaneyLinear
	}
	return slaneyKnee * slaneyLinear * math.Exp(slaneyStep*(mel-slaneyKnee))
}

// kaldiBank are filters from low to high Hz whose edges are spaced evenly on Kaldi's scale,
// on which their sides are straight.
func kaldiBank(bins, fft, rate int, low, high float64) []band {
	mel := func(hertz float64) float64 { return 1127 * math.Log(1+hertz/700) }
	first, step := mel(low), (mel(high)-mel(low))/float64(bins+1)
	bank := make([]band, bins)
	for b := range bank {
		left := first + float64(b)*step
		for k := range fft / 2 {
			m := mel(float64(k) * float64(rate) / float64(fft))
			w := min((m-left)/step, (left+2*step-m)/step)
			if w <= 0 {
				continue
			}
			if bank[b].weights == nil {
				bank[b].first = k
			}
			bank[b].weights = append(bank[b].weights, w)
		}
	}
	return bank
}
