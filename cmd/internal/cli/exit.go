package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"saccade/gpu"
	"saccade/models"
	"saccade/weights"
)

// The exit codes.
const (
	ExitFine        = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNoAdapter   = 3
	ExitMismatch    = 4
	ExitInterrupted = 130 // as shells have it for Ctrl-C
)

// ErrMismatch is wrapped when the GPU does not compute what it should.
var ErrMismatch = errors.New("verification failed")

// usageError is a mistake in the command line.
type usageError struct{ error }

// Usage marks err as a mistake in the command line.
func Usage(err error) error { return usageError{err} }

// Usagef words a mistake in the command line.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// Exit complains of the error, if any, and finds the exit code. An error that
// comes of ctx having ended is an interruption.
func Exit(ctx context.Context, stderr io.Writer, command string, err error) int {
	var unknown *models.UnknownModelError
	var usage usageError
	code := ExitFailure
	switch {
	case err == nil:
		return ExitFine
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err, code = errors.New("interrupted"), ExitInterrupted
	case errors.As(err, &usage), errors.As(err, &unknown), errors.Is(err, models.ErrNoAttention):
		code = ExitUsage
	case errors.Is(err, gpu.ErrNoAdapter):
		code = ExitNoAdapter
	case errors.Is(err, ErrMismatch):
		code = ExitMismatch
	}
	Complain(stderr, command, err)
	return code
}

// Main is the whole of a command for developers, whose errors may have several lines.
func Main(command string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	err := run(Context(), os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(ExitUsage)
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", command, err)
		os.Exit(ExitFailure)
	}
}

// Complain prints an error of a command as one line.
func Complain(stderr io.Writer, command string, err error) {
	fmt.Fprintf(stderr, "%s: %s\n", command, OneLine(err))
}

// OneLine is the text of an error in one line, of at most 500 bytes.
func OneLine(err error) string { return weights.Line(err) }
