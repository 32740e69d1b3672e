package gpu

import (
	"fmt"
	"strings"
)

// Debug says what a device tells on its log.
type Debug struct {
	Dispatch bool   // a line per dispatch
	NaN      bool   // look for NaN and Inf after every operation
	Poison   bool   // fill the arena with NaN before every run: results must not change
	WGSL     string // print the source of this kernel when it is compiled
	Dump     string // print statistics of the operation with this label
}

// DebugUsage lists the words of [ParseDebug].
const DebugUsage = "dispatch (a line per dispatch), nan (name the first operation that makes NaN or Inf), " +
	"poison (fill the arena with NaN before every run), wgsl=KERNEL (print its source), dump=LABEL (print an operation's outputs)"

// ParseDebug reads comma-separated words, as in the variable SACCADE_DEBUG.
func ParseDebug(words string) (Debug, error) {
	var d Debug
	for _, w := range strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' }) {
		key, value, _ := strings.Cut(w, "=")
		switch {
		case w == "dispatch":
			d.Dispatch = true
		case w == "nan":
			d.NaN = true
		case w == "poison":
			d.Poison = true
		case key == "wgsl" && value != "":
			d.WGSL = value
		case key == "dump" && value != "":
			d.Dump = value
		default:
			return d, fmt.Errorf("debug word %q is unknown; the words are: %s", w, DebugUsage)
		}
	}
	return d, nil
}
