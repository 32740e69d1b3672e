// Command run puts a picture through a network on the GPU and prints what is in it.
//
//	run -model vit -image x.png
//	run -model vit -weights google/vit-base-patch16-224 -image x.png
//
// Run -h lists the flags. Results go to stdout; errors, one line each, and
// progress to stderr. Exit codes: 0 fine, 1 failure, 2 usage, 3 no usable
// adapter, 4 verification mismatch, 130 interrupted.
//
// The command holds flags, wiring and printing; what it does is done by calls
// of package models that any program can make.
package main

import (
	"os"

	"saccade/cmd/internal/cli"
)

func main() {
	os.Exit(run(cli.Context(), os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}
