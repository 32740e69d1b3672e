package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"saccade/models"
)

// NewFlagSet is a flag set that prints nothing itself: errors are printed as
// one line, the usage only on -h.
func NewFlagSet(command string) *flag.FlagSet {
	f := flag.NewFlagSet(command, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

// Optional is a flag with a value that may be left out, as -upscale [SOURCE].
type Optional struct {
	Given bool
	Value string
}

// String implements [flag.Value].
func (o *Optional) String() string { return o.Value }

// Set implements [flag.Value].
func (o *Optional) Set(s string) error {
	o.Given, o.Value = true, s
	if s == "true" { // as the flag package has it without a value
		o.Value = ""
	}
	return nil
}

// IsBoolFlag has the flag package take it without a value.
func (o *Optional) IsBoolFlag() bool { return true }

// joined puts the values of optional ones beside their names, as that package wants them.
func joined(f *flag.FlagSet, args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
		if x := f.Lookup(name); x != nil && strings.HasPrefix(arg, "-") && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			if _, ok := x.Value.(*Optional); ok {
				i++
				arg += "=" + args[i]
			}
		}
		out = append(out, arg)
	}
	return out
}

// Parse reads flags up to the first argument; its errors are [Usage] errors.
func Parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(joined(f, args)); err != nil && !errors.Is(err, flag.ErrHelp) {
		return Usage(explain(err, f))
	}
	return nil
}

var (
	undefined = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	invalid   = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([\w-]+): (.*)$`)
)

// explain words the flag package's errors for one line.
func explain(err error, f *flag.FlagSet) error {
	if m := undefined.FindStringSubmatch(err.Error()); m != nil {
		var names []string
		f.VisitAll(func(x *flag.Flag) { names = append(names, x.Name) })
		return fmt.Errorf("flag -%s is unknown; the nearest is -%s (-h prints all)", m[1], models.Nearest(m[1], names))
	}
	if m := invalid.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("-%s %s: %s", m[2], m[1], plainly(m[3]))
	}
	return err
}

// plainly words what is wrong with a flag's value, without what is named already.
func plainly(reason string) string {
	if reason == "parse error" {
		return "expected true or false"
	}
	if _, rest, found := strings.Cut(reason, "expected "); found {
		return "expected " + rest
	}
	return reason
}

// Whole parses the whole numbers from least to most.
func Whole(into *int, least, most int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		switch {
		case err == nil && n >= least && n <= most:
		case most < math.MaxInt32:
			return fmt.Errorf("expected a whole number from %d to %d", least, most)
		default:
			return fmt.Errorf("expected a whole number, at least %d", least)
		}
		*into = n
		return nil
	}
}

// OneOf parses one of some words, in any case.
func OneOf(into *string, words ...string) func(string) error {
	return func(s string) error {
		if s = strings.ToLower(s); !slices.Contains(words, s) {
			return NoneOf(s, words)
		}
		*into = s
		return nil
	}
}

// NoneOf words the error for a word that is none of those expected.
func NoneOf(s string, words []string) error {
	return fmt.Errorf("expected one of %s; the nearest is %s", strings.Join(words, ", "), models.Nearest(s, words))
}
