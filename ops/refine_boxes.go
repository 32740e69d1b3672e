package ops

import (
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Anchors are boxes that queries begin with, by the logits of their centre and size.
type Anchors struct {
	logits []float32
	tensor *gpu.Tensor
}

// Anchors makes a constant of logits [S, 4].
func (b *Builder) Anchors(logits []float32) *Anchors {
	t := b.reserve("anchors", []int{len(logits) / 4, 4}, gpu.F32, int64(len(logits))*4)
	b.Later(func() error {
		return t.Upload(func(dst []byte) error {
			gpu.PutFloats(dst, gpu.F32, logits)
			return nil
		})
	})
	return &Anchors{logits: logits, tensor: t}
}

// Choose gives the queries their boxes: sigmoid(delta + the anchor's logits), where index, u32
// [N, Q] as [Top] makes it, tells the anchor of each. delta and the result are f32 [N, Q, 4].
func (a *Anchors) Choose(r *gpu.Recorder, delta, index *gpu.Tensor) *gpu.Tensor {
	return refinement{delta: delta, anchors: a, index: index}.record(r)
}

// RefineBoxes moves boxes, f32 [N, Q, 4], by what a layer found: sigmoid(delta + logit(box)),
// where the logit's argument and its complement are 10⁻⁵ at least. It is the iterative
// refinement of Deformable DETR. Of points, f32 [N, Q, 2], in place of boxes the size is delta's.
func RefineBoxes(r *gpu.Recorder, delta, boxes *gpu.Tensor) *gpu.Tensor {
	return refinement{delta: delta, boxes: boxes}.record(r)
}

// refinement is one use of the kernel.
type refinement struct {
	delta   *gpu.Tensor
	boxes   *gpu.Tensor // or nil
	anchors *Anchors    // if nil
	index   *gpu.Tensor // of the anchors
}

func (c refinement) record(r *gpu.Recorder) *gpu.Tensor {
	y := r.NewTyped("refine_boxes", gpu.F32, 1, c.delta.Shape...)
	if r.Err() != nil {
		return y
	}
	err := c.check()
	spec, variant, from, index := shaders.Spec{}, gpu.F32.String(), c.boxes, r.Device().Dummy()
	in := []*gpu.Tensor{c.delta, c.boxes}
	if c.boxes != nil && c.boxes.Width() == 2 {
		spec.Const, variant = map[string]int{"POINTS": 1}, variant+" points"
	}
	if c.boxes == nil {
		spec.Const, variant, from, index = map[string]int{"ANCHORS": 1}, variant+" anchors", c.anchors.tensor, c.index
		in[1] = c.index
	}
	var k *gpu.Kernel
	if err == nil {
		k, err = kernel("refine_boxes", variant, spec)
	}
	if err != nil {
		r.Fail(fmt.Errorf("refine_boxes: %w", err))
		return y
	}
	params := gpu.Params{"count": y.Rows(), "queries": y.Shape[1], "stride": 0, "anchors": 0}
	if c.boxes == nil {
		params["stride"], params["anchors"] = c.index.Stride(), len(c.anchors.logits)/4
	}
	r.Do(gpu.Op{Kind: "refine_boxes", Label: r.Label("refine_boxes"), In: in, Out: []*gpu.Tensor{y}, Twin: c.twin,
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: params, Bind: []gpu.View{gpu.All(c.delta), gpu.All(from), gpu.All(index), gpu.All(y)},
			Groups: elementwise(y.Rows()), FLOPs: 40 * float64(y.Rows()), Bytes: 96 * float64(y.Rows()),
		}}})
	return y
}

func (c refinement) check() error {
	floats := func(t *gpu.Tensor, widths ...int) bool {
		return t.Type == gpu.F32 && !t.Dense() && t.Groups == 1 && len(t.Shape) == 3 && slices.Contains(widths, t.Width())
	}
	if !floats(c.delta, 4) || c.boxes != nil && (!floats(c.boxes, 2, 4) || c.boxes.Rows() != c.delta.Rows()) {
		return fmt.Errorf("found %s and %v, expected f32 [N Q 4] of both, or points [N Q 2]", c.delta, c.boxes)
	}
	if c.boxes == nil && (c.index.Type != gpu.U32 || c.index.Dense() || c.index.Rows()*c.index.Width() != c.delta.Rows()) {
		return fmt.Errorf("found the index %s (%s) for %s, expected u32 [N Q]", c.index, c.index.Type, c.delta)
	}
	return nil
}

func (c refinement) twin(in [][]float32) [][]float64 {
	y := widen(in[0])
	for i := range y {
		var logit float64
		switch {
		case c.boxes == nil:
			logit = float64(c.anchors.logits[int(in[1][i/4])*4%len(c.anchors.logits)+i%4])
		case i%4 < c.boxes.Width():
			b := math.Min(math.Max(float64(in[1][i/4*c.boxes.Width()+i%4]), 0), 1)
			logit = math.Log(math.Max(b, 1e-5) / math.Max(1-b, 1e-5))
		}
		y[i] = Sigmoid.Twin(y[i] + logit)
	}
	return [][]float64{y}
}
