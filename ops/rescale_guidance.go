package ops

import (
	"errors"
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// RescaleGuidance takes from a guided output cfg the part r of the spread that
// guidance added to it: of each item cfg·(r·std(cond)/std(cfg) + 1 − r), where cond
// is the output with the prompt and std is over all values of an item, unbiased (Lin
// et al. 2024, section 3.4; rescale_noise_cfg of diffusers). Both are f32 [N, …] of one
// shape with at least two values an item.
//
// r is the first of row at of factors, as [Combine] has them.
func RescaleGuidance(r *gpu.Recorder, cfg, cond, factors *gpu.Tensor, at int) *gpu.Tensor {
	y := r.NewTyped("rescale_guidance", gpu.F32, cfg.Groups, cfg.Shape...)
	if r.Err() != nil {
		return y
	}
	n := cfg.Shape[0]
	values := cfg.Rows() / n * cfg.Width()
	if err := checkRescale(y, cfg, cond, factors, at, values); err != nil {
		r.Fail(fmt.Errorf("rescale_guidance: %w", err))
		return y
	}
	k, err := kernel("rescale_guidance", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), n, cfg, cond, y)
	if err != nil {
		r.Fail(fmt.Errorf("rescale_guidance: %w", err))
		return y
	}
	op := gpu.Op{Kind: "rescale_guidance", Label: r.Label("rescale_guidance"), In: []*gpu.Tensor{cfg, cond, factors}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{rescaleTwin(in[0], in[1], float64(in[2][at*CombineFactors]), values)}
		}}
	vectors := cfg.Stride() / 4
	item := cfg.Rows() / n * vectors
	for _, c := range chunks {
		count := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "item": item, "width": cfg.Width(), "values": values, "at": at * CombineFactors},
			Bind:   []gpu.View{itemView(cfg, n, c[0], c[1]), itemView(cond, n, c[0], c[1]), gpu.All(factors), itemView(y, n, c[0], c[1])},
			Groups: grid(count), FLOPs: 36 * float64(count*item), Bytes: 96 * float64(count*item),
		})
	}
	r.Do(op)
	return y
}

func checkRescale(y, cfg, cond, factors *gpu.Tensor, at, values int) error {
	if err := errors.Join(sameShape(y, cfg), sameShape(y, cond)); err != nil {
		return err
	}
	if cfg.Groups != 1 || values < 2 {
		return fmt.Errorf("%s in %d groups; expected one group and at least two values an item, which have a standard deviation", cfg, cfg.Groups)
	}
	if !factors.Dense() || factors.Type != gpu.F32 || factors.Width() != CombineFactors || at < 0 || at >= factors.Rows() {
		return fmt.Errorf("row %d of factors %s (%s); expected dense f32 [rows %d]", at, factors, factors.Type, CombineFactors)
	}
	return nil
}

func rescaleTwin(cfg, cond []float32, r float64, values int) []float64 {
	y := widen(cfg)
	for at := 0; at < len(y); at += values {
		scale := r*deviation(cond[at:at+values])/deviation(cfg[at:at+values]) + 1 - r
		for i := range values {
			y[at+i] *= scale
		}
	}
	return y
}

// deviation is the unbiased standard deviation.
func deviation(x []float32) float64 {
	var mean, squares float64
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	return math.Sqrt(squares / float64(len(x)-1))
}
