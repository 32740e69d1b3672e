// Package learn adapts a loaded network: low-rank adapters (Hu et al. 2021) beside its linear
// layers, a head, tokens among those that it reads, or all of its weights, by AdamW or SGD with
// PyTorch's formulas.
//
// A step, from the forward pass over loss, backward pass and clipping to the optimizer, is one
// recording of the same recorder as every forward pass: see [ops.Backward]. It has no atomics
// and sums in a fixed order, so that it is the same to the bit from run to run on one adapter.
//
// The package reads no pictures, chooses no batches and no rates, and writes no files: it gives
// and takes the trained arrays by the names that PEFT and transformers have for them.
package learn
