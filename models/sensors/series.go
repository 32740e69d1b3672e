package sensors

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// bands is how many parts of the spectrum a series is told by, leastSeries how long it is at
// least.
const (
	bands       = 8
	leastSeries = 2 * bands
)

// seriesFeatures are what a series becomes.
var seriesFeatures = func() []string {
	names := []string{"mean", "deviation", "least", "largest", "kurtosis"}
	for b := range bands {
		names = append(names, fmt.Sprintf("band %d", b+1))
	}
	return names
}()

// describe makes features of a series: its mean, standard deviation, least and largest
// value and kurtosis (3 of a normal distribution, 0 of a constant), and of eight equal parts of the
// spectrum up to half the rate the logarithm of 1e-12 and the mean power, without the mean and under a
// Hann window. So a series of any length has as many; of another rate its bands are of
// other frequencies.
func describe(x []float64) []float64 {
	n := float64(len(x))
	mean, least, largest := 0.0, x[0], x[0]
	for _, v := range x {
		mean, least, largest = mean+v/n, min(least, v), max(largest, v)
	}
	second, fourth := 0.0, 0.0
	windowed := make([]float64, len(x))
	for i, v := range x {
		d := v - mean
		second, fourth = second+d*d/n, fourth+d*d*d*d/n
		windowed[i] = d * (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/n))
	}
	kurtosis := 0.0
	if second > 0 {
		kurtosis = fourth / (second * second)
	}
	out := []float64{mean, math.Sqrt(second), least, largest, kurtosis}
	spectrum := fourier.NewFFT(len(x)).Coefficients(nil, windowed)
	for b := range bands {
		lo, hi := b*len(spectrum)/bands, (b+1)*len(spectrum)/bands
		power := 0.0
		for _, c := range spectrum[lo:hi] {
			power += (real(c)*real(c) + imag(c)*imag(c)) / float64(hi-lo) / n
		}
		out = append(out, math.Log10(power+1e-12))
	}
	return out
}
