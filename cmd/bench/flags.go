package main

import (
	"flag"
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
	pipelines        []string
	op, shape        string
	precision        string
	batch            int
	repetitions      int
	format           string
	compare          []string // reports: -compare's own and the arguments
	read             string
	keep             string
	leaderboard      string
	files            []string // the arguments: reports for -compare and -leaderboard
	sweep            string
	peers            bool
	python           string
	choice           cli.Choice
	layers           bool
	cold, list, help bool
}

// shortNames are names under which tables of results have architectures.
var shortNames = map[string]string{"mobilenetv3_l": "mobilenet_v3_large", "mobilenetv3_s": "mobilenet_v3_small", "convnext_t": "convnext_tiny"}

// flagSet ties the flags to o.
func (o *options) flagSet() *flag.FlagSet {
	f := cli.NewFlagSet(command)
	f.Func("models", "`NAMES`: architectures to time, with commas between them; -list prints them", func(s string) error {
		for _, name := range strings.Split(s, ",") {
			if full, ok := shortNames[name]; ok {
				name = full
			}
			o.models = append(o.models, name)
		}
		return nil
	})
	f.Func("pipelines", "`NAMES`: small diffusion pipelines, a step and the whole run of each; -list prints them", func(s string) error {
		o.pipelines = append(o.pipelines, strings.Split(s, ",")...)
		return nil
	})
	f.StringVar(&o.op, "op", "", "`NAME`: an operation to time, at shapes of real models or at -shape; all = every operation")
	f.StringVar(&o.shape, "shape", "", "`SIZES`: such as 512x768x768, which for matmul is MxNxK; -list says what they are for others")
	o.precision = "f16"
	f.Func("precision", "`f16|f32`: of weights and activations (default f16; sums are always f32)", cli.OneOf(&o.precision, "f16", "f32"))
	o.batch = 1
	f.Func("batch", "`N`: pictures in one forward pass of -models (default 1)", cli.Whole(&o.batch, 1, most))
	o.repetitions = 5
	f.Func("r", "`N`: repetitions after warming up (default 5)", cli.Whole(&o.repetitions, 1, most))
	o.format = "table"
	f.Func("o", "`table|md|csv|json|html`: the report's format (default table)", cli.OneOf(&o.format, formats...))
	f.Func("compare", "`A.json` B.json …: compare reports, of one adapter or of several", func(s string) error {
		o.compare = append(o.compare, s)
		return nil
	})
	f.StringVar(&o.read, "read", "", "`A.json`: print a report again, in another format")
	f.StringVar(&o.keep, "keep", "", "`FOLDER`: write the report there too, as JSON that has the adapter's name")
	f.StringVar(&o.leaderboard, "leaderboard", "", "`FILE.md` A.json …: write the reports' table between its markers")
	f.BoolVar(&o.layers, "layers", false, "put the time of every dispatch into the report, as -o html always does")
	f.Func("sweep", "`batch|size|sequence`: how -models grow with the batch (1 to 64) or the side of their pictures (224 to 1024), or attention with its tokens (64 to 4096), as far as memory goes", cli.OneOf(&o.sweep, overBatch, overSize, overSequence))
	f.BoolVar(&o.peers, "peers", false, "time -models and -op matmul in other runtimes too, in turn: those of ncnn (Vulkan), onnxruntime-web (WebGPU), onnxruntime and torch (CPU) that are installed")
	f.StringVar(&o.python, "python", "python3", "`COMMAND`: the Python of -peers")
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
	if len(o.compare) > 0 {
		o.compare, o.files = append(o.compare, o.files...), nil
	}
	return o.check()
}

// check finds names that there are not and flags that do not go together.
func (o *options) check() error {
	timed := o.op != "" || len(o.models) > 0 || len(o.pipelines) > 0
	reading := 0
	for _, given := range []bool{len(o.compare) > 0, o.read != "", o.leaderboard != ""} {
		if given {
			reading++
		}
	}
	switch {
	case reading > 1:
		return cli.Usagef("-compare, -read and -leaderboard are three things to do with reports; give one")
	case reading == 1 && timed:
		return cli.Usagef("-compare, -read and -leaderboard take reports and time nothing; they do not go with -op, -models or -pipelines")
	case len(o.compare) == 1:
		return cli.Usagef("-compare takes two reports or more: bench -compare a.json b.json")
	case o.leaderboard != "" && len(o.files) == 0:
		return cli.Usagef("-leaderboard takes reports: bench -leaderboard FILE.md a.json b.json")
	case len(o.files) > 0 && o.leaderboard == "":
		return cli.Usagef("unexpected argument %q", o.files[0])
	case reading == 1 && o.sweep != "":
		return cli.Usagef("-sweep times models, reports have it in them: give it alone")
	case o.peers && (len(o.models) == 0 && o.op != racedOp || o.sweep != "" || o.batch != 1):
		return cli.Usagef("-peers times -models of one picture and -op %s; it does not go with -sweep or -batch", racedOp)
	case reading == 1:
		return nil
	case o.sweep != "":
		return o.checkSweep()
	case !timed:
		return cli.Usagef("nothing to time: give -models, -pipelines or -op (-list prints the names, -h all flags)")
	}
	return o.checkNames()
}

// checkSweep finds what can't be swept.
func (o *options) checkSweep() error {
	switch models := len(o.models) > 0; {
	case o.op != "" || len(o.pipelines) > 0:
		return cli.Usagef("-sweep goes over -models, or with sequence over the attention of 12 heads of 64")
	case o.sweep == overSequence && models:
		return cli.Usagef("-sweep sequence is of attention alone: leave out -models; a ViT's tokens grow with -sweep size")
	case o.sweep != overSequence && !models:
		return cli.Usagef("-sweep %s needs -models", o.sweep)
	}
	return o.checkNames()
}

// checkNames finds operations, models and pipelines that there are not.
func (o *options) checkNames() error {
	if o.shape != "" && (o.op == "" || o.op == "all") {
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
		texts := models.StandardTextNames()
		if o.sweep != "" && slices.Contains(trainingNames(), name) {
			return cli.Usagef("-sweep does not go with %s, a step of a training", name)
		}
		if o.sweep != "" && slices.Contains(texts, name) {
			return cli.Usagef("-sweep does not go with %s, which writes texts of one length", name)
		}
		if known := slices.Concat(texts, trainingNames(), models.StandardNames()); !slices.Contains(known, name) {
			return cli.Usagef("model %q is unknown to bench; the nearest is %q (-list prints all)", name, models.Nearest(name, known))
		}
	}
	for _, name := range o.pipelines {
		if _, err := pipelineCase(name); err != nil {
			return cli.Usage(err)
		}
	}
	return nil
}
