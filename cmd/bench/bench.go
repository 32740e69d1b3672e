package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/ops"
)

// command is the name that errors begin with.
const command = "bench"

// bench is one call of the command.
type bench struct {
	options
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	extra  []spec // rows besides those of the flags: in tests

	dev   *gpu.Device // set by open
	plain *gpu.Device // with -tune: the same adapter, without what it found
}

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string, extra []spec) int {
	b := &bench{stdout: stdout, stderr: stderr, getenv: getenv, extra: extra}
	err := b.options.parse(args)
	if err == nil {
		err = b.do(ctx)
	}
	if err == nil {
		err = b.choice.Finish(b.dev, b.stderr)
	}
	for _, d := range []*gpu.Device{b.dev, b.plain} {
		if d != nil {
			d.Close()
		}
	}
	return cli.Exit(ctx, b.stderr, command, err)
}

// do is what the flags ask for.
func (b *bench) do(ctx context.Context) error {
	switch {
	case b.help:
		return b.printHelp()
	case b.list:
		return b.printList()
	case len(b.compare) > 0:
		return b.printComparison()
	case b.read != "":
		return b.printAgain()
	case b.leaderboard != "":
		return b.writeLeaderboard()
	}
	if b.keep != "" {
		if _, err := os.ReadDir(b.keep); err != nil { // now, not after minutes
			return fmt.Errorf("keeping the report: %w", err)
		}
	}
	if b.choice.Tune {
		if err := b.tune(ctx); err != nil {
			return err
		}
		if err := b.openPlain(); err != nil {
			return err
		}
	}
	if err := b.open(); err != nil {
		return err
	}
	report, mismatches, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if err := report.write(b.stdout, b.format); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if len(mismatches) > 0 {
		return fmt.Errorf("%w: %w", cli.ErrMismatch, errors.Join(mismatches...))
	}
	if err := report.plausible(); err != nil || b.keep == "" {
		return err
	}
	path, err := report.keep(b.keep)
	if err == nil {
		fmt.Fprintf(b.stderr, "kept as %s\n", path)
	}
	return err
}

// printAgain prints a report that -o json wrote.
func (b *bench) printAgain() error {
	report, err := readReport(b.read)
	if err != nil {
		return err
	}
	return report.write(b.stdout, b.format)
}

// specs are the rows that the flags ask for.
func (b *bench) specs() []spec {
	all := slices.Clone(b.extra)
	if b.sweep == overSequence {
		return append(all, spec{Kind: kindOp, Name: "attention", Precision: b.precision, Batch: 1})
	}
	for _, name := range b.models {
		kind := kindModel
		switch {
		case slices.Contains(models.StandardTextNames(), name):
			kind = kindText
		case slices.Contains(trainingNames(), name):
			kind = kindTrain
		}
		all = append(all, spec{Kind: kind, Name: name, Precision: b.precision, Batch: b.batch})
	}
	for _, name := range b.pipelines {
		for _, kind := range []string{kindStep, kindPipeline} {
			all = append(all, spec{Kind: kind, Name: name, Precision: b.precision, Batch: 1})
		}
	}
	switch {
	case b.shape != "":
		all = append(all, spec{Kind: kindOp, Name: b.op, Precision: b.precision, Batch: 1, Shape: b.shape})
	case b.op != "":
		for _, c := range ops.Cases() {
			if c.Bench && (b.op == "all" || b.op == c.Op) {
				all = append(all, spec{Kind: kindOp, Name: c.Op, Precision: b.precision, Batch: 1, Shape: c.Name})
			}
		}
	}
	return all
}

// measure times every row; mismatches are of rows that were not verified.
func (b *bench) measure(ctx context.Context) (*Report, []error, error) {
	m, err := newMeter(ctx, b.dev)
	if err != nil {
		return nil, nil, err
	}
	defer m.close()
	report := newReport(b.dev.Info())
	var mismatches []error
	for _, s := range b.specs() {
		if b.sweep != "" {
			wrong, err := b.sweepOne(ctx, m, report, s)
			if err != nil {
				return nil, nil, err
			}
			mismatches = append(mismatches, wrong...)
			continue
		}
		row, mismatch, err := b.row(ctx, m, s)
		if err != nil {
			return nil, nil, err
		}
		if mismatch != nil {
			mismatches = append(mismatches, mismatch)
		}
		report.Rows = append(report.Rows, row)
	}
	if b.peers {
		if err := b.races(ctx, report); err != nil {
			return nil, nil, err
		}
	}
	if err := m.survey(ctx); err != nil {
		return nil, nil, err
	}
	report.Tuned = b.choice.Tuned(b.dev)
	report.finish(m.peak)
	return report, mismatches, nil
}

// row times one subject, and its cold start.
func (b *bench) row(ctx context.Context, m *meter, s spec) (row Row, mismatch, err error) {
	defer b.say("")
	x, err := s.open(ctx, b.dev)
	if err != nil {
		return row, nil, err
	}
	if s.Kind == kindTrain { // whose steps may take longer than anyone waits
		b.say("")
		fmt.Fprintf(b.stderr, "%s: a step takes %s on the device, %s of it weights and what is trained\n", s.Name, gpu.MiB(x.weights+x.activations), gpu.MiB(x.weights))
	}
	row, mismatch, err = b.timed(ctx, m, x, false)
	if err != nil || !b.cold || s.build != nil {
		return row, mismatch, err
	}
	b.say("starting cold: " + s.String())
	ms, err := b.coldStart(ctx, s)
	row.ColdMS = &ms
	return row, mismatch, err
}

// timed verifies and times a subject, which it closes.
func (b *bench) timed(ctx context.Context, m *meter, x *subject, sample bool) (row Row, mismatch, err error) {
	defer x.close()
	b.say("verifying and timing " + x.String())
	row, mismatch, err = measure(ctx, m, x, b.repetitions, sample)
	if err == nil && (b.layers || b.format == "html") && x.Kind != kindOp && b.sweep == "" {
		row.Layers, err = x.layers(ctx)
	}
	if err == nil && b.plain != nil && b.sweep == "" {
		var gain float64
		gain, err = b.gain(ctx, x, b.repetitions)
		row.TunedGain = &gain
	}
	return row, mismatch, err
}

// say shows progress, if anybody looks.
func (b *bench) say(what string) {
	if cli.IsTerminal(b.stderr) {
		fmt.Fprintf(b.stderr, "\r\x1b[K%s", what)
	}
}

// open opens the device that flags and environment ask for.
func (b *bench) open() (err error) {
	b.dev, err = b.choice.Open(b.getenv, b.stderr)
	return err
}
