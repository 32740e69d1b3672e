// Package cli is what the project's commands have in common: exit codes and
// the one line of an error, the wording of mistakes in flags, the choice of an
// adapter by flags and environment, signals, whether stderr is a terminal, and
// how shapes and numbers are written.
//
// It holds no flag of one command alone, prints no results and exits nothing but in [Main]:
// the commands do.
package cli
