package fit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"saccade/models/learn"
	"saccade/models/nn"
)

// Options say how long a training goes on and how.
type Options struct {
	Steps      int // of the optimizer
	Accumulate int // micro-steps of a step
	Rate       float64
	Schedule   Schedule
	Warmup     int // steps
	// Epoch is the micro-steps after which the examples begin anew, and a validation is due;
	// 0: there are none.
	Epoch int
	// Patience is the validations without a better one after which the training ends; 0: it
	// does not end early.
	Patience int
	// State is the file that the training can go on from, "" none; Resume takes it up if it
	// is there. Every is the time between two saves at least.
	State  string
	Resume bool
	Every  time.Duration
	// Identity tells the training from others: its options and examples. A state of another
	// one is refused.
	Identity string
}

// Score is what a validation found.
type Score struct {
	Top1      float64 `json:"top1"` // fraction of examples
	Loss      float64 `json:"loss"`
	Examples  int     `json:"images"`
	Confusion [][]int `json:"confusion,omitempty"` // [true][predicted]
}

// better says that s is better than other: more is right or, of as much, the loss is lower.
func (s Score) better(other *Score) bool {
	return other == nil || s.Top1 > other.Top1 || s.Top1 == other.Top1 && s.Loss < other.Loss
}

// Step is what is told of a step.
type Step struct {
	learn.Outcome
	Number, Of int
	Rate       float64
	Took       time.Duration
	Waited     time.Duration // of it, for examples
	Validated  *Score        // after the step, or nil
}

// Result is what a training came to.
type Result struct {
	Losses  []float32 // of all steps
	Skipped int       // steps whose gradients were not finite
	Last    *Score    // of the last validation, or nil
	// Best is that of the best validation, after step BestStep, whose parameters were
	// BestValues; nil without validations.
	Best       *Score
	BestStep   int
	BestValues map[string]nn.Array
	Resumed    int           // the step that it went on after, 0: from the beginning
	Early      bool          // it ended for want of patience
	Stopped    bool          // it ended because report said so
	Took       time.Duration // of the steps
	Waited     time.Duration // of that, for examples
}

// trainer is a training.
type trainer struct {
	Options
	Result
	l        Learner
	from     Batches
	validate func(context.Context) (Score, error)
	report   func(Step) error

	micro int // the next
	since int // validations since the best
	saved time.Time
}

// ErrStop is what a report gives for a training to end as if the step had been its last.
var ErrStop = errors.New("the training is to end")

// Train makes the steps, or those that are left of a state that was saved. After each epoch
// and the last step validate, if it is not nil, tells how good the learner is. An error of
// report, but for [ErrStop], ends the training, as the end of ctx does; what was done till then is
// saved.
func Train(ctx context.Context, l Learner, from Batches, o Options, validate func(context.Context) (Score, error), report func(Step) error) (*Result, error) {
	o.Accumulate = max(1, o.Accumulate)
	t := &trainer{Options: o, l: l, from: from, validate: validate, report: report, saved: time.Now()}
	if o.Resume {
		if err := t.resume(); err != nil {
			return nil, err
		}
	}
	err := t.run(ctx)
	if err != nil && !errors.Is(err, errSave) { // what was done is kept
		err = errors.Join(err, t.save())
	}
	return &t.Result, err
}

func (t *trainer) run(ctx context.Context) error {
	next := readAhead(ctx, t.from, t.micro, math.MaxInt)
	defer next.close()
	for n := len(t.Losses); n < t.Steps && !t.Early && !t.Stopped; n++ {
		s, err := t.step(ctx, next, n)
		if err != nil {
			return err
		}
		if err := t.report(s); errors.Is(err, ErrStop) {
			if t.Stopped = true; t.validate != nil && s.Validated == nil {
				if err := t.score(ctx, n+1); err != nil {
					return err
				}
			}
		} else if err != nil {
			return err
		}
		if t.State != "" && (n+1 == t.Steps || t.Early || t.Stopped || time.Since(t.saved) >= t.Every) {
			if err := t.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

// step makes step n.
func (t *trainer) step(ctx context.Context, next *ahead, n int) (Step, error) {
	began, waited := time.Now(), next.waited
	first := t.micro
	var batches []learn.Batch
	for empty := 0; len(batches) < t.Accumulate; t.micro++ {
		b, err := next.next(ctx)
		if err != nil {
			t.micro = first
			return Step{}, err
		}
		if len(b.Labels) == 0 && len(b.Target.Data) == 0 {
			if empty++; empty > max(10, 2*t.Epoch) {
				return Step{}, errors.New("none of the examples can be read")
			}
			continue
		}
		batches = append(batches, b)
	}
	rate := t.Rate * t.Schedule.Factor(n, t.Warmup, t.Steps)
	out, err := t.l.Step(ctx, rate, batches...)
	if err != nil {
		t.micro = first
		return Step{}, err
	}
	if out.Skipped {
		t.Skipped++
	}
	t.Losses = append(t.Losses, float32(out.Loss))
	s := Step{Outcome: out, Number: n + 1, Of: t.Steps, Rate: rate, Took: time.Since(began), Waited: next.waited - waited}
	t.Took += s.Took
	t.Waited += s.Waited
	if t.validate != nil && (n+1 == t.Steps || t.Epoch > 0 && first/t.Epoch != t.micro/t.Epoch) {
		if err := t.score(ctx, n+1); err != nil {
			return s, err
		}
		s.Validated = t.Last
	}
	return s, nil
}

// score validates after step n.
func (t *trainer) score(ctx context.Context, n int) error {
	got, err := t.validate(ctx)
	if err != nil {
		return fmt.Errorf("validation: %w", err)
	}
	t.Last = &got
	if !got.better(t.Best) {
		t.since++
		t.Early = t.Patience > 0 && t.since >= t.Patience
		return nil
	}
	values, err := t.l.Parameters()
	if err != nil {
		return err
	}
	t.Best, t.BestStep, t.BestValues, t.since = &got, n, maps.Clone(values), 0
	return nil
}
