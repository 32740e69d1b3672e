package fit

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/weights"
)

// open reads a tensor of the golden.
func open(t *testing.T) func(name string) nn.Array {
	t.Helper()
	c, err := weights.Open("../../golden/probe/heads.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return func(name string) nn.Array {
		tensor, ok := c.Tensor(name)
		require.True(t, ok, name)
		a := nn.Array{Shape: tensor.Shape, Data: make([]float32, tensor.Len())}
		require.NoError(t, tensor.Float32s(a.Data))
		return a
	}
}

// stored are batches of x [batches, N, width] and y [batches, N], in order and again.
type stored struct{ x, y nn.Array }

func (s stored) Batch(_ context.Context, micro int) (learn.Batch, error) {
	n, width := s.x.Shape[1], s.x.Shape[2]
	micro %= s.x.Shape[0]
	b := learn.Batch{Inputs: map[string]nn.Array{Features: {Shape: []int{n, width}, Data: s.x.Data[micro*n*width : (micro+1)*n*width]}}}
	for _, c := range s.y.Data[micro*n : (micro+1)*n] {
		b.Labels = append(b.Labels, int(c))
	}
	return b, nil
}

func all[T any](v T) *T { return &v }

// trainings are golden/generate_probe.py's.
var trainings = map[string]struct {
	optimizer learn.Optimizer
	rate      float64
	schedule  Schedule
}{
	"adamw":     {learn.Optimizer{}, 0.02, Constant},
	"adamw_all": {learn.Optimizer{WeightDecay: all(0.1), Betas: &[2]float64{0.8, 0.97}, Eps: all(1e-3)}, 0.03, Cosine},
	"sgd":       {learn.Optimizer{Kind: learn.SGD}, 0.3, Linear},
	"sgd_all":   {learn.Optimizer{Kind: learn.SGD, WeightDecay: all(0.05), Momentum: 0.9, Nesterov: true}, 0.1, Constant},
}

func head(t *testing.T, name string, read func(string) nn.Array) *Head {
	t.Helper()
	h, err := NewHead("classifier", read("weight"), read("bias").Data, learn.Options{Optimizer: trainings[name].optimizer, Clip: 0.7, Accumulate: 2})
	require.NoError(t, err)
	return h
}

func close(t *testing.T, want, got []float32, tolerance float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	largest, worst := 0.0, 0.0
	for i, w := range want {
		largest, worst = math.Max(largest, math.Abs(float64(w))), math.Max(worst, math.Abs(float64(w-got[i])))
	}
	assert.LessOrEqual(t, worst, tolerance*largest, what)
}

// Five steps are PyTorch's, with its clipping and transformers' schedules and warm-up.
func TestHeadIsPyTorchs(t *testing.T) {
	read := open(t)
	for name, c := range trainings {
		h := head(t, name, read)
		result, err := Train(t.Context(), h, stored{read("x"), read("y")}, Options{Steps: 5, Accumulate: 2, Rate: c.rate, Schedule: c.schedule, Warmup: 2}, nil, func(Step) error { return nil })
		require.NoError(t, err)
		values, err := h.Parameters()
		require.NoError(t, err)
		grads, err := h.Gradients()
		require.NoError(t, err)
		close(t, read(name+".loss").Data, result.Losses, 1e-6, name+" loss")
		for _, part := range []string{"weight", "bias"} {
			close(t, read(name+"."+part).Data, values["classifier."+part].Data, 1e-6, name+" "+part)
			close(t, read(name+".grad."+part).Data, grads["classifier."+part].Data, 2e-6, name+" gradient of "+part)
		}
	}
}

// A training that was stopped, at any step, goes on to the same numbers.
func TestResume(t *testing.T) {
	read := open(t)
	from := stored{read("x"), read("y")}
	score := func() func(context.Context) (Score, error) {
		return func(context.Context) (Score, error) { return Score{Top1: 0.5, Loss: 1}, nil }
	}
	for stop := 1; stop < 12; stop += 3 {
		o := Options{Steps: 12, Accumulate: 2, Rate: 0.02, Schedule: Cosine, Warmup: 3, Epoch: 5, State: filepath.Join(t.TempDir(), "resume", "state.safetensors"), Resume: true, Identity: "a 1"}
		whole := head(t, "adamw", read)
		p := o
		p.State = ""
		p.Resume = false
		want, err := Train(t.Context(), whole, from, p, score(), func(Step) error { return nil })
		require.NoError(t, err)

		killed := errors.New("killed")
		_, err = Train(t.Context(), head(t, "adamw", read), from, o, score(), func(s Step) error {
			if s.Number == stop {
				return killed
			}
			return nil
		})
		require.ErrorIs(t, err, killed)
		again := head(t, "adamw", read)
		got, err := Train(t.Context(), again, from, o, score(), func(s Step) error {
			assert.Greater(t, s.Number, stop)
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, stop, got.Resumed)
		assert.Equal(t, want.Losses, got.Losses)
		assert.Equal(t, want.BestStep, got.BestStep)
		assert.Equal(t, want.BestValues, got.BestValues)
		a, _, _ := whole.State()
		b, _, _ := again.State()
		assert.Equal(t, a, b)

		o.Identity = "b 1"
		_, err = Train(t.Context(), head(t, "adamw", read), from, o, nil, nil)
		assert.ErrorContains(t, err, "it is of a training with other options or examples (a, now b)")
	}
}

// A rate that is far too high is said after ten steps without a finite loss.
func TestDiverges(t *testing.T) {
	read := open(t)
	h := head(t, "sgd", read)
	h.clip = 0
	steps := 0
	_, err := Train(t.Context(), h, stored{read("x"), read("y")}, Options{Steps: 1000, Accumulate: 2, Rate: 1e40}, nil, func(s Step) error {
		steps++
		return nil
	})
	require.ErrorIs(t, err, learn.ErrDiverged)
	assert.Less(t, steps, 30)
}

func TestEarlyStopKeepsTheBest(t *testing.T) {
	read := open(t)
	n := 0
	result, err := Train(t.Context(), head(t, "adamw", read), stored{read("x"), read("y")}, Options{Steps: 100, Accumulate: 2, Rate: 0.02, Epoch: 4, Patience: 2}, func(context.Context) (Score, error) {
		n++
		return Score{Top1: []float64{0.5, 0.75, 0.7, 0.75}[n-1], Loss: 1}, nil
	}, func(Step) error { return nil })
	require.NoError(t, err)
	assert.True(t, result.Early)
	assert.Equal(t, 4, result.BestStep)
	assert.Len(t, result.Losses, 8)
	assert.Equal(t, 0.75, result.Best.Top1)
	assert.NotEmpty(t, result.BestValues)
}

// saved is a training after two steps: its options, by which train goes on or begins anew, and the
// state that it left.
func saved(t *testing.T) (o *Options, train func() error, state []byte) {
	t.Helper()
	read := open(t)
	o = &Options{Steps: 2, Accumulate: 2, Rate: 0.02, State: filepath.Join(t.TempDir(), "state.safetensors")}
	train = func() error {
		_, err := Train(t.Context(), head(t, "adamw", read), stored{read("x"), read("y")}, *o, nil, func(Step) error { return nil })
		return err
	}
	require.NoError(t, train())
	state, err := os.ReadFile(o.State)
	require.NoError(t, err)
	return o, train, state
}

// A state that can't be saved is said, and the one before stays.
func TestStateCantBeSaved(t *testing.T) {
	o, train, before := saved(t)
	path := o.State
	o.State = filepath.Join(o.State, "below", "x") // a file stands where a folder would
	assert.ErrorContains(t, train(), "the one before is still there")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// A training that is told to end is validated then, its state saved, and goes on from it to the
// same numbers.
func TestStop(t *testing.T) {
	read := open(t)
	from := stored{read("x"), read("y")}
	o := Options{Steps: 9, Accumulate: 2, Rate: 0.02, Epoch: 5, State: filepath.Join(t.TempDir(), "state.safetensors"), Every: time.Hour}
	score := func(context.Context) (Score, error) { return Score{Top1: 0.5, Loss: 1}, nil }
	want, err := Train(t.Context(), head(t, "adamw", read), from, o, score, func(Step) error { return nil })
	require.NoError(t, err)
	assert.False(t, want.Stopped)
	stopped, err := Train(t.Context(), head(t, "adamw", read), from, o, score, func(s Step) error {
		if s.Number == 4 {
			return ErrStop
		}
		return nil
	})
	require.NoError(t, err)
	assert.True(t, stopped.Stopped)
	assert.Len(t, stopped.Losses, 4)
	assert.NotNil(t, stopped.Last)
	o.Resume = true
	got, err := Train(t.Context(), head(t, "adamw", read), from, o, score, func(Step) error { return nil })
	require.NoError(t, err)
	assert.Equal(t, 4, got.Resumed)
	assert.Equal(t, want.Losses, got.Losses)
}

func TestOrder(t *testing.T) {
	o := &Order{N: 10, Size: 4, Seed: 3}
	assert.Equal(t, 3, o.PerEpoch())
	var epochs [2][]int
	for micro := range 6 {
		examples, epoch := o.Batch(micro)
		epochs[epoch] = append(epochs[epoch], examples...)
	}
	for _, e := range epochs {
		assert.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, e)
	}
	assert.NotEqual(t, epochs[0], epochs[1])
	again, _ := (&Order{N: 10, Size: 4, Seed: 3}).Batch(4)
	assert.Equal(t, epochs[1][4:8], again)
}

func TestSchedules(t *testing.T) {
	for s, want := range map[Schedule][]float64{Constant: {0, 0.5, 1, 1, 1, 1}, Linear: {0, 0.5, 1, 0.75, 0.5, 0.25}, Cosine: {0, 0.5, 1, 0.8535533905932737, 0.5, 0.1464466094067262}} {
		for step, factor := range want {
			assert.InDelta(t, factor, s.Factor(step, 2, 6), 1e-15, "%s %d", s, step)
		}
	}
}
