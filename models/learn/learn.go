package learn

import (
	"context"
	"errors"

	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
)

// Batch is what a micro-step learns from: inputs of the network by name ("pixel_values"
// [N, C, H, W]) and the class of each item.
type Batch struct {
	Inputs map[string]nn.Array
	Labels []int
}

// Outcome is what a step did.
type Outcome struct {
	Loss    float64 // the mean of the micro-batches' losses, before the step
	Norm    float64 // of all gradients together, before clipping
	Scale   float64 // that the loss had; 1 in f32
	Skipped bool    // the gradients were not finite: nothing was changed, and Scale was halved
}

// Progress is where a training is, beside the arrays of [Learner.State].
type Progress struct {
	Steps   int     `json:"steps"`   // of the optimizer that were done
	Skipped int     `json:"skipped"` // steps that were not
	Scale   float64 `json:"scale"`   // of the next loss
	Good    int     `json:"good"`    // steps since Scale changed
}

// Learner trains a model. Its methods take turns.
type Learner struct{}

// ErrDiverged is wrapped by the error of a step that was the tenth in a row without finite
// gradients; the error names the operation that made the first number that is none.
var ErrDiverged = errors.New("the training diverged")

// New prepares the training of a model that [models.Load] gave, which must stay open. The model
// itself stays as it is; its weights leave the device, until it is used again.
func New(m *models.Model, o Options) (*Learner, error) { return nil, errors.ErrUnsupported }

// Plan is the device memory of a step on batches of those shapes, which it records and does not
// run: of its program, and of weights, trained values, gradients and moments.
func (l *Learner) Plan(b Batch) (program gpu.Memory, resident int64, err error) {
	return gpu.Memory{}, 0, errors.ErrUnsupported
}

// Step learns from as many batches as Options.Accumulate says, at a learning rate; zero is
// Options.Optimizer.Rate. A step whose ctx ends, or that fails, changes no trained value.
func (l *Learner) Step(ctx context.Context, rate float64, batches ...Batch) (Outcome, error) {
	return Outcome{}, errors.ErrUnsupported
}

// Forward runs the network with what was learned, and gives its outputs by name ("logits").
func (l *Learner) Forward(ctx context.Context, in map[string]nn.Array) (map[string]nn.Array, error) {
	return nil, errors.ErrUnsupported
}

// Parameters are the trained arrays by name: of adapters those that PEFT writes
// ("base_model.model.vit.layers.0.attention.q_proj.lora_A.weight").
func (l *Learner) Parameters() (map[string]nn.Array, error) { return nil, errors.ErrUnsupported }

// Gradients are those of the last step by the names of the parameters: before clipping, without
// the loss's scale.
func (l *Learner) Gradients() (map[string]nn.Array, error) { return nil, errors.ErrUnsupported }

// Targets are the modules that have an adapter, by PEFT's target_modules: the last part of their
// names, each once ("q_proj", "v_proj"). Head is the module that was trained as a whole, by PEFT's
// modules_to_save ("classifier"), or "".
func (l *Learner) Targets() (modules []string, head string) { return nil, "" }

// State is all that a training goes on from: the parameters by name, the moments by the names of
// the parameters behind "exp_avg.", "exp_avg_sq." or "momentum_buffer.", and the progress.
func (l *Learner) State() (map[string]nn.Array, Progress, error) {
	return nil, Progress{}, errors.ErrUnsupported
}

// Restore takes up a state of a training with the same options. Steps after it are the same to
// the bit as those after the State was taken, on the same adapter. State that does not fit is
// refused, and nothing changed.
func (l *Learner) Restore(arrays map[string]nn.Array, p Progress) error { return errors.ErrUnsupported }

// Verify runs a step on a batch operation by operation, recomputing each on the CPU: see
// [gpu.Program.Verify]. It changes no trained value.
func (l *Learner) Verify(ctx context.Context, b Batch, stopAtFirst bool) ([]gpu.OpCheck, error) {
	return nil, errors.ErrUnsupported
}

// Slope compares, on this adapter, the derivative of the loss of a batch along a random direction
// d of all parameters, (L(θ + εd) − L(θ − εd))/2ε, with the gradients' g·d. It changes nothing.
func (l *Learner) Slope(ctx context.Context, b Batch, seed uint64) (measured, computed float64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// Profile times each dispatch of a step on a batch; it changes no trained value.
func (l *Learner) Profile(ctx context.Context, b Batch) ([]gpu.Timing, error) {
	return nil, errors.ErrUnsupported
}

// Close frees all memory. The model stays.
func (l *Learner) Close() {}
