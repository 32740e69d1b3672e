package models

import (
	"errors"
	"fmt"
	"math"
	"sort"
)

// Prediction is a class with its probability.
type Prediction struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float64 `json:"score"` // softmax of the logits
	Logit float64 `json:"logit"`
}

// Top ranks the classes of one picture's outputs; top 0 means all.
func (m *Model) Top(outputs map[string]Array, top int) ([]Prediction, error) {
	logits, ok := outputs["logits"]
	if !ok {
		return nil, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNoClasses)
	}
	return m.Rank(logits.Data, top), nil
}

// ErrNoClasses is wrapped when the classes of a network without a classifier are asked for.
var ErrNoClasses = errors.New("the network has no classes, only raw outputs")

// Rank orders the logits of one picture; top 0 means all.
func (m *Model) Rank(logits []float32, top int) []Prediction {
	scores := softmax(logits)
	p := make([]Prediction, len(logits))
	for i, v := range logits {
		p[i] = Prediction{Index: i, Label: m.Label(i), Score: scores[i], Logit: float64(v)}
	}
	sort.SliceStable(p, func(i, j int) bool { return p[i].Logit > p[j].Logit })
	if top > 0 && top < len(p) {
		p = p[:top]
	}
	return p
}

// softmax makes probabilities of logits.
func softmax[T float32 | float64](logits []T) []float64 {
	out, highest, sum := make([]float64, len(logits)), math.Inf(-1), 0.0
	for _, v := range logits {
		highest = math.Max(highest, float64(v))
	}
	for i, v := range logits {
		out[i] = math.Exp(float64(v) - highest)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// Label is the name of a class: "class 7" where the checkpoint has none.
func (m *Model) Label(i int) string {
	if i < len(m.Labels) {
		return m.Labels[i]
	}
	return fmt.Sprintf("class %d", i)
}
