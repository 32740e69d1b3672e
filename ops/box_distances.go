package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// Bins are the values that a distribution is over.
type Bins struct {
	// Scale is how many of their units a box has across, and down.
	Scale  float64
	values []float32
	tensor *gpu.Tensor
}

// Bins makes a constant of values.
func (b *Builder) Bins(scale float64, values []float32) *Bins {
	t := b.reserve("bins", []int{len(values)}, gpu.F32, int64(len(values))*4)
	b.Later(func() error {
		return t.Upload(func(dst []byte) error {
			gpu.PutFloats(dst, gpu.F32, values)
			return nil
		})
	})
	return &Bins{Scale: scale, values: values, tensor: t}
}

// Distances are boxes, f32 [N, Q, 4], whose sides lie at other distances from the centres: of
// each side the mean of the bins' values by the softmax of x, f32 [N, Q, 4·bins], sides in
// the order left, top, right, bottom (Peng et al. 2024, "D-FINE").
func (b *Bins) Distances(r *gpu.Recorder, x, boxes *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("box_distances", gpu.F32, 1, boxes.Shape...)
	if r.Err() != nil {
		return y
	}
	n := len(b.values)
	if x.Type != gpu.F32 || boxes.Type != gpu.F32 || x.Dense() || boxes.Dense() || x.Groups != 1 || x.Width() != 4*n || boxes.Width() != 4 || x.Rows() != boxes.Rows() {
		r.Fail(fmt.Errorf("box_distances: found %s (%s) and %s (%s), expected f32 [N Q %d] and [N Q 4]", x, x.Type, boxes, boxes.Type, 4*n))
		return y
	}
	k, err := kernel("box_distances", gpu.F32.String(), shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "box_distances", Label: r.Label("box_distances"), In: []*gpu.Tensor{x, boxes}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{b.twin(in[0], in[1])} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, boxes, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": rows, "stride": x.Stride(), "bins": n, "scale": b.Scale},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(boxes, c[0], c[1]), gpu.All(b.tensor), rowView(y, c[0], c[1])},
			Groups: elementwise(rows), FLOPs: 20 * float64(rows*n), Bytes: 4 * float64(rows*(x.Stride()+16)),
		})
	}
	r.Do(op)
	return y
}

func (b *Bins) twin(x, boxes []float32) []float64 {
	y, n := make([]float64, len(boxes)), len(b.values)
	for i := 0; i < len(y); i += 4 {
		var side [4]float64
		for s := range side {
			for k, weight := range softmaxTwin(x[(i+s)*n:][:n], n) {
				side[s] += weight * float64(b.values[k])
			}
		}
		for axis := range 2 {
			centre, unit := float64(boxes[i+axis]), float64(boxes[i+2+axis])/b.Scale
			low, high := centre-(b.Scale/2+side[axis])*unit, centre+(b.Scale/2+side[2+axis])*unit
			y[i+axis], y[i+2+axis] = (low+high)/2, high-low
		}
	}
	return y
}

// BinValues are D-FINE's W(n): so many bins and one, from −2·up·scale to twice it the other
// way, denser towards the middle.
func BinValues(bins int, up, scale float64) []float32 {
	bound := math.Abs(up) * math.Abs(scale)
	step := math.Pow(bound+1, 2/float64(bins-2))
	values := []float32{float32(-2 * bound)}
	for i := bins/2 - 1; i > 0; i-- {
		values = append(values, float32(1-math.Pow(step, float64(i))))
	}
	values = append(values, 0)
	for i := 1; i < bins/2; i++ {
		values = append(values, float32(math.Pow(step, float64(i))-1))
	}
	return append(values, float32(2*bound))
}
