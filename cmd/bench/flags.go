package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/ops"
)

// most is the largest number that -batch and -r take.
const most = 1 << 20

// formats of the report.
var formats = []string{"table", "md", "csv", "json", "html"}

// options are the flags.
type options struct {
	models           []string
	op, shape        string
	precision        string
	batch            int
	repetitions      int
	format           string
	compare          string
	files            []string // the arguments: what -compare compares with
	choice           cli.Choice
	cold, list, help bool
}

// flagSet ties the flags to o.
func (o *options) flagSet() *flag.FlagSet {
	f := cli.NewFlagSet(command)
	f.Func("models", "`NAMES`: architectures to time, with commas between them; -list prints them", func(s string) error {
		o.models = append(o.models, strings.Split(s, ",")...)
		return nil
	})
	f.StringVar(&o.op, "op", "", "`NAME`: an operation to time, at shapes of real models or at -shape; all = every operation")
	f.StringVar(&o.shape, "shape", "", "`SIZES`: such as 512x768x768, which for matmul is MxNxK; -list says what they are for others")
	o.precision = "f16"
	f.Func("precision", "`f16|f32`: of weights and activations (default f16; sums are always f32)", oneOf(&o.precision, "f16", "f32"))
	o.batch = 1
	f.Func("batch", "`N`: pictures in one forward pass of -models (default 1)", cli.Whole(&o.batch, 1, most))
	o.repetitions = 5
	f.Func("r", "`N`: repetitions after warming up (default 5)", cli.Whole(&o.repetitions, 1, most))
	o.format = "table"
	f.Func("o", "`table|md|csv|json|html`: the report's format (default table)", oneOf(&o.format, formats...))
	f.StringVar(&o.compare, "compare", "", "`A.json` B.json: compare two reports")
	o.choice.Flags(f)
	f.BoolVar(&o.cold, "cold", true, "measure the first run in a new process too")
	f.BoolVar(&o.list, "list", false, "print the operations with their shapes, and the models")
	f.BoolVar(&o.help, "h", false, "print this")
	f.BoolVar(&o.help, "help", false, "print this")
	return f
}

// parse reads the command line. Flags may follow arguments.
func (o *options) parse(args []string) error {
	f := o.flagSet()
	for {
		if err := cli.Parse(f, args); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		o.files, args = append(o.files, f.Arg(0)), f.Args()[1:]
	}
	if o.help || o.list {
		return nil
	}
	return o.check()
}

// check finds names that there are not and flags that do not go together.
func (o *options) check() error {
	switch {
	case o.compare != "" && len(o.files) != 1:
		return cli.Usagef("-compare takes two reports: bench -compare a.json b.json")
	case o.compare != "" && (o.op != "" || len(o.models) > 0):
		return cli.Usagef("-compare reads reports and times nothing; it does not go with -op or -models")
	case o.compare != "":
		return nil
	case len(o.files) > 0:
		return cli.Usagef("unexpected argument %q", o.files[0])
	case o.op == "" && len(o.models) == 0:
		return cli.Usagef("nothing to time: give -models or -op (-list prints the names, -h all flags)")
	case o.shape != "" && (o.op == "" || o.op == "all"):
		return cli.Usagef("-shape needs -op with the operation that it is for")
	}
	if known := append(ops.CaseNames(), "all"); o.op != "" && !slices.Contains(known, o.op) {
		return cli.Usagef("operation %q is unknown; the nearest is %q (-list prints all)", o.op, models.Nearest(o.op, known))
	}
	if o.shape != "" {
		if _, err := ops.ShapeCase(o.op, o.shape); err != nil {
			return cli.Usage(err)
		}
	}
	for _, name := range o.models {
		if known := models.StandardNames(); !slices.Contains(known, name) {
			return cli.Usagef("model %q is unknown to bench; the nearest is %q (-list prints all)", name, models.Nearest(name, known))
		}
	}
	return nil
}

// oneOf accepts one of some words, in any case.
func oneOf(into *string, words ...string) func(string) error {
	return func(s string) error {
		if s = strings.ToLower(s); !slices.Contains(words, s) {
			return noneOf(s, words)
		}
		*into = s
		return nil
	}
}

// noneOf words the error for a word that is none of those expected.
func noneOf(s string, words []string) error {
	return fmt.Errorf("expected one of %s; the nearest is %s", strings.Join(words, ", "), models.Nearest(s, words))
}
