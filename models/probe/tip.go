package probe

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// Tip is Tip-Adapter (Zhang et al. 2022): examples whose affinity with an image votes for
// their classes, beside what texts say. Of an image's embedding f of unit length
//
//	logits = scale·f·Tᵀ + α·exp(−β(1 − f·Kᵀ))·V
//
// where T are the embeddings of the classes' texts, K those of the examples, and V their
// classes, one-hot.
type Tip struct {
	Alpha, Beta float64
	Scale       float64   // of the texts' cosines: exp of CLIP's logit_scale
	Texts       []float32 // [classes, width], of unit length
	Keys        Features  // the examples, of unit length
}

// Alpha and Beta are those of the paper where no validation chooses others.
const (
	TipAlpha = 1
	TipBeta  = 5.5
)

// Check refuses sizes that do not go together.
func (t *Tip) Check() error {
	if err := t.Keys.check(); err != nil {
		return fmt.Errorf("tip-adapter: %w", err)
	}
	if len(t.Texts) != t.Keys.Classes*t.Keys.Width || !gpu.Finite(t.Texts) {
		return fmt.Errorf("tip-adapter: found %d values of texts, expected %d finite ones: %d classes of %d", len(t.Texts), t.Keys.Classes*t.Keys.Width, t.Keys.Classes, t.Keys.Width)
	}
	return nil
}

// Logits are those of an embedding of unit length.
func (t *Tip) Logits(f []float32) []float64 {
	texts, votes := t.parts(f)
	for c := range texts {
		texts[c] += t.Alpha * votes[c]
	}
	return texts
}

// parts are what the texts and what the examples say.
func (t *Tip) parts(f []float32) (texts, votes []float64) {
	w := t.Keys.Width
	texts, votes = make([]float64, t.Keys.Classes), make([]float64, t.Keys.Classes)
	for c := range texts {
		texts[c] = t.Scale * dot(f, t.Texts[c*w:(c+1)*w])
	}
	for i, c := range t.Keys.Class {
		votes[c] += math.Exp(-t.Beta * (1 - dot(f, t.Keys.Data[i*w:(i+1)*w])))
	}
	return texts, votes
}

// Search sets Alpha and Beta to those of a grid with which most images of a validation
// set are told right, the smaller ones of those alike: α up to 5 and β up to 10 in 20
// steps each. It gives the accuracy.
func (t *Tip) Search(validation Features) float64 {
	const steps = 20
	best, alpha, beta := -1, t.Alpha, t.Beta
	for b := 1; b <= steps; b++ {
		t.Beta = 10 * float64(b) / steps
		hits := make([]int, steps+1)
		for i, class := range validation.Class {
			texts, votes := t.parts(validation.Data[i*validation.Width : (i+1)*validation.Width])
			for a := range hits {
				logits := make([]float64, len(texts))
				for c := range logits {
					logits[c] = texts[c] + 5*float64(a)/steps*votes[c]
				}
				if largest(logits) == class {
					hits[a]++
				}
			}
		}
		for a, n := range hits {
			if n > best {
				best, alpha, beta = n, 5*float64(a)/steps, t.Beta
			}
		}
	}
	t.Alpha, t.Beta = alpha, beta
	return float64(best) / float64(len(validation.Class))
}

func largest(v []float64) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
