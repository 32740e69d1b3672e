package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/models"
)

// Class is a folder of pictures of one class.
type Class struct {
	Name  string
	Paths []string
}

// FindClasses lists the sub-folders of a folder, sorted, with their pictures.
func FindClasses(folder string, complain func(error)) ([]Class, error) {
	entries, err := os.ReadDir(folder) // sorted
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", folder, Reason(err))
	}
	var classes []Class
	pictures := 0
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		info, err := os.Stat(path) // a link may stand for a folder
		if strings.HasPrefix(e.Name(), ".") || err != nil || !info.IsDir() {
			continue
		}
		paths, err := PicturesIn(path, complain)
		if err != nil {
			return nil, err
		}
		classes = append(classes, Class{e.Name(), paths})
		pictures += len(paths)
	}
	if pictures == 0 {
		return nil, fmt.Errorf("folder %s: expected one sub-folder of pictures a class, found no pictures in %s", folder, Count(len(classes), "sub-folder"))
	}
	return classes, nil
}

// MatchLabels finds the label of each folder, no two the same.
func MatchLabels(classes []Class, labels []string) ([]int, error) {
	index, taken := make([]int, len(classes)), map[int]string{}
	for i, c := range classes {
		k, err := matchLabel(c.Name, labels)
		if err != nil {
			return nil, err
		}
		if other, ok := taken[k]; ok {
			return nil, fmt.Errorf("its sub-folders %s and %s are both label %q", other, c.Name, labels[k])
		}
		index[i], taken[k] = k, c.Name
	}
	return index, nil
}

// matchLabel finds the label that a folder is named after: the same, or the
// same but for case and for spaces, or one of the synonyms that a label lists
// with commas.
func matchLabel(name string, labels []string) (int, error) {
	if i := slices.Index(labels, name); i >= 0 {
		return i, nil
	}
	for _, same := range []func(label string) bool{
		func(label string) bool { return Plain(label) == Plain(name) },
		func(label string) bool {
			return slices.ContainsFunc(strings.Split(label, ","), func(s string) bool { return Plain(s) == Plain(name) })
		},
	} {
		i := slices.IndexFunc(labels, same)
		if i < 0 {
			continue
		}
		if j := slices.IndexFunc(labels[i+1:], same); j >= 0 {
			return 0, fmt.Errorf("its sub-folder %s may be label %q or %q; name it as one of them", name, labels[i], labels[i+1+j])
		}
		return i, nil
	}
	return 0, fmt.Errorf("its sub-folder %s is none of the network's %d labels; the nearest is %q", name, len(labels), models.Nearest(name, labels))
}

// Plain is a label without case, and with single spaces for what separates words.
func Plain(label string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), " ")
}
