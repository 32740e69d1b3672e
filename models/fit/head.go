package fit

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/models/probe"
)

// Features is the input of a [Head]'s batches: what the layer takes, [N, width].
const Features = "features"

// mostSkipped is how many steps in a row may have no finite gradients, as in package learn.
const mostSkipped = 10

// Head is a linear layer under a cross-entropy, on the host: a frozen network's features
// are computed once, and its steps need no device.
type Head struct {
	names          [2]string // of weight and bias
	classes, width int
	values         [2][]float32
	grads          [2][]float64
	moments        [2][][]float32
	optimizer      optimizer
	clip           float64
	accumulate     int
	progress       learn.Progress
}

// NewHead makes a layer that is called name in its checkpoint, with values to begin with:
// weight [classes, width] and bias [classes]. Of the options only the optimizer, Clip and
// Accumulate are read.
func NewHead(name string, weight nn.Array, bias []float32, o learn.Options) (*Head, error) {
	if len(weight.Shape) != 2 || len(weight.Data) != weight.Shape[0]*weight.Shape[1] || len(bias) != weight.Shape[0] {
		return nil, fmt.Errorf("head %s: found a weight %v and %d biases, expected [classes, width] and one each", name, weight.Shape, len(bias))
	}
	h := &Head{names: [2]string{name + ".weight", name + ".bias"}, classes: weight.Shape[0], width: weight.Shape[1],
		values: [2][]float32{slices.Clone(weight.Data), slices.Clone(bias)}, optimizer: newOptimizer(o.Optimizer),
		clip: o.Clip, accumulate: max(1, o.Accumulate), progress: learn.Progress{Scale: 1}}
	for i, v := range h.values {
		h.grads[i] = make([]float64, len(v))
		for range h.optimizer.moments() {
			h.moments[i] = append(h.moments[i], make([]float32, len(v)))
		}
	}
	return h, nil
}

// Step implements [Learner].
func (h *Head) Step(ctx context.Context, rate float64, batches ...learn.Batch) (learn.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return learn.Outcome{}, err
	}
	if len(batches) != h.accumulate {
		return learn.Outcome{}, fmt.Errorf("a step of %d batches, expected %d", len(batches), h.accumulate)
	}
	out := learn.Outcome{Scale: 1}
	clear(h.grads[0])
	clear(h.grads[1])
	for _, b := range batches {
		loss, err := h.add(b)
		if err != nil {
			return out, err
		}
		out.Loss += loss / float64(len(batches))
	}
	for _, g := range h.grads {
		for _, v := range g {
			out.Norm += v * v
		}
	}
	out.Norm = math.Sqrt(out.Norm)
	out.Skipped = math.IsNaN(out.Norm+out.Loss) || math.IsInf(out.Norm+out.Loss, 0)
	if out.Skipped {
		h.progress.Skipped++
		h.progress.InRow++
		if h.progress.InRow >= mostSkipped {
			return out, fmt.Errorf("%w: %d steps in a row had a loss or gradients that are not finite; try a lower learning rate", learn.ErrDiverged, h.progress.InRow)
		}
		return out, nil
	}
	h.progress.InRow = 0
	h.progress.Steps++
	scale := 1.0
	if h.clip > 0 {
		scale = math.Min(1, h.clip/(out.Norm+1e-6)) // torch.nn.utils.clip_grad_norm_
	}
	for i := range h.values {
		h.optimizer.step(h.values[i], h.grads[i], h.moments[i], scale, rate, h.progress.Steps)
	}
	return out, nil
}

// add adds the gradients of a batch, of which there are accumulate, and gives its loss.
func (h *Head) add(b learn.Batch) (float64, error) {
	x, logits, err := h.logits(b.Inputs)
	if err != nil {
		return 0, err
	}
	if len(b.Labels) != x.Rows {
		return 0, fmt.Errorf("a batch of %d labels and %d features", len(b.Labels), x.Rows)
	}
	loss := 0.0
	for i, class := range b.Labels {
		if class < 0 || class >= h.classes {
			return 0, fmt.Errorf("item %d of a batch is of class %d; there are %d classes", i, class, h.classes)
		}
		loss += probe.CrossEntropy(logits.Data[i*h.classes:(i+1)*h.classes], class)
	}
	scale := 1 / float64(x.Rows*h.accumulate)
	blas64.Gemm(blas.Trans, blas.NoTrans, scale, logits, x, 1, blas64.General{Rows: h.classes, Cols: h.width, Stride: h.width, Data: h.grads[0]})
	for i := range x.Rows {
		for c := range h.classes {
			h.grads[1][c] += scale * logits.Data[i*h.classes+c]
		}
	}
	return loss / float64(x.Rows), nil
}

// logits are those of features.
func (h *Head) logits(in map[string]nn.Array) (x, logits blas64.General, err error) {
	f := in[Features]
	if len(f.Shape) != 2 || f.Shape[0] < 1 || f.Shape[1] != h.width || len(f.Data) != f.Shape[0]*h.width {
		return x, logits, fmt.Errorf("a batch of features %v; expected [N, %d]", f.Shape, h.width)
	}
	x = blas64.General{Rows: f.Shape[0], Cols: h.width, Stride: h.width, Data: wide(f.Data)}
	logits = blas64.General{Rows: f.Shape[0], Cols: h.classes, Stride: h.classes}
	bias := wide(h.values[1])
	for range f.Shape[0] {
		logits.Data = append(logits.Data, bias...)
	}
	w := blas64.General{Rows: h.classes, Cols: h.width, Stride: h.width, Data: wide(h.values[0])}
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, x, w, 1, logits)
	return x, logits, nil
}

// wide are values as float64.
func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// narrow are values as float32.
func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// Forward implements [Learner]: the logits of features.
func (h *Head) Forward(_ context.Context, in map[string]nn.Array) (map[string]nn.Array, error) {
	_, logits, err := h.logits(in)
	if err != nil {
		return nil, err
	}
	return map[string]nn.Array{"logits": {Shape: []int{logits.Rows, logits.Cols}, Data: narrow(logits.Data)}}, nil
}

// shapes are those of weight and bias.
func (h *Head) shapes() [2][]int { return [2][]int{{h.classes, h.width}, {h.classes}} }

// Parameters implements [Learner].
func (h *Head) Parameters() (map[string]nn.Array, error) {
	all := map[string]nn.Array{}
	for i, name := range h.names {
		all[name] = nn.Array{Shape: h.shapes()[i], Data: slices.Clone(h.values[i])}
	}
	return all, nil
}

// Gradients implements [Learner].
func (h *Head) Gradients() (map[string]nn.Array, error) {
	all := map[string]nn.Array{}
	for i, name := range h.names {
		all[name] = nn.Array{Shape: h.shapes()[i], Data: narrow(h.grads[i])}
	}
	return all, nil
}

// State implements [Learner].
func (h *Head) State() (map[string]nn.Array, learn.Progress, error) {
	all, err := h.Parameters()
	for i, name := range h.names {
		for k, prefix := range h.optimizer.moments() {
			all[prefix+name] = nn.Array{Shape: h.shapes()[i], Data: slices.Clone(h.moments[i][k])}
		}
	}
	return all, h.progress, err
}

// Restore implements [Learner].
func (h *Head) Restore(arrays map[string]nn.Array, p learn.Progress) error {
	now, _, err := h.State()
	if err != nil {
		return err
	}
	for name, a := range now {
		if !slices.Equal(arrays[name].Shape, a.Shape) || len(arrays) != len(now) {
			return fmt.Errorf("a state of [%v] does not fit: %s is to be %v", slices.Sorted(maps.Keys(arrays)), name, a.Shape)
		}
	}
	for i, name := range h.names {
		copy(h.values[i], arrays[name].Data)
		for k, prefix := range h.optimizer.moments() {
			copy(h.moments[i][k], arrays[prefix+name].Data)
		}
	}
	h.progress = p
	return nil
}
