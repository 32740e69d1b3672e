package learn

import (
	"errors"
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/nn"
)

// Options say what is trained and how. What is not LoRA, Head or Full stays as it is.
type Options struct {
	// LoRA puts adapters beside linear layers; nil: none.
	LoRA *LoRA
	// Head trains the last layer, the classifier. Without LoRA its names are the checkpoint's
	// ("classifier.weight"), with it PEFT's ("base_model.model.classifier.weight").
	Head bool
	// Full trains the whole network, with its head, under the checkpoint's names. Batch norms
	// keep their running statistics, unless BatchStatistics has them take each batch's means and
	// variances, and move the running ones, as torch.nn.Module.train() does. There is no dropout.
	Full, BatchStatistics bool
	// Context trains tokens before the names of classes (CoOp); nil: none. The inputs of batches
	// are the features of images then: see [nn.Layers].
	Context *Context
	// Token trains the embedding of a token (textual inversion); nil: none.
	Token *Token
	// Prompts trains the learned tokens of the network, which its checkpoint must have.
	Prompts bool
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
	// LowMemory keeps each weight on the device once: convolutions are not transformed, and the
	// backward pass turns a weight when it needs it. It takes more time, and the numbers differ
	// in their last places.
	LowMemory bool
}

// Context is what is learned of texts: Tokens tokens behind the first of each, the same of all,
// normal numbers of deviation 0.02 to begin with. The trained array is "ctx" [Tokens, width].
type Context struct {
	Texts  [][]uint32 // ids of the classes' names, with the first and the last token
	Tokens int
}

// Token is one that a text tower learns: the trained array is of its Name, [1, width].
type Token struct {
	Name  string
	ID    int       // which the tower's table has
	Begin []float32 // [width]
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
	Kind        OptimizerKind
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

// complete puts defaults where nothing is said, and refuses what goes with nothing.
func (o Options) complete() (Options, error) {
	z := &o.Optimizer
	decay := 1e-2
	if z.Kind == SGD {
		decay = 0
	}
	z.WeightDecay, z.Betas, z.Eps = or(z.WeightDecay, decay), or(z.Betas, [2]float64{0.9, 0.999}), or(z.Eps, 1e-8)
	o.Accumulate = max(1, o.Accumulate)
	if o.LoRA != nil {
		lora := *o.LoRA
		if lora.Rank == 0 {
			lora.Rank = 8
		}
		if lora.Alpha == 0 {
			lora.Alpha = 8
		}
		o.LoRA = &lora
	}
	switch {
	case o.LoRA == nil && !o.Head && !o.Full && !o.Prompts && o.Context == nil && o.Token == nil:
		return o, errors.New("there is nothing to train; give adapters, prompts, the head or the whole network")
	case o.Full && (o.LoRA != nil || o.Head || o.Prompts):
		return o, errors.New("the whole network is trained, with its head: no adapters, prompts and head beside it")
	case (o.Context != nil || o.Token != nil) && (o.Full || o.LoRA != nil || o.Head || o.Prompts) || o.Context != nil && o.Token != nil:
		return o, errors.New("a context of texts, or a token, is trained alone")
	case o.BatchStatistics && !o.Full:
		return o, errors.New("statistics of batches are of a network that is trained as a whole")
	case !(o.Clip >= 0) || !(*z.WeightDecay >= 0) || !(*z.Eps >= 0) || !(z.Momentum >= 0) || !unit(z.Betas[0]) || !unit(z.Betas[1]):
		return o, fmt.Errorf("clip %g, weight decay %g, eps %g, momentum %g, betas %g: expected none negative, and betas below 1", o.Clip, *z.WeightDecay, *z.Eps, z.Momentum, *z.Betas)
	case z.Nesterov && (z.Momentum == 0 || z.Dampening != 0):
		return o, errors.New("the momentum of Nesterov needs a momentum and no dampening")
	case z.Kind == AdamW && (z.Momentum != 0 || z.Dampening != 0):
		return o, errors.New("AdamW takes no momentum and no dampening; these are SGD's")
	}
	return o, nil
}

// or is p, or a default where that is nil.
func or[T any](p *T, value T) *T {
	if p == nil {
		return &value
	}
	return p
}

// unit says that 0 ≤ v < 1.
func unit(v float64) bool { return v >= 0 && v < 1 }

// scale is the factor of an adapter's output.
func (o *LoRA) scale() float64 {
	if o.RSLoRA {
		return o.Alpha / math.Sqrt(float64(o.Rank))
	}
	return o.Alpha / float64(o.Rank)
}

// moments is how many arrays the optimizer keeps of each parameter.
func (o Optimizer) moments() int {
	if o.Kind == SGD {
		return 1
	}
	return 2
}
