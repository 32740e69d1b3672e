package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/learn"
	"saccade/weights"
	"saccade/zoo"
)

// command is the name that errors begin with.
const command = "train"

// app is one call of the command.
type app struct {
	options
	stdout *bufio.Writer
	stderr io.Writer
	getenv func(string) string
	bar    cli.Bar

	dev        *gpu.Device
	checkpoint *models.Checkpoint
	source     string   // where the weights come from
	labels     []string // of the classes that are trained
	fresh      bool     // the head is a new one
	data       *examples
	validated  *examples // by -validation, or nil
	errors     []pathError
	named      map[string]bool // pictures that were complained of
}

// pathError is a picture that could not be read.
type pathError struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{stdout: bufio.NewWriter(stdout), stderr: stderr, getenv: getenv, bar: cli.NewBar(stderr), named: map[string]bool{}}
	err := a.options.parse(args)
	if err == nil {
		err = a.do(ctx)
	}
	a.bar.Clear()
	if flushErr := a.stdout.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("writing the results: %w", cli.Reason(flushErr))
	}
	if err == nil {
		err = a.choice.Finish(a.dev, a.stderr)
	}
	if a.dev != nil {
		a.dev.Close()
	}
	return cli.Exit(ctx, a.stderr, command, err)
}

// do is what the flags ask for.
func (a *app) do(ctx context.Context) error {
	switch {
	case a.help:
		return a.printHelp()
	case a.version:
		_, err := fmt.Fprintln(a.stdout, cli.VersionText())
		return err
	}
	if a.view {
		if err := a.openView(); err != nil {
			return err
		}
	}
	if err := a.checkOutputs(); err != nil {
		return err
	}
	if a.paints() {
		return a.trainPipeline(ctx)
	}
	if err := a.findExamples(); err != nil {
		return err
	}
	if err := a.open(ctx); err != nil {
		return err
	}
	switch {
	case a.tip:
		return a.adaptTip(ctx)
	case a.sensors != "":
		return a.fuse(ctx)
	case a.compares():
		return a.trainContext(ctx)
	case a.through():
		return a.trainNetwork(ctx)
	}
	return a.trainHead(ctx)
}

// open opens the checkpoint, gives it a head for the classes where it needs one, and opens
// the device.
func (a *app) open(ctx context.Context) (err error) {
	o := models.Options{Precision: a.precision, Hub: weights.HubFromEnv(), Embedded: zoo.All()}
	o.Hub.Waiting = func(file string) { a.note("waiting for another process that fetches %s", file) }
	if a.bar.To != nil && !o.Hub.NoBars {
		o.Hub.Progress = func(file string, done, total int64) {
			a.bar.Draw(file, done, total, fmt.Sprintf("%.1f MB", float64(done)/1e6))
		}
	}
	if a.checkpoint, err = models.Open(ctx, a.model, a.weights, o); err != nil {
		return err
	}
	a.bar.Clear()
	a.source = a.checkpoint.Source()
	if err := a.settleClasses(); err != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
		return err
	}
	if a.promptTokens > 0 && !a.compares() {
		if err := a.checkpoint.SetPrompts(a.promptTokens, a.seed); err != nil {
			a.checkpoint.Close() //nolint:errcheck // the first error counts
			return err
		}
	}
	if a.dev, err = a.choice.Open(a.getenv, a.stderr); err != nil {
		a.checkpoint.Close() //nolint:errcheck // the first error counts
	}
	return err
}

// load makes the model of the checkpoint.
func (a *app) load(outputs ...string) (*models.Model, error) {
	m, err := a.checkpoint.Load(a.dev, models.Options{Precision: a.precision, Outputs: outputs, Override: a.override})
	if err != nil {
		return nil, err
	}
	for _, n := range m.Notes {
		a.note("%s: %s", m.Source, n)
	}
	return m, nil
}

// note tells something that is no error.
func (a *app) note(format string, args ...any) {
	a.bar.Clear()
	fmt.Fprintf(a.stderr, "%s: note: %s\n", command, weights.Escape(fmt.Sprintf(format, args...)))
}

// complain prints an error as one line.
func (a *app) complain(err error) {
	a.bar.Clear()
	cli.Complain(a.stderr, command, err)
}

// line prints a value as one line of JSON, at once.
func (a *app) line(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the results as JSON: %w", err)
	}
	return a.stdout.Flush()
}

// learning are the options of a learner.
func (a *app) learning() learn.Options {
	o := learn.Options{Seed: a.seed, Clip: a.clip, Accumulate: a.accumulate, Precision: a.precision, Checkpoint: a.recompute, LowMemory: a.lowMemory, Head: a.head, Full: a.full, Prompts: a.promptTokens > 0, BatchStatistics: a.batchStatistics, Init: a.init,
		Optimizer: learn.Optimizer{WeightDecay: a.weightDecay, Betas: a.betas, Eps: a.eps, Momentum: a.momentum}}
	if a.optimizer == sgd {
		o.Optimizer.Kind = learn.SGD
	}
	if a.lora > 0 {
		o.LoRA = &learn.LoRA{Rank: a.lora, Alpha: a.alpha, RSLoRA: a.rslora, Targets: a.targets}
	}
	return o
}
