package weights

import (
	"fmt"
	"strings"
)

// BindError holds everything that keeps a checkpoint from fitting a model.
type BindError struct {
	Missing []Missing // wanted by the model, not in the checkpoint
	Unused  []string  // in the checkpoint, unknown to the model; the checkpoint's names
	Wrong   []Wrong   // there, but not as the model wants it
}

// Missing is a tensor that a model wants and a checkpoint has not.
type Missing struct {
	Name   string // the model's name
	Origin string // the checkpoint's name, the same where no rule maps it
}

// Wrong is a tensor that is not as a model wants it.
type Wrong struct {
	Name        string // the model's name
	Origin      string // the checkpoint's name, the same where no rule maps it
	Found, Want []int  // shapes
	Problem     string // what else is wrong: Found is not set
}

// shownNames is how many tensors of a kind an error lists before it counts, and
// shownBytes how long it may be with more than one of each.
const (
	shownNames = 4
	shownBytes = maxLine
)

// Error lists what is wrong in one line, the first few tensors of each kind by
// name.
func (e *BindError) Error() string {
	for n := shownNames; ; n-- {
		if text := e.text(n); n == 1 || len(text) <= shownBytes {
			return text
		}
	}
}

// text lists the first most tensors of each kind.
func (e *BindError) text(most int) string {
	var missing, wrong []string
	for _, m := range e.Missing {
		missing = append(missing, both(m.Origin, m.Name))
	}
	for _, w := range e.Wrong {
		wrong = append(wrong, w.String())
	}
	var parts []string
	add := func(names []string, what string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(names), what, someOf(names, most)))
		}
	}
	add(wrong, "wrong-shaped")
	add(missing, "missing")
	var unused []string
	for _, name := range e.Unused {
		unused = append(unused, Printable(name))
	}
	add(unused, "unknown")
	return "the checkpoint does not fit the model: " + strings.Join(parts, "; ")
}

// String names the tensor, what was found and what is wanted.
func (w Wrong) String() string {
	found := fmt.Sprint(w.Found)
	if w.Problem != "" {
		found = w.Problem
	}
	want := strings.ReplaceAll(fmt.Sprint(w.Want), "-1", "any")
	return fmt.Sprintf("%s: found %s, the config wants %s", both(w.Origin, w.Name), found, want)
}

func (e *BindError) empty() bool {
	return len(e.Missing)+len(e.Unused)+len(e.Wrong) == 0
}

// both is the checkpoint's name with ours, if it is another.
func both(origin, name string) string {
	if origin == name {
		return Printable(name)
	}
	return Printable(origin) + " (our " + Printable(name) + ")"
}
