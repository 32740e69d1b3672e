// Command serve answers over HTTP what run computes.
//
//	serve -models clip,sd,blip -listen 127.0.0.1:8080
//
// Serve -h lists the flags. Its log goes to stderr. On SIGTERM or an interrupt it takes no
// more requests, ends those that are there and exits with 0; a second one ends it at once.
// Other exit codes are run's: 1 failure, 2 usage, 3 no usable adapter.
//
// The command holds flags, the listening and the end; what is answered is package serve's.
package main

import (
	"os"

	"saccade/cmd/internal/cli"
)

func main() {
	os.Exit(run(cli.Context(), os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}
