package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"saccade/gpu"
	"saccade/models"
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

// app is one call of the command.
type app struct {
	options
	stdout *output
	stderr io.Writer
	getenv func(string) string

	dev      *gpu.Device   // set by open
	pictures []string      // by -image
	classes  []class       // by -eval
	raw      *models.Array // by -input
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errMismatch is wrapped when the GPU does not compute what it should.
var errMismatch = errors.New("verification failed")

// errReported ends the command with exit code 1 after its reasons were printed.
var errReported = errors.New("reported")

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{stdout: newOutput(stdout), stderr: stderr, getenv: getenv}
	err := a.options.parse(args)
	if err == nil {
		err = a.do(ctx)
	}
	if flushErr := a.stdout.flush(); err == nil {
		err = flushErr
	}
	if a.dev != nil {
		a.dev.Close()
	}
	return a.exit(ctx, err)
}

// exit prints the error, if any, as one line, and finds its code.
func (a *app) exit(ctx context.Context, err error) int {
	var unknown *models.UnknownModelError
	var usage usageError
	code := exitFailure
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errReported):
		return exitFailure
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err, code = errors.New("interrupted"), exitInterrupted
	case errors.As(err, &usage), errors.As(err, &unknown):
		code = exitUsage
	case errors.Is(err, gpu.ErrNoAdapter):
		code = exitNoAdapter
	case errors.Is(err, errMismatch):
		code = exitMismatch
	}
	a.complain(err)
	return code
}

// complain prints an error as one line.
func (a *app) complain(err error) {
	fmt.Fprintln(a.stderr, "run:", oneLine(err))
}

func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

// do is what the flags ask for.
func (a *app) do(ctx context.Context) error {
	switch {
	case a.help:
		return a.printHelp()
	case a.version:
		return a.printVersion()
	case a.listModels:
		return a.printModels()
	case a.listDevices:
		return a.printDevices()
	case a.verify && a.model == "":
		return a.verifyGoldens(ctx)
	}
	m, err := a.load(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	switch {
	case a.verify:
		return a.verifyModel(ctx, m)
	case a.profile:
		return a.printProfile(ctx, m)
	case a.eval != "":
		return a.evaluate(ctx, m)
	}
	return a.compute(ctx, m)
}
