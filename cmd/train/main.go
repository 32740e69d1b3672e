// Command train adapts a network to one's own pictures.
//
//	train -model vit -data folder/ -head -o mine/
//	train -model vit -weights google/vit-base-patch16-224 -data folder/ -lora 8 -epochs 3 -o mine/
//
// Train -h lists the flags. Results go to stdout; errors, one line each, and progress to
// stderr. Exit codes are run's: 0 fine, 1 failure, 2 usage, 3 no usable adapter, 4
// verification mismatch, 130 interrupted.
//
// The command holds flags, data, wiring and printing; what is learned is done by packages
// learn, fit and probe.
package main

import (
	"os"

	"saccade/cmd/internal/cli"
)

func main() {
	os.Exit(run(cli.Context(), os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}
