package main

import (
	"os"
	"syscall"
)

// windowed runs, in place of this program, the build with windows that lies beside it: archives
// for Linux have one without, which needs no X11, and run-window. It returns where there is none.
func windowed() error {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	program += "-window"
	if _, err := os.Stat(program); err != nil {
		return nil
	}
	return syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ())
}
