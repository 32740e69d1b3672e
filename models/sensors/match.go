package sensors

import (
	"fmt"
	"path/filepath"
)

// Match finds the row of each picture, -1 where there is none: by its path within a folder, or
// by its file's name alone, which is to be that of one picture.
func (t *Table) Match(folder string, paths []string) ([]int, error) {
	at, named := map[string]int{}, map[string]int{}
	for i, name := range t.Names {
		at[filepath.ToSlash(name)] = i
	}
	for _, path := range paths {
		named[filepath.Base(path)]++
	}
	rows := make([]int, len(paths))
	for i, path := range paths {
		base := filepath.Base(path)
		within, err := filepath.Rel(folder, path)
		if err != nil {
			within = path
		}
		row, ok := at[filepath.ToSlash(within)]
		if !ok {
			if row, ok = at[base]; ok && named[base] > 1 {
				return nil, fmt.Errorf("%q is the name of %d pictures; give their paths within %s", base, named[base], folder)
			}
		}
		if rows[i] = row; !ok {
			rows[i] = -1
		}
	}
	return rows, nil
}
