package models

import (
	"context"
	"fmt"
	"math"
	"sort"

	"saccade/picture"
)

// Prediction is a class with its probability.
type Prediction struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float64 `json:"score"` // softmax of the logits
	Logit float64 `json:"logit"`
}

// Classify gives the top classes of each picture, best first; top 0 means all.
// Pictures that preprocessing brings to one size share a forward pass.
func (m *Model) Classify(ctx context.Context, images []*picture.Image, top int) ([][]Prediction, error) {
	out := make([][]Prediction, len(images))
	type group struct {
		pixels []float32
		index  []int
	}
	groups := map[[2]int]*group{}
	var order [][2]int
	for i, img := range images {
		pixels, h, w, err := m.Preprocess(img)
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
		size := [2]int{h, w}
		if groups[size] == nil {
			groups[size] = &group{}
			order = append(order, size)
		}
		g := groups[size]
		g.pixels, g.index = append(g.pixels, pixels...), append(g.index, i)
	}
	for _, size := range order {
		g := groups[size]
		c := len(g.pixels) / (len(g.index) * size[0] * size[1])
		logits, err := m.Forward(ctx, Array{Shape: []int{len(g.index), c, size[0], size[1]}, Data: g.pixels})
		if err != nil {
			return nil, err
		}
		rows, ok := logits["logits"]
		if !ok {
			return nil, fmt.Errorf("%s from %s has no classes; its raw outputs can be saved with -save", m.Name, m.Source)
		}
		classes := rows.Shape[1]
		for k, i := range g.index {
			out[i] = m.Rank(rows.Data[k*classes:(k+1)*classes], top)
		}
	}
	return out, nil
}

// Rank orders the logits of one picture; top 0 means all.
func (m *Model) Rank(logits []float32, top int) []Prediction {
	highest, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		highest = math.Max(highest, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - highest)
	}
	p := make([]Prediction, len(logits))
	for i, v := range logits {
		p[i] = Prediction{Index: i, Label: m.Label(i), Score: math.Exp(float64(v)-highest) / sum, Logit: float64(v)}
	}
	sort.SliceStable(p, func(i, j int) bool { return p[i].Logit > p[j].Logit })
	if top > 0 && top < len(p) {
		p = p[:top]
	}
	return p
}

// Label is the name of a class: "class 7" where the checkpoint has none.
func (m *Model) Label(i int) string {
	if i < len(m.Labels) {
		return m.Labels[i]
	}
	return fmt.Sprintf("class %d", i)
}
