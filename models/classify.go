package models

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"saccade/models/nn"
)

// Prediction is a class with its score.
type Prediction struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float64 `json:"score"` // softmax or sigmoid of the logits, or of a regression the value itself
	Logit float64 `json:"logit"`

	plain bool
}

// Shown is the score in words: a percentage, or of a regression the value.
func (p Prediction) Shown() string {
	if p.plain {
		return fmt.Sprintf("%.6g", p.Score)
	}
	return fmt.Sprintf("%.2f %%", 100*p.Score)
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

// Rank orders the logits of one picture, with the scores that transformers' pipeline
// gives them; top 0 means all.
func (m *Model) Rank(logits []float32, top int) []Prediction {
	p := make([]Prediction, len(logits))
	for i, score := range scoresOf(logits, m.scores) {
		p[i] = Prediction{Index: i, Label: m.Label(i), Score: score, Logit: float64(logits[i]), plain: m.scores == nn.Plain}
	}
	sort.SliceStable(p, func(i, j int) bool { return p[i].Logit > p[j].Logit })
	if top > 0 && top < len(p) {
		p = p[:top]
	}
	return p
}

// scoresOf are the scores of logits.
func scoresOf[T float32 | float64](logits []T, as nn.Scores) []float64 {
	if as == nn.Softmax {
		return softmax(logits)
	}
	scores := make([]float64, len(logits))
	for i, v := range logits {
		scores[i] = float64(v)
		if as == nn.Sigmoid {
			scores[i] = 1 / (1 + math.Exp(-scores[i]))
		}
	}
	return scores
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
