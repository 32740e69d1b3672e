package models

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"saccade/gpu"
)

// The constants of DINO's evaluation (Caron et al. 2021, section 4.1).
const (
	neighbours  = 20   // that vote
	temperature = 0.07 // of their votes
)

// Neighbours classifies vectors by labelled examples, without training: of the
// nearest examples by cosine similarity s, 20 or all if they are fewer, each
// votes for its label with exp(s/0.07). It may be used from several goroutines.
type Neighbours struct {
	labels  []string // distinct, sorted: a prediction's Index is of these
	classes []int    // of an example
	vectors [][]float32
}

// NewNeighbours makes a classifier of examples, labels[i] being that of
// vectors[i]. Vectors have one length and any norm but zero; they are copied.
func NewNeighbours(labels []string, vectors [][]float32) (*Neighbours, error) {
	if len(labels) != len(vectors) || len(labels) == 0 {
		return nil, fmt.Errorf("neighbours: found %d labels of %d vectors, expected one each", len(labels), len(vectors))
	}
	n := &Neighbours{labels: slices.Compact(slices.Sorted(slices.Values(labels)))}
	for i, v := range vectors {
		if len(v) != len(vectors[0]) || len(v) == 0 {
			return nil, fmt.Errorf("neighbours: example %d has %d values, the first has %d", i, len(v), len(vectors[0]))
		}
		u := unit(v)
		if !gpu.Finite(u) || slices.Max(u) == 0 && slices.Min(u) == 0 {
			return nil, fmt.Errorf("neighbours: example %d (%s) is all zeros or not finite", i, labels[i])
		}
		class, _ := slices.BinarySearch(n.labels, labels[i])
		n.classes, n.vectors = append(n.classes, class), append(n.vectors, u)
	}
	return n, nil
}

// Classify ranks the labels for a vector, the best first; all are there. A
// prediction's Score is its share of the votes, its Logit the similarity of its
// nearest example. A vector of another length than the examples' has no
// neighbours: the result is empty.
func (n *Neighbours) Classify(v []float32) []Prediction {
	if len(v) != len(n.vectors[0]) {
		return nil
	}
	similarities := make([]float64, len(n.vectors))
	order := make([]int, len(n.vectors))
	u := unit(v)
	for i, x := range n.vectors {
		similarities[i], order[i] = dot(u, x), i
	}
	sort.SliceStable(order, func(i, j int) bool { return similarities[order[i]] > similarities[order[j]] })
	p := make([]Prediction, len(n.labels))
	for i := range p {
		p[i] = Prediction{Index: i, Label: n.labels[i], Logit: -1}
	}
	var sum float64
	for rank, i := range order {
		of := &p[n.classes[i]]
		of.Logit = max(of.Logit, similarities[i])
		if rank < neighbours {
			vote := math.Exp(similarities[i] / temperature)
			of.Score += vote
			sum += vote
		}
	}
	for i := range p {
		p[i].Score /= sum
	}
	sort.SliceStable(p, func(i, j int) bool { return p[i].Score > p[j].Score })
	return p
}

// Cosine of two vectors of unit length, of as many values.
func Cosine(a, b []float32) float64 { return dot(a, b) }

func dot(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
