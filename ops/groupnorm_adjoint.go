package ops

import (
	"errors"
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// adjoint is the gradient of x from dy, that of the norm of x + shift without an activation;
// weight, bias and shift, which may be nil, are constants.
func (g *GroupNorm) adjoint(r *gpu.Recorder, x, shift, dy *gpu.Tensor) *gpu.Tensor {
	dx := r.New("groupnorm", 1, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	err := sameShape(x, dy)
	if most := r.Device().Traits().MaxBinding; err == nil && x.Bytes() > most {
		err = errors.New("the map exceeds the adapter's largest binding; use a smaller batch and accumulate")
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return dx
	}
	op := gpu.Op{Kind: "groupnorm_adjoint", Label: r.Label("groupnorm"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dx}, Twin: g.adjointTwin(x.Shape[0])}
	if shift != nil {
		op.In = append(op.In, shift)
	}
	if op.Dispatches, err = g.adjointDispatches(r, x, shift, dy, dx); err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return dx
	}
	r.Do(op)
	return dx
}

func (g *GroupNorm) adjointDispatches(r *gpu.Recorder, x, shift, dy, dx *gpu.Tensor) ([]gpu.Dispatch, error) {
	n := x.Shape[0]
	pixels, stride := x.Rows()/n, x.Stride()
	factors := r.NewTyped(g.name+".factors", gpu.F32, 1, n, 3*stride)
	threads, perGroup := groupThreads(r, pixels*g.Width/g.Groups)
	sums, err := kernel("groupnorm_adjoint_sums", fmt.Sprintf("%s %dx%d", r.Precision, threads, perGroup), shaders.Spec{
		Const: map[string]int{"W": threads, "R": perGroup, "WR": threads * perGroup}, Forms: forms(r.Precision), Workgroup: [3]int{perGroup, threads, 1},
	})
	if err != nil {
		return nil, err
	}
	apply, err := kernel("groupnorm_adjoint", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		return nil, err
	}
	shifts, shifted := gpu.All(r.Device().Dummy()), 0
	if shift != nil {
		shifts, shifted = gpu.All(shift), 1
	}
	rows, count := n*g.Groups, x.Rows()*stride/4
	return []gpu.Dispatch{{
		Kernel: sums, Params: gpu.Params{"rows": rows, "groups": g.Groups, "size": g.Width / g.Groups, "stride": stride, "pixels": pixels, "eps": g.Eps, "shifted": shifted},
		Bind: []gpu.View{gpu.All(x), gpu.All(dy), gpu.All(g.gamma), shifts, gpu.All(factors)}, Groups: grid(ceilDiv(rows, perGroup)),
		FLOPs: 10 * float64(x.Rows()*g.Width), Bytes: 3 * float64(x.Bytes()), Turns: 2 * ceilDiv(pixels, threads) * (g.Width / g.Groups),
	}, {
		Kernel: apply, Params: gpu.Params{"count": count, "item": pixels * stride / 4, "vectors": stride / 4, "first": 0},
		Bind: []gpu.View{gpu.All(x), gpu.All(dy), gpu.All(factors), gpu.All(dx)}, Groups: elementwise(count),
		FLOPs: 16 * float64(count), Bytes: 3 * float64(x.Bytes()),
	}}, nil
}

// groupThreads is the threads of a group of so many values, and the groups of a workgroup. Where
// barriers are dear a thread takes as many values as drivers turn a loop.
func groupThreads(r *gpu.Recorder, values int) (threads, groups int) {
	if r.Device().Traits().CheapBarriers {
		return 64, 1
	}
	threads = 1
	for threads < 32 && values/threads > 1<<13 {
		threads *= 2
	}
	return threads, 8
}

// adjointTwin is the gradient of n items in f64.
func (g *GroupNorm) adjointTwin(n int) func([][]float32) [][]float64 {
	return func(in [][]float32) [][]float64 {
		gamma := g.b.host(g.name+".weight", gpu.F32)
		x, dx := widen(in[0]), widen(in[1])
		pixels, size := len(x)/n/g.Width, g.Width/g.Groups
		if len(in) > 2 {
			for i := range x {
				x[i] += float64(in[2][i/(pixels*g.Width)*g.Width+i%g.Width])
			}
		}
		parallel(n*g.Groups, func(i int) {
			first := i/g.Groups*pixels*g.Width + i%g.Groups*size
			each := func(f func(at, c int)) {
				for t := range pixels {
					for c := range size {
						f(first+t*g.Width+c, i%g.Groups*size+c)
					}
				}
			}
			values := float64(pixels * size)
			var mean, variance, level, tilt float64
			each(func(at, _ int) { mean += x[at] / values })
			each(func(at, c int) {
				variance += (x[at] - mean) * (x[at] - mean) / values
				dx[at] *= float64(gamma[c])
				level += dx[at] / values
			})
			scale := 1 / math.Sqrt(variance+g.Eps)
			each(func(at, _ int) { tilt += dx[at] * (x[at] - mean) * scale / values })
			each(func(at, _ int) { dx[at] = scale * (dx[at] - level - (x[at]-mean)*scale*tilt) })
		})
		return [][]float64{dx}
	}
}
