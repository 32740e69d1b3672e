package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/ops"
)

// The exit codes.
const (
	exitFine        = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNoAdapter   = 3
	exitMismatch    = 4
	exitInterrupted = 130 // as shells have it for Ctrl-C
)

// bench is one call of the command.
type bench struct {
	options
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	extra  []spec // rows besides those of the flags: in tests

	dev *gpu.Device // set by open
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errMismatch is wrapped when the GPU does not compute what it should.
var errMismatch = errors.New("verification failed")

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string, extra []spec) int {
	b := &bench{stdout: stdout, stderr: stderr, getenv: getenv, extra: extra}
	err := b.options.parse(args)
	if err == nil {
		err = b.do(ctx)
	}
	if b.dev != nil {
		b.dev.Close()
	}
	return b.exit(ctx, err)
}

// exit prints the error, if any, as one line, and finds its code.
func (b *bench) exit(ctx context.Context, err error) int {
	var usage usageError
	code := exitFailure
	switch {
	case err == nil:
		return exitFine
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err, code = errors.New("interrupted"), exitInterrupted
	case errors.As(err, &usage):
		code = exitUsage
	case errors.Is(err, gpu.ErrNoAdapter):
		code = exitNoAdapter
	case errors.Is(err, errMismatch):
		code = exitMismatch
	}
	fmt.Fprintln(b.stderr, "bench:", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	return code
}

// do is what the flags ask for.
func (b *bench) do(ctx context.Context) error {
	switch {
	case b.help:
		return b.printHelp()
	case b.list:
		return b.printList()
	case b.compare != "":
		return b.printComparison()
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
		return fmt.Errorf("%w: %w", errMismatch, errors.Join(mismatches...))
	}
	return report.plausible()
}

// specs are the rows that the flags ask for.
func (b *bench) specs() []spec {
	all := slices.Clone(b.extra)
	for _, name := range b.models {
		all = append(all, spec{Kind: "model", Name: name, Precision: b.precision, Batch: b.batch})
	}
	switch {
	case b.shape != "":
		all = append(all, spec{Kind: "op", Name: b.op, Precision: b.precision, Batch: 1, Shape: b.shape})
	case b.op != "":
		for _, c := range ops.Cases() {
			if c.Bench && (b.op == "all" || b.op == c.Op) {
				all = append(all, spec{Kind: "op", Name: c.Op, Precision: b.precision, Batch: 1, Shape: c.Name})
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
		row, mismatch, err := b.row(ctx, m, s)
		if err != nil {
			return nil, nil, err
		}
		if mismatch != nil {
			mismatches = append(mismatches, mismatch)
		}
		report.Rows = append(report.Rows, row)
	}
	if err := m.survey(ctx); err != nil {
		return nil, nil, err
	}
	report.Peak = m.peak
	return report, mismatches, nil
}

// row times one subject, and its cold start.
func (b *bench) row(ctx context.Context, m *meter, s spec) (row Row, mismatch, err error) {
	b.say("verifying and timing " + s.String())
	defer b.say("")
	x, err := s.open(b.dev)
	if err != nil {
		return row, nil, err
	}
	row, mismatch, err = measure(ctx, m, x, b.repetitions)
	x.close()
	if err != nil || !b.cold || s.build != nil {
		return row, mismatch, err
	}
	b.say("starting cold: " + s.String())
	ms, err := b.coldStart(ctx, s)
	row.ColdMS = &ms
	return row, mismatch, err
}

// say shows progress, if anybody looks.
func (b *bench) say(what string) {
	f, ok := b.stderr.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(f, "\r\x1b[K%s", what)
	}
}

// open opens the device that flags and environment ask for, flags first.
func (b *bench) open() error {
	o := gpu.Options{Adapter: b.adapterName(), Log: b.stderr}
	var err error
	if o.Backend, err = b.backendName(); err != nil {
		return err
	}
	switch p := strings.ToLower(b.getenv("WGPU_POWER_PREFERENCE")); p {
	case "", "none", "low", "high":
		o.PowerPreference = p
	default:
		return usagef("WGPU_POWER_PREFERENCE %q: expected low, high or none", p)
	}
	if o.Debug, err = gpu.ParseDebug(b.getenv("SACCADE_DEBUG")); err != nil {
		return usagef("SACCADE_DEBUG: %w", err)
	}
	b.dev, err = gpu.Open(o)
	return err
}

func (b *bench) adapterName() string {
	if b.adapter != "" {
		return b.adapter
	}
	return b.getenv("WGPU_ADAPTER_NAME")
}

// backendName is the wanted backend, "" for the platform's.
func (b *bench) backendName() (string, error) {
	if b.backend != "" {
		return b.backend, nil
	}
	name := strings.ToLower(b.getenv("WGPU_BACKEND"))
	if name == "" || name == "primary" {
		return "", nil
	}
	var known string
	if err := oneOf(&known, backends...)(name); err != nil {
		return "", usagef("WGPU_BACKEND %q: %w", name, err)
	}
	return known, nil
}
