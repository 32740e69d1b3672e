package sound

import "math"

// The interpolation of torchaudio.functional.resample by default: a sinc of 6 zero
// crossings on either side within a Hann window, whose cutoff is 0.99 of the lower of
// the Nyquist frequencies.
const (
	crossings = 6
	rolloff   = 0.99
)

// Resample brings samples from a rate to another, in Hz: ⌈len·to/from⌉ samples, the
// first at the time of the first. Beyond the ends is silence. It computes in float64.
func Resample(samples []float32, from, to int) []float32 {
	r := newResampler(from, to)
	wide := make([]float64, len(samples))
	for i, v := range samples {
		wide[i] = float64(v)
	}
	return r.write(r.write(nil, wide), nil)
}

// resampler is a resampling under way:
//
//	y[j] = Σᵢ x[i]·g(c·(i/from − j/to)), g(t) = sin πt/πt · cos²(πt/12) for |t| < 6, times c/from
//
// with c = 0.99·min(from, to) and rates without their common factor, so that output j
// of the same j mod to, its phase, has the same weights.
type resampler struct {
	from, to int // samples a second over their common factor
	cutoff   float64
	phases   []phase // made when they are first met

	kept []float64 // the input that is still needed
	lost int       // how much came before that
	next int       // output
}

// phase is the weights of an output: of the input from start on, counted from where
// the turn of phases began.
type phase struct {
	start   int
	weights []float64
}

func newResampler(from, to int) *resampler {
	gcd, b := from, to
	for b != 0 {
		gcd, b = b, gcd%b
	}
	r := &resampler{from: from / gcd, to: to / gcd}
	r.cutoff = rolloff * float64(min(r.from, r.to))
	r.phases = make([]phase, r.to)
	return r
}

// write appends to out what more input settles; no input is the end.
func (r *resampler) write(out []float32, in []float64) []float32 {
	if r.from == r.to {
		for _, v := range in {
			out = append(out, float32(v))
		}
		return out
	}
	r.kept = append(r.kept, in...)
	have := r.lost + len(r.kept)
	for {
		p := r.phase(r.next % r.to)
		start := r.next/r.to*r.from + p.start
		if len(in) > 0 && start+len(p.weights) > have || len(in) == 0 && r.next*r.from >= have*r.to {
			r.drop(start)
			return out
		}
		first, last := max(start, 0), min(start+len(p.weights), have)
		sum := 0.0
		for i, x := range r.kept[first-r.lost : last-r.lost] {
			sum += x * p.weights[first-start+i]
		}
		out = append(out, float32(sum))
		r.next++
	}
}

// drop forgets the input before start, which no further output needs, once that is
// worth the copying.
func (r *resampler) drop(start int) {
	if n := start - r.lost; n > len(r.kept)/2 {
		r.kept = append(r.kept[:0], r.kept[n:]...)
		r.lost = start
	}
}

// phase is the weights of outputs j with j mod to = i.
func (r *resampler) phase(i int) phase {
	if r.phases[i].weights != nil {
		return r.phases[i]
	}
	centre, half := float64(i)*float64(r.from)/float64(r.to), crossings*float64(r.from)/r.cutoff
	p := phase{start: int(math.Ceil(centre - half))}
	for k := p.start; float64(k) <= centre+half; k++ {
		t := r.cutoff * (float64(k)/float64(r.from) - float64(i)/float64(r.to))
		window := math.Cos(math.Pi * t / (2 * crossings))
		w := window * window * r.cutoff / float64(r.from)
		if t != 0 {
			w *= math.Sin(math.Pi*t) / (math.Pi * t)
		}
		p.weights = append(p.weights, w)
	}
	r.phases[i] = p
	return p
}
