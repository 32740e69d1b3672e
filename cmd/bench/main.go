// Command bench times operations, whole models and diffusion pipelines on the GPU,
// verified in the same run.
//
//	bench -models vit_ti_16,vit_b_16 -r 5 -o md
//	bench -op matmul -shape 512x768x768 -precision f16
//	bench -models resnet18 -sweep batch
//	bench -models resnet18 -peers
//	bench -compare a.json b.json c.json
//
// Bench -h lists the flags. A model needs no weights: the standard architecture
// is filled with seeded random ones. The report goes to stdout, errors to
// stderr. Exit codes: 0 fine, 1 failure (a rate above the measured peak, too),
// 2 usage, 3 no usable adapter, 4 a row that was not verified, 130 interrupted.
//
// What is measured:
//
//   - The adapter's peak: chains of fused multiply-adds at several workgroup
//     sizes, the highest rate seen in the run, and a copy of 64 MiB.
//   - An operation: the time of its dispatches, by the adapter's timestamps
//     where it has them. A model: the clock, from the upload of the pictures to
//     the read-back of the logits. A pipeline: a step of its loop, which reads
//     nothing back, and the whole run from the prompt to the picture.
//   - peak_fraction: the median over the repetitions of the row's rate through
//     the higher of the peaks measured right before and right after it, since
//     the speed of shared machines changes from minute to minute.
//   - cold_ms: a new process without the driver's shader cache, from its start
//     to the first read-back, less the time in which random weights are drawn.
//   - gbps: the bytes that dispatches read and write, each tensor once; copy_fraction:
//     of the copy's rate.
//   - verified: every dispatch of the row, recomputed on the CPU in f64 from the
//     GPU's own inputs; nmse is the largest. sampled counts operations so large that
//     a sample of their rows was compared. A pipeline's run is compared with its
//     golden.
//   - A sweep fits exponents to time, arithmetic and activations; -peers times other
//     runtimes in turn with ours.
package main

import (
	"os"

	"saccade/cmd/internal/cli"
)

func main() {
	ctx := cli.Context()
	if request := os.Getenv(coldVariable); request != "" {
		os.Exit(coldChild(ctx, request, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv, nil))
}
