package sound

import "math"

// band is a triangle of a bank of filters: the weights of frequencies from first on.
type band struct {
	first   int
	weights []float64
}

// slaneyBank are filters from 0 to high Hz whose edges are spaced evenly on Slaney's
// scale, each divided by half its width: librosa's bank. fft is the length of the
// transform, which gives 1 + fft/2 frequencies.
func slaneyBank(bins, fft, rate int, high float64) []band {
	edges := make([]float64, bins+2)
	for i := range edges {
		edges[i] = slaneyHertz(slaneyMel(high) * float64(i) / float64(bins+1))
	}
	frequencies := 1 + fft/2
	step := float64(rate/2) / float64(frequencies-1)
	bank := make([]band, bins)
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
			bank[b].weights = append(bank[b].weights, w*2/(high-low))
		}
	}
	return bank
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
