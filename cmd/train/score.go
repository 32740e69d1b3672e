package main

import (
	"slices"

	"saccade/models/fit"
	"saccade/models/probe"
)

// counter counts what is right.
type counter struct {
	confusion [][]int
	loss      float64
	right, n  int
}

func newCounter(classes int) *counter {
	c := &counter{confusion: make([][]int, classes)}
	for i := range c.confusion {
		c.confusion[i] = make([]int, classes)
	}
	return c
}

// add counts an example.
func (c *counter) add(logits []float32, class int) {
	best := slices.Index(logits, slices.Max(logits))
	z := make([]float64, len(logits))
	for i, v := range logits {
		z[i] = float64(v)
	}
	c.loss += probe.CrossEntropy(z, class)
	c.n++
	if best == class {
		c.right++
	}
	if best >= 0 {
		c.confusion[class][best]++
	}
}

// score is what was counted.
func (c *counter) score() fit.Score {
	n := float64(max(1, c.n))
	return fit.Score{Top1: float64(c.right) / n, Loss: c.loss / n, Examples: c.n, Confusion: c.confusion}
}
