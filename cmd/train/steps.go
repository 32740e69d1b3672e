package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/fit"
	"saccade/models/learn"
	"saccade/models/nn"
)

// training is one by steps.
type training struct {
	*app
	l        fit.Learner
	from     fit.Batches
	perEpoch int    // micro-steps
	print    string // of the weights
	score    func(context.Context) (fit.Score, error)
	train    func(context.Context) (fit.Score, error) // on what is learned from, or nil
	data     string                                   // what tells the examples from others
	write    func(folder string, values map[string]nn.Array) error
	m        *models.Model // that classifies; nil of a pipeline
	// readProbe makes the learner's inputs of an example.
	readProbe func(context.Context, *examples) (map[string]nn.Array, error)
	probed    map[string]nn.Array // of -probe, once it was read

	began  time.Time
	first  int     // step of this call
	recent float64 // seconds of a step, of late
}

// stepLine is what -json prints of a step.
type stepLine struct {
	Step    int      `json:"step"`
	Loss    *float64 `json:"loss"` // null where it is not finite
	Rate    float64  `json:"lr"`
	MS      float64  `json:"ms"`
	Skipped bool     `json:"skipped,omitempty"`
	Top1    *float64 `json:"top1,omitempty"`
	Held    *float64 `json:"validation_loss,omitempty"`
}

// doneLine is what -json prints last.
type doneLine struct {
	Done      bool        `json:"done"`
	Top1      *float64    `json:"top1,omitempty"` // of a network that classifies
	Of        string      `json:"of,omitempty"`   // validation or training
	Images    int         `json:"images,omitempty"`
	Loss      *float64    `json:"loss"`
	Steps     int         `json:"steps"`
	Skipped   int         `json:"skipped,omitempty"`
	Early     bool        `json:"early,omitempty"`
	Best      *bestJSON   `json:"best,omitempty"`
	Seconds   float64     `json:"seconds"`
	Waited    float64     `json:"waited"` // share of that in which steps waited for pictures
	Confusion [][]int     `json:"confusion,omitempty"`
	LeftOut   int         `json:"left_out,omitempty"`
	Errors    []pathError `json:"errors,omitempty"`
}

// bestJSON is the best validation.
type bestJSON struct {
	Step int     `json:"step"`
	Top1 float64 `json:"top1"`
}

// take takes the score of some examples.
func (d *doneLine) take(s fit.Score, of string) {
	d.Top1, d.Of, d.Images, d.Confusion = &s.Top1, of, s.Examples, s.Confusion
}

// run makes the steps and writes what came of them.
func (t *training) run(ctx context.Context) error {
	o := fit.Options{Accumulate: t.accumulate, Rate: t.lr, Schedule: fit.Schedule(t.schedule), Warmup: t.warmup, Epoch: t.perEpoch, Patience: t.patience,
		Resume: t.resume, Every: t.stateEvery, Identity: t.identity()}
	if o.Steps = t.steps; o.Steps == 0 {
		o.Steps = max(1, (t.epochs*t.perEpoch+t.accumulate-1)/t.accumulate)
	}
	if t.out != "" {
		o.State = filepath.Join(t.stateFolder(), "state.safetensors")
		if t.resume {
			if _, err := os.Stat(o.State); err != nil {
				t.note("%s has no saved state yet: the training begins", t.out)
			}
		}
	}
	validate := t.score
	if t.validated == nil {
		validate = nil
	}
	t.began = time.Now()
	train := func(ctx context.Context, report func(fit.Step) error) error {
		result, err := fit.Train(ctx, t.l, t.from, o, validate, report)
		t.bar.Clear()
		if err != nil {
			if errors.Is(err, learn.ErrDiverged) {
				err = fmt.Errorf("%w (-lr %g)", err, t.lr)
			}
			return err
		}
		return t.conclude(ctx, result)
	}
	if t.view {
		return t.watch(ctx, o, train)
	}
	return train(ctx, t.report)
}

// stateFolder is where the state is: in the folder of the result, or beside its file.
func (t *training) stateFolder() string {
	if strings.EqualFold(filepath.Ext(t.out), ".safetensors") {
		return t.out + ".resume"
	}
	return filepath.Join(t.out, "resume")
}

// report prints a step.
func (t *training) report(s fit.Step) error {
	if t.first == 0 {
		t.first = s.Number
		if s.Number > 1 {
			t.note("going on after step %d", s.Number-1)
		}
	}
	if s.Skipped && (math.IsNaN(s.Loss) || math.IsInf(s.Loss, 0) || s.Scale <= 1) {
		t.note("step %d: the loss or its gradients are not finite (loss %g); nothing was changed", s.Number, s.Loss)
	}
	if s.Validated != nil && !t.json {
		t.bar.Clear()
		fmt.Fprintf(t.stderr, "step %d: loss %.4f, validation %.2f %% of %s, loss %.4f\n", s.Number, s.Loss, 100*s.Validated.Top1, cli.Count(s.Validated.Examples, "picture"), s.Validated.Loss)
	}
	if t.json {
		l := stepLine{Step: s.Number, Loss: cli.Number(s.Loss), Rate: s.Rate, MS: float64(s.Took.Microseconds()) / 1e3, Skipped: s.Skipped}
		if s.Validated != nil {
			l.Top1, l.Held = &s.Validated.Top1, cli.Number(s.Validated.Loss)
		}
		return t.line(l)
	}
	if took := s.Took.Seconds(); t.recent == 0 {
		t.recent = took
	} else {
		t.recent = 0.9*t.recent + 0.1*took
	}
	left := time.Duration(float64(s.Of-s.Number) * t.recent * float64(time.Second)).Round(time.Second)
	t.bar.Draw("steps", int64(s.Number), int64(s.Of), fmt.Sprintf("%d/%d, loss %.4f, %.1f ms a step, %s left", s.Number, s.Of, s.Loss, 1e3*t.recent, left))
	return nil
}

// conclude writes the last state and the best.
func (t *training) conclude(ctx context.Context, r *fit.Result) error {
	values, err := t.l.Parameters()
	if err != nil {
		return err
	}
	var grads map[string]nn.Array
	if t.grads {
		if grads, err = t.l.Gradients(); err != nil {
			return err
		}
	}
	d := doneLine{Done: true, Steps: len(r.Losses), Skipped: r.Skipped, Early: r.Early, Seconds: r.Took.Seconds(), Loss: cli.Number(float64(r.Losses[len(r.Losses)-1]))}
	if r.Took > 0 {
		d.Waited = r.Waited.Seconds() / r.Took.Seconds()
	}
	if r.Last != nil {
		d.take(*r.Last, "validation")
		d.Best = &bestJSON{r.BestStep, r.Best.Top1}
	} else if t.train != nil {
		s, err := t.train(ctx)
		if err != nil {
			return err
		}
		d.take(s, "training")
	}
	if err := t.saveTensors(values, grads, r.Losses); err != nil {
		return err
	}
	if t.out != "" {
		if err := t.write(t.out, values); err != nil {
			return err
		}
		if r.Best != nil {
			if err := t.write(t.bestPath(), r.BestValues); err != nil {
				return err
			}
		}
	}
	return t.finish(d)
}

// identity tells the training from others, for -resume. How long it goes on only counts
// where the rate depends on it.
func (t *training) identity() string {
	words := []string{"model=" + t.model, "weights=" + t.print, "data=" + t.data}
	if t.validated != nil {
		words = append(words, "validation="+t.validated.print())
	}
	add := func(name string, v any) {
		words = append(words, strings.ReplaceAll(fmt.Sprintf("%s=%v", name, v), " ", ","))
	}
	add("lora", t.lora)
	add("alpha", t.alpha)
	add("rslora", t.rslora)
	add("targets", t.targets)
	add("head", t.head)
	if t.textEncoder {
		add("train-text-encoder", true)
	}
	if t.token != "" {
		add("token", t.token)
	}
	if t.promptTokens > 0 {
		add("prompt-tokens", t.promptTokens)
	}
	if t.full {
		add("full", t.full)
		add("batch-statistics", t.batchStatistics)
	}
	add("optimizer", t.optimizer)
	add("lr", t.lr)
	if t.weightDecay != nil {
		add("weight-decay", *t.weightDecay)
	}
	if t.eps != nil {
		add("eps", *t.eps)
	}
	if t.betas != nil {
		add("betas", *t.betas)
	}
	add("momentum", t.momentum)
	add("schedule", t.schedule)
	add("warmup", t.warmup)
	add("clip", t.clip)
	add("batch", t.batch)
	add("accumulate", t.accumulate)
	add("seed", t.seed)
	add("augment", t.augment)
	add("precision", t.precision)
	if t.lowMemory {
		add("low-memory", true)
	}
	if t.schedule != string(fit.Constant) {
		add("steps", t.steps)
		add("epochs", t.epochs)
	}
	return strings.Join(words, " ")
}
