package learn

import (
	"saccade/gpu"
	"saccade/models/nn"
)

// Options say what is trained and how. What is neither LoRA nor Head stays as it is.
type Options struct {
	// LoRA puts adapters beside linear layers; nil: none.
	LoRA *LoRA
	// Head trains the last layer, the classifier. Without LoRA its names are the checkpoint's
	// ("classifier.weight"), with it PEFT's ("base_model.model.classifier.weight").
	Head bool
	// Classes is how many a new head has, in place of the checkpoint's, whose values go (as with
	// ignore_mismatched_sizes of transformers): normal numbers of deviation 0.02, zero bias.
	// Zero keeps the checkpoint's head. It goes with Head.
	Classes int
	// Init are values to begin with, by the names that [Learner.Parameters] has, or those of
	// transformers 4 or of the checkpoint, in place of random ones. A name or shape that fits
	// no trained array is refused.
	Init map[string]nn.Array
	// Seed is that of the random ones.
	Seed uint64

	Optimizer Optimizer
	// Clip scales gradients down to this norm, that of all of them together
	// (torch.nn.utils.clip_grad_norm_). Zero: not.
	Clip float64
	// Accumulate is the micro-batches of a step, each of which counts alike. Zero is one.
	Accumulate int
	// Precision is that of weights and activations. Trained values, their gradients and
	// moments are f32 in both; with gpu.F16 the loss is scaled as torch.amp.GradScaler does it.
	Precision gpu.DType
	// Checkpoint computes the blocks' activations a second time in the backward pass in place
	// of keeping them. The gradients are the same to the bit.
	Checkpoint bool
}

// LoRA is y = W·x + s·B·(A·x), A [Rank, In] ~ torch's kaiming_uniform(√5), B [Out, Rank] zero,
// as PEFT's LoraConfig has it.
type LoRA struct {
	Rank  int     // zero: PEFT's 8
	Alpha float64 // s = Alpha/Rank; zero: PEFT's 8
	// RSLoRA makes s = Alpha/√Rank (Kalajdzievski 2023).
	RSLoRA bool
	// Targets are the names of the layers that get one: a module's whole name or its last parts,
	// as PEFT matches them, of transformers 5 ("q_proj"), 4 ("attention.query") or the
	// checkpoint. Nil: the projections of queries and values. A target that matches none is
	// refused with the nearest name.
	Targets []string
}

// Optimizer is torch.optim.AdamW or SGD. Zeros stand for PyTorch's defaults, but where a
// pointer says otherwise.
type Optimizer struct {
	Kind OptimizerKind
	// Rate is the learning rate; zero: 1e-3, the default of both. A schedule gives
	// [Learner.Step] another at each step.
	Rate        float64
	WeightDecay *float64    // nil: AdamW 1e-2, SGD 0
	Betas       *[2]float64 // AdamW's; nil: 0.9, 0.999
	Eps         *float64    // AdamW's; nil: 1e-8
	Momentum    float64     // SGD's
	Dampening   float64     // SGD's
	Nesterov    bool        // SGD's
}

// OptimizerKind tells the optimizers apart.
type OptimizerKind int

// The optimizers.
const (
	AdamW OptimizerKind = iota
	SGD
)
