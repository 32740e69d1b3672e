package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Map is a value for each cell of a grid over a preprocessed picture: what the
// network looks at.
type Map struct {
	Rows, Columns int
	// Height and Width are the parts of the picture's that the cells cover, from
	// the top left: patches may leave a rest that no network sees.
	Height, Width float64
	Values        []float32 // [Rows*Columns]
}

// Method is a way to find what a network looks at.
type Method string

// The methods.
const (
	Rollout   Method = "rollout"   // attention through all layers, [Model.Rollout]
	Heads     Method = "heads"     // each head of the last layer, [Model.Heads]
	CAM       Method = "cam"       // class activation map, [Model.CAM]
	Occlusion Method = "occlusion" // what a hidden part costs the class, [Model.Occlude]
)

// AllMethods are the methods in the order in which they are shown.
func AllMethods() []Method { return []Method{Rollout, Heads, CAM, Occlusion} }

// Methods are those that the network has; it was loaded with [ExplainOutputs].
func (m *Model) Methods() []Method {
	has := map[Method]bool{
		Rollout:   slices.Contains(m.outputs, Attentions),
		Heads:     slices.Contains(m.outputs, Attentions),
		CAM:       m.meanHead() != nil,
		Occlusion: m.classes > 0,
	}
	return slices.DeleteFunc(AllMethods(), func(x Method) bool { return !has[x] })
}

// ParseMethod reads the name of a method.
func ParseMethod(s string) (Method, error) {
	var names []string
	for _, m := range AllMethods() {
		if string(m) == s {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", fmt.Errorf("method %q is unknown; the nearest is %q of %s", s, Nearest(s, names), strings.Join(names, ", "))
}

// ErrNoMap is wrapped when a network lacks what a method needs.
var ErrNoMap = errors.New("the network has no such map")

// UnknownClassError is a class that the network does not have.
type UnknownClassError struct{ Class, Nearest string }

func (e *UnknownClassError) Error() string {
	return fmt.Sprintf("class %q is unknown; the nearest is %q", e.Class, e.Nearest)
}

// FindClass is the index of a class by its label, by one of the label's names
// with commas between them, or by its number.
func (m *Model) FindClass(class string) (int, error) {
	if m.classes == 0 {
		return 0, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNoClasses)
	}
	labels := make([]string, m.classes)
	for i := range labels {
		labels[i] = m.Label(i)
	}
	same := func(a string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(class)) }
	if i := slices.IndexFunc(labels, same); i >= 0 {
		return i, nil
	}
	if i := slices.IndexFunc(labels, func(l string) bool { return slices.ContainsFunc(strings.Split(l, ","), same) }); i >= 0 {
		return i, nil
	}
	var i int
	if _, err := fmt.Sscanf(class, "%d", &i); err == nil && fmt.Sprint(i) == class {
		if i >= 0 && i < m.classes {
			return i, nil
		}
		return 0, &UnknownClassError{class, fmt.Sprint(min(max(i, 0), m.classes-1))}
	}
	return 0, &UnknownClassError{class, Nearest(class, labels)}
}

// HasAttention says whether a model of that name has attention layers.
func HasAttention(name string) (bool, error) {
	f, err := FindFamily(name)
	return f.Attention, err
}

// ExplainOutputs are the outputs that the methods need of a model of that name, for
// [Options.Outputs], as far as the network has them.
func ExplainOutputs(name string) []string {
	if f, err := FindFamily(name); err == nil && f.Attention && !f.Sounds { // of which not all have attention
		return []string{Explanation, Attentions}
	}
	return []string{Explanation}
}
