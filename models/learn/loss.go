package learn

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// loss is what a network is trained by.
type loss interface {
	// inputs checks what a batch of n items has for it, and gives it by the program's names.
	inputs(b Batch, n int) (map[string]any, error)
	// record records the network, and the loss of each item, for batches of the shapes of b.
	record(r *gpu.Recorder, b Batch, n *nn.Network, in map[string]*gpu.Tensor) *gpu.Tensor
}

// crossEntropy is that of a classifier.
type crossEntropy struct{ classes int }

func (c crossEntropy) inputs(b Batch, n int) (map[string]any, error) {
	if b.Target.Data != nil || b.Weights != nil {
		return nil, fmt.Errorf("a batch with a target or weights for a classifier, which takes labels")
	}
	if len(b.Labels) != n {
		return nil, fmt.Errorf("a batch of %d labels for %d items, expected one for each", len(b.Labels), n)
	}
	labels := make([]uint32, n)
	for i, class := range b.Labels {
		if class < 0 || class >= c.classes {
			return nil, fmt.Errorf("item %d of a batch has the class %d, the head has %d", i, class, c.classes)
		}
		labels[i] = uint32(class)
	}
	return map[string]any{"labels": labels}, nil
}

func (crossEntropy) record(r *gpu.Recorder, b Batch, n *nn.Network, in map[string]*gpu.Tensor) *gpu.Tensor {
	labels := r.Input("labels", gpu.U32, len(b.Labels), 1)
	x := output(r, n, in, "logits")
	if r.Err() != nil {
		return x
	}
	return ops.CrossEntropy(r, x, labels)
}

// output records the network and gives one of its outputs.
func output(r *gpu.Recorder, n *nn.Network, in map[string]*gpu.Tensor, name string) *gpu.Tensor {
	y := n.Within(r, in, name)[name]
	if y == nil {
		r.Fail(fmt.Errorf("the network gives no %s", name))
	}
	return y
}

// squaredError is that of a network that estimates.
type squaredError struct{ output string }

func (squaredError) inputs(b Batch, n int) (map[string]any, error) {
	t := b.Target
	if b.Labels != nil || len(t.Shape) != 4 || t.Shape[0] != n || t.Shape[0]*t.Shape[1]*t.Shape[2]*t.Shape[3] != len(t.Data) {
		return nil, fmt.Errorf("a batch of %d items with %d labels and a target %v of %d values, expected no labels and [N C H W]", n, len(b.Labels), t.Shape, len(t.Data))
	}
	weights := b.Weights
	if weights == nil {
		weights = slices.Repeat([]float32{1}, n)
	}
	if len(weights) != n {
		return nil, fmt.Errorf("a batch of %d weights for %d items, expected one for each", len(weights), n)
	}
	return map[string]any{"target": t.Data, "weights": weights}, nil
}

func (e squaredError) record(r *gpu.Recorder, b Batch, n *nn.Network, in map[string]*gpu.Tensor) *gpu.Tensor {
	target := ops.PackNCHW(r, r.Input("target", gpu.F32, b.Target.Shape...))
	weights, x := r.Input("weights", gpu.F32, b.Target.Shape[0]), output(r, n, in, e.output)
	if r.Err() != nil {
		return x
	}
	return ops.SquaredError(r, x, target, weights)
}
