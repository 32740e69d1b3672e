package main

import (
	"os"
	"path/filepath"

	"saccade/cmd/internal/cli"
)

// checkOutputs refuses two outputs of one file, of which the later would write over
// the earlier.
func (o *options) checkOutputs() error {
	outputs := []struct{ name, path string }{{"o", o.out}, {"record", o.record}, {"save", o.save}, {"explain", o.explain}}
	for i, a := range outputs {
		for _, b := range outputs[:i] {
			if a.path != "" && b.path != "" && samePath(a.path, b.path) {
				return cli.Usagef("-%s and -%s both name %s; give each output its own", b.name, a.name, a.path)
			}
		}
	}
	return nil
}

// samePath says that two paths are of one file, also if it is not there yet.
func samePath(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y) || whole(a) == whole(b)
}

// whole is a path from the root, links to its folder followed.
func whole(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}
