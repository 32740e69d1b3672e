package track

// filter is a Kalman filter of a box that moves evenly: its centre, the ratio of width to
// height, its height, and how each changes a frame. The four do not influence each other, so
// that it is four filters of a value and its rate, whose deviations go by the height.
type filter struct{ axes [4]axis }

// axis is a value with its rate and their covariance.
type axis struct {
	value, rate              float64
	ofValue, between, ofRate float64 // variances, and the covariance
}

// The deviations in parts of the height, and those of the ratio, which does not depend on it.
const (
	valueDeviation = 1.0 / 20
	rateDeviation  = 1.0 / 160

	ratio          = 2 // which axis it is
	ratioDeviation = 1e-2
	ratioRate      = 1e-5
	ratioSeen      = 1e-1
)

// measured is a box as the filter has it: centre, ratio, height.
func measured(b [4]float64) [4]float64 {
	w, h := b[2]-b[0], b[3]-b[1]
	return [4]float64{b[0] + w/2, b[1] + h/2, w / h, h}
}

// newFilter begins with a box that stands still.
func newFilter(b [4]float64) filter {
	var f filter
	h := b[3] - b[1]
	for i, v := range measured(b) {
		value, rate := 2*valueDeviation*h, 10*rateDeviation*h
		if i == ratio {
			value, rate = ratioDeviation, ratioRate
		}
		f.axes[i] = axis{value: v, ofValue: value * value, ofRate: rate * rate}
	}
	return f
}

// predict goes on by a frame. Of a track that is not seen the height stays as it is.
func (f *filter) predict(seen bool) {
	if !seen {
		f.axes[3].rate = 0
	}
	h := f.axes[3].value
	for i := range f.axes {
		value, rate := valueDeviation*h, rateDeviation*h
		if i == ratio {
			value, rate = ratioDeviation, ratioRate
		}
		a := &f.axes[i]
		a.value += a.rate
		a.ofValue += 2*a.between + a.ofRate + value*value
		a.between += a.ofRate
		a.ofRate += rate * rate
	}
}

// update takes a box that was seen.
func (f *filter) update(b [4]float64) {
	h := f.axes[3].value
	for i, v := range measured(b) {
		noise := valueDeviation * h
		if i == ratio {
			noise = ratioSeen
		}
		a := &f.axes[i]
		sum := a.ofValue + noise*noise
		gain, rateGain := a.ofValue/sum, a.between/sum
		off := v - a.value
		a.value += gain * off
		a.rate += rateGain * off
		a.ofRate -= rateGain * rateGain * sum
		a.between -= gain * rateGain * sum
		a.ofValue -= gain * gain * sum
	}
}

// box is where the filter has it.
func (f *filter) box() [4]float64 {
	x, y, h := f.axes[0].value, f.axes[1].value, f.axes[3].value
	w := f.axes[ratio].value * h
	return [4]float64{x - w/2, y - h/2, x + w/2, y + h/2}
}
