package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// batchNorm is torch.nn.BatchNorm2d with trained values, states f32 [1, C].
type batchNorm struct {
	gamma, beta    *gpu.Tensor
	mean, variance *gpu.Tensor // the running ones
	eps, momentum  float64
	batch          bool // in a training the batch's mean and variance are taken
}

// forward normalises the columns of x [..., C].
func (n *batchNorm) forward(r *gpu.Recorder, name string, x *gpu.Tensor) *gpu.Tensor {
	use := *n
	if n.batch && r.Tape != nil {
		use.mean, use.variance = moments(r, x)
		if rows := x.Rows(); !r.Tape.Again {
			if rows < 2 && r.Err() == nil {
				r.Fail(fmt.Errorf("%s: a batch with one pixel has no variance; give a larger batch", name))
			}
			running(r, n.mean, use.mean, n.momentum, 1)
			running(r, n.variance, use.variance, n.momentum, float64(rows)/float64(max(1, rows-1)))
		}
	} else {
		use.batch = false
	}
	y := r.New(name, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("batchnorm", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "batchnorm", Label: r.Label(name), In: []*gpu.Tensor{x, use.gamma, use.beta, use.mean, use.variance}, Out: []*gpu.Tensor{y}, Twin: use.twin,
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return use.adjoint(r, x, dy) }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "eps": n.eps},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(use.gamma), gpu.All(use.beta), gpu.All(use.mean), gpu.All(use.variance), rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 24 * float64(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func (n *batchNorm) twin(in [][]float32) [][]float64 {
	y, gamma, beta, mean, variance := widen(in[0]), in[1], in[2], in[3], in[4]
	for i := range y {
		c := i % len(gamma)
		y[i] = (y[i]-float64(mean[c]))/math.Sqrt(float64(variance[c])+n.eps)*float64(gamma[c]) + float64(beta[c])
	}
	return [][]float64{y}
}

// adjoint is the gradients of x, gamma and beta from dy; mean and variance are constants, or
// what they are of x is in that of x.
func (n *batchNorm) adjoint(r *gpu.Recorder, x, dy *gpu.Tensor) []*gpu.Tensor {
	dgamma, dbeta := n.sums(r, x, dy)
	dx := r.New("batchnorm", 1, x.Shape...)
	grads := []*gpu.Tensor{dx, dgamma, dbeta, nil, nil}
	if r.Err() != nil {
		return grads
	}
	k, err := kernel("batchnorm_adjoint", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return grads
	}
	share := 0.0
	if n.batch {
		share = 1 / float64(x.Rows())
	}
	op := gpu.Op{Kind: "batchnorm_adjoint", Label: r.Label("batchnorm"), In: []*gpu.Tensor{x, dy, n.gamma, n.mean, n.variance, dgamma, dbeta}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out, dy, gamma, mean, variance, dgamma, dbeta := widen(in[0]), in[1], in[2], in[3], in[4], in[5], in[6]
			for i, v := range out {
				c := i % len(gamma)
				scale := 1 / math.Sqrt(float64(variance[c])+n.eps)
				shift := share * (float64(dbeta[c]) + (v-float64(mean[c]))*scale*float64(dgamma[c]))
				out[i] = float64(gamma[c]) * scale * (float64(dy[i]) - shift)
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, dx) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "eps": n.eps, "share": share},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(dy, c[0], c[1]), gpu.All(n.gamma), gpu.All(n.mean), gpu.All(n.variance),
				gpu.All(dgamma), gpu.All(dbeta), rowView(dx, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 40 * float64(count), Bytes: 12 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return grads
}

// columnSlices are the slices of rows in which columns are summed.
func columnSlices(x *gpu.Tensor) (slice, slices int) {
	rows := x.Rows()
	slice = max(16, ceilDiv(rows, max(1, outerThreads/max(1, x.Stride()/4))))
	return slice, ceilDiv(rows, slice)
}

// sums are the gradients of gamma and beta, f32 [1, C].
func (n *batchNorm) sums(r *gpu.Recorder, x, dy *gpu.Tensor) (dgamma, dbeta *gpu.Tensor) {
	dgamma, dbeta = r.NewTyped("dgamma", gpu.F32, 1, 1, x.Width()), r.NewTyped("dbeta", gpu.F32, 1, 1, x.Width())
	if r.Err() != nil {
		return dgamma, dbeta
	}
	err := sumsFit(r, x, dy)
	if err == nil {
		err = sameShape(x, dy)
	}
	var k, add *gpu.Kernel
	if err == nil {
		k, err = kernel("batchnorm_sums", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	}
	if err == nil {
		add, err = sumKernel(gpu.F32)
	}
	if err != nil {
		r.Fail(fmt.Errorf("batchnorm: %w", err))
		return dgamma, dbeta
	}
	slice, slices := columnSlices(x)
	scaled, plain := r.NewTyped("dgamma.slices", gpu.F32, 1, slices, x.Width()), r.NewTyped("dbeta.slices", gpu.F32, 1, slices, x.Width())
	r.Do(gpu.Op{Kind: "batchnorm_sums", Label: r.Label("batchnorm_sums"), In: []*gpu.Tensor{x, dy, n.mean, n.variance}, Out: []*gpu.Tensor{dgamma, dbeta},
		Twin: func(in [][]float32) [][]float64 {
			mean, variance := in[2], in[3]
			tilt, sum := make([]float64, len(mean)), make([]float64, len(mean))
			for i, v := range in[0] {
				c := i % len(mean)
				tilt[c] += float64(in[1][i]) * (float64(v) - float64(mean[c])) / math.Sqrt(float64(variance[c])+n.eps)
				sum[c] += float64(in[1][i])
			}
			return [][]float64{tilt, sum}
		},
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"rows": x.Rows(), "slice": slice, "slices": slices, "vectors": x.Stride() / 4, "eps": n.eps},
			Bind:   []gpu.View{gpu.All(x), gpu.All(dy), gpu.All(n.mean), gpu.All(n.variance), gpu.All(scaled), gpu.All(plain)},
			Groups: elementwise(slices * x.Stride() / 4), Turns: slice, FLOPs: 5 * float64(x.Rows()*x.Width()), Bytes: 2 * float64(x.Bytes()),
		}, sumDispatch(add, scaled, dgamma, slices), sumDispatch(add, plain, dbeta, slices)}})
	return dgamma, dbeta
}

// moments are the means and biased variances of the columns of x [..., C], f32 [1, C].
func moments(r *gpu.Recorder, x *gpu.Tensor) (mean, variance *gpu.Tensor) {
	mean, variance = r.NewTyped("mean", gpu.F32, 1, 1, x.Width()), r.NewTyped("variance", gpu.F32, 1, 1, x.Width())
	if r.Err() != nil {
		return mean, variance
	}
	err := sumsFit(r, x)
	var part, merge *gpu.Kernel
	if err == nil {
		part, err = kernel("moments", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	}
	if err == nil {
		merge, err = kernel("moments_merge", "", shaders.Spec{})
	}
	if err != nil {
		r.Fail(fmt.Errorf("moments: %w", err))
		return mean, variance
	}
	slice, slices := columnSlices(x)
	parts := r.NewTyped("moments.slices", gpu.F32, 1, 2*slices, x.Width())
	sizes := gpu.Params{"rows": x.Rows(), "slice": slice, "slices": slices, "vectors": x.Stride() / 4}
	r.Do(gpu.Op{Kind: "moments", Label: r.Label("moments"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{mean, variance},
		Twin: func(in [][]float32) [][]float64 {
			level, spread := make([]float64, x.Width()), make([]float64, x.Width())
			for i, v := range in[0] {
				level[i%len(level)] += float64(v) / float64(x.Rows())
			}
			for i, v := range in[0] {
				c := i % len(level)
				spread[c] += (float64(v) - level[c]) * (float64(v) - level[c]) / float64(x.Rows())
			}
			return [][]float64{level, spread}
		},
		Dispatches: []gpu.Dispatch{
			{Kernel: part, Params: sizes, Bind: []gpu.View{gpu.All(x), gpu.All(parts)}, Groups: elementwise(slices * x.Stride() / 4), Turns: slice,
				FLOPs: 5 * float64(x.Rows()*x.Width()), Bytes: 2 * float64(x.Bytes())},
			{Kernel: merge, Params: sizes, Bind: []gpu.View{gpu.All(parts), gpu.All(mean), gpu.All(variance)}, Groups: elementwise(x.Stride() / 4), Turns: slices,
				FLOPs: 10 * float64(slices*x.Width()), Bytes: float64(parts.Bytes())},
		}})
	return mean, variance
}

// running moves a running mean or variance, a state [1, C], towards scale·x.
func running(r *gpu.Recorder, state, x *gpu.Tensor, momentum, scale float64) {
	if r.Err() != nil {
		return
	}
	k, err := kernel("running", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return
	}
	count := x.Stride() / 4
	r.Do(gpu.Op{Kind: "running", Label: r.Label("running"), In: []*gpu.Tensor{x, state}, Out: []*gpu.Tensor{state},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[1])
			for i, v := range in[0] {
				out[i] = out[i]*(1-momentum) + momentum*scale*float64(v)
			}
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"count": count, "momentum": momentum, "scale": scale},
			Bind: []gpu.View{gpu.All(x), gpu.All(state)}, Groups: elementwise(count), FLOPs: 12 * float64(count), Bytes: 48 * float64(count)}}})
}
