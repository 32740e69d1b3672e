package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/fit"
	"saccade/models/nn"
	"saccade/models/probe"
	"saccade/picture"
)

// The optimizers.
const (
	adamw = "adamw"
	sgd   = "sgd"
	lbfgs = "lbfgs"
)

// options are the flags.
type options struct {
	model, weights   string
	dataPath         string
	validation       string
	share            float64 // of -data, by -validation
	head, tip        bool
	sensors          string
	full             bool
	promptTokens     int
	token            string
	batchStatistics  bool
	lora             int // rank; 0: none
	alpha, beta, c   float64
	rslora           bool
	textEncoder      bool   // -lora of a pipeline's text tower too
	format           string // of a pipeline's adapters
	targets          []string
	initFile         string
	init             map[string]nn.Array
	optimizer        string
	lr               float64
	weightDecay, eps *float64
	betas            *[2]float64
	momentum         float64
	schedule         string
	warmup           int
	clip             float64
	batch            int
	accumulate       int
	steps, epochs    int
	patience         int
	seed             uint64
	augment          picture.Augment
	precision        gpu.DType
	override         picture.Override
	recompute        bool
	lowMemory        bool
	out, save        string
	merge, grads     bool
	json, resume     bool
	stateEvery       time.Duration
	verify           bool
	view             bool
	probe            string
	probeEvery       int // steps; 0: a part of all
	choice           cli.Choice
	help, version    bool

	given map[string]bool // the flags that were typed
}

// flagSet ties the flags to o.
func (o *options) flagSet() *flag.FlagSet {
	f := cli.NewFlagSet(command)
	f.StringVar(&o.model, "model", "", "`NAME`: a family or an architecture, as run takes it")
	f.StringVar(&o.weights, "weights", "", "`SOURCE`: a folder, a file or a hub id; without it the embedded weights")
	f.StringVar(&o.dataPath, "data", "", "`FOLDER|FILE`: a folder with one sub-folder of pictures a class, for a pipeline pictures with captions (x.png beside x.txt, or metadata.jsonl), or a .safetensors file of batches as they are: pixel_values.N and labels.N, of a pipeline latents.N, noise.N, timestep.N and input_ids.N, in order and again")
	f.StringVar(&o.validation, "validation", "", "`FOLDER|SHARE`: pictures to tell how good it is, such a folder, or a share of -data between 0 and 1")
	f.BoolVar(&o.head, "head", false, "train the last layer, a new one where the classes are others than the checkpoint's")
	f.BoolVar(&o.tip, "tip", false, "Tip-Adapter of a CLIP: examples vote beside the names of the classes; nothing is trained")
	f.StringVar(&o.sensors, "sensors", "", "`FILE.csv`: readings beside the pictures, a name and numbers or short series a row: solves a head of embeddings and readings together, a file that run -examples reads")
	f.Func("lora", "`RANK`: train low-rank adapters of that rank", cli.Whole(&o.lora, 1, math.MaxInt32))
	f.Func("prompt-tokens", "`N`: train so many tokens: of a ViT among those of an image (VPT, shallow), of a CLIP before the names of the classes (CoOp)", cli.Whole(&o.promptTokens, 1, 4096))
	f.StringVar(&o.token, "token", "", "`NAME`: of a pipeline: train the embedding of a new token, such as \"<mug>\", which begins as the word in it (textual inversion)")
	f.BoolVar(&o.full, "full", false, "train the whole network, with its head, a new one where the classes are others than the checkpoint's; batch norms keep their running statistics")
	f.BoolVar(&o.batchStatistics, "batch-statistics", false, "with -full: batch norms take each batch's statistics, and move the running ones")
	o.alpha = math.NaN()
	f.Func("alpha", "`X`: of -lora, whose products count alpha/rank times (default 8); of -tip, how much examples count (default 1, or chosen by -validation)", positive(&o.alpha))
	f.BoolVar(&o.rslora, "rslora", false, "with -lora: alpha is divided by the rank's root")
	f.BoolVar(&o.textEncoder, "train-text-encoder", false, "with -lora of a pipeline: put adapters into its text tower too")
	o.format = formatDiffusers
	f.Func("format", "`diffusers|kohya`: of the file of -lora of a pipeline (default diffusers)", cli.OneOf(&o.format, formatDiffusers, formatKohya))
	f.Func("targets", "`NAMES`: with -lora: the layers that get adapters, with commas (default the projections of queries and values)", func(s string) error {
		o.targets = strings.Split(s, ",")
		if slices.Contains(o.targets, "") {
			return errors.New("expected names with commas, such as q_proj,v_proj")
		}
		return nil
	})
	o.beta = math.NaN()
	f.Func("beta", "`X`: of -tip: how sharply near examples count (default 5.5, or chosen by -validation)", positive(&o.beta))
	f.StringVar(&o.initFile, "init", "", "`FILE.safetensors`: trained tensors to begin with, as -save names them, in place of random ones")
	o.optimizer = adamw
	f.Func("optimizer", "`adamw|sgd|lbfgs`: lbfgs, of -head alone, goes to the optimum at once (default adamw)", cli.OneOf(&o.optimizer, adamw, sgd, lbfgs))
	o.c = 1
	f.Func("C", "`X`: with -optimizer lbfgs or -sensors: the inverse strength of the penalty, as scikit-learn's (default 1)", positive(&o.c))
	o.lr = 1e-3
	f.Func("lr", "`X`: learning rate (default 0.001)", positive(&o.lr))
	f.Func("weight-decay", "`X`: (default 0.01 of adamw, 0 of sgd)", optional(&o.weightDecay))
	f.Func("betas", "`X,Y`: of adamw (default 0.9,0.999)", func(s string) error {
		v, err := two(s)
		o.betas = &v
		return err
	})
	f.Func("eps", "`X`: of adamw (default 1e-8)", optional(&o.eps))
	f.Func("momentum", "`X`: of sgd (default 0)", func(s string) error {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= 0 && v < 1) {
			return errors.New("expected a number of 0 to below 1")
		}
		o.momentum = v
		return nil
	})
	o.schedule = string(fit.Constant)
	f.Func("schedule", "`constant|linear|cosine`: of the rate after the warm-up (default constant)", cli.OneOf(&o.schedule, scheduleNames()...))
	f.Func("warmup", "`N`: steps in which the rate rises from 0 (default 0)", cli.Whole(&o.warmup, 0, math.MaxInt32))
	f.Func("clip", "`X`: the largest norm of all gradients together (default any)", positive(&o.clip))
	o.batch = 8
	f.Func("batch", "`N`: pictures of a micro-step (default 8)", cli.Whole(&o.batch, 1, 1<<20))
	o.accumulate = 1
	f.Func("accumulate", "`N`: micro-steps of a step (default 1)", cli.Whole(&o.accumulate, 1, 1<<20))
	f.Func("steps", "`N`: of the optimizer, in place of -epochs", cli.Whole(&o.steps, 1, math.MaxInt32))
	f.Func("epochs", "`N`: times through the data (default 3; of -head alone, whose features are computed once, 100)", cli.Whole(&o.epochs, 1, math.MaxInt32))
	f.Func("patience", "`N`: end after so many validations, one an epoch, without a better one (default: go on)", cli.Whole(&o.patience, 1, math.MaxInt32))
	f.Uint64Var(&o.seed, "seed", 0, "`N`: of the order, of random beginnings and of augmentations (default 0)")
	o.augment = picture.Augment{Crop: true, Flip: true}
	f.Func("augment", "`WORDS`: what is done to pictures at random, of crop, flip and colour with commas, or none (default crop,flip; -head alone takes them as they are)", func(s string) (err error) {
		o.augment, err = picture.ParseAugment(s)
		return err
	})
	o.precision = gpu.F16
	f.Func("precision", "`f16|f32`: of weights and activations; what is trained is f32 (default f16)", func(s string) (err error) {
		if o.precision, err = models.ParsePrecision(s); err != nil {
			return errors.New("expected f16 or f32")
		}
		return nil
	})
	f.BoolVar(&o.recompute, "checkpoint", false, "compute activations again in the backward pass in place of keeping them: less memory, more time")
	f.BoolVar(&o.lowMemory, "low-memory", false, "keep each weight on the device once, and turn it when the backward pass needs it: less memory, more time; with -checkpoint the least")
	f.StringVar(&o.out, "o", "", "`FOLDER|FILE`: where the result goes: PEFT's folder with -lora, of a pipeline diffusers' file, a checkpoint with -full, -prompt-tokens or -head alone, a file with -prompt-tokens of a CLIP, a file of -tip; and the state for -resume")
	f.BoolVar(&o.merge, "merge", false, "with -lora: write a checkpoint with the adapters merged, in -o's sub-folder merged")
	f.StringVar(&o.save, "save", "", "`FILE.safetensors`: every trained tensor after the last step, and loss [steps]")
	f.BoolVar(&o.grads, "grads", false, "with -save: the gradients of the last step too, as grad.NAME")
	f.BoolVar(&o.json, "json", false, "print a line of JSON a step on stdout, and nothing else there")
	f.BoolVar(&o.resume, "resume", false, "go on from the last saved state of -o, to the same numbers as without a stop")
	o.stateEvery = 5 * time.Second
	f.DurationVar(&o.stateEvery, "state-every", o.stateEvery, "`TIME`: between two saves of the state (default 5s; 0s after each step)")
	f.BoolVar(&o.verify, "verify", false, "with -lora, -prompt-tokens or -full: recompute a step on the CPU, and compare gradients with differences of the loss on this adapter; nothing is trained")
	f.BoolVar(&o.view, "view", false, "show the loss in a window, with what the network makes of -probe: Space pauses, K keeps what was learned so far, E ends it, ? lists the keys")
	f.StringVar(&o.probe, "probe", "", "`PICTURE|PROMPT`: with -view: what the network says of this picture or, of a pipeline, draws of this prompt")
	f.Func("probe-every", "`N`: steps between two looks at -probe (default a twentieth of all)", cli.Whole(&o.probeEvery, 1, math.MaxInt32))
	o.choice.Flags(f)
	f.BoolVar(&o.version, "version", false, "print the version")
	f.BoolVar(&o.help, "h", false, "print this")
	f.BoolVar(&o.help, "help", false, "print this")
	return f
}

// parse reads the command line.
func (o *options) parse(args []string) error {
	f := o.flagSet()
	if err := cli.Parse(f, args); err != nil {
		return err
	}
	o.given = map[string]bool{}
	f.Visit(func(x *flag.Flag) { o.given[x.Name] = true })
	if f.NArg() > 0 {
		return cli.Usagef("unexpected argument %q; the data is given with -data", f.Arg(0))
	}
	if o.help || o.version {
		return nil
	}
	return o.check()
}

// check finds flags that do not go together.
func (o *options) check() error {
	switch {
	case o.model == "":
		return cli.Usagef("no model: give -model NAME (-h prints the flags)")
	case !slices.Contains(models.Names(), o.model):
		return &models.UnknownModelError{Name: o.model, Nearest: models.Nearest(o.model, models.Names())}
	case o.dataPath == "":
		return cli.Usagef("no data: give -data FOLDER, one sub-folder of pictures a class, or -data FILE.safetensors")
	case o.sensors != "":
		return o.checkSensors()
	case !o.head && !o.tip && !o.through():
		return cli.Usagef("nothing to train: give -head, -lora RANK, -prompt-tokens N, -full, -tip or -sensors")
	case o.tip && (o.head || o.through()):
		return cli.Usagef("-tip trains nothing: leave -head, -lora, -prompt-tokens and -full out")
	case o.full && (o.head || o.lora > 0 || o.promptTokens > 0):
		return cli.Usagef("-full trains the whole network, with its head: leave -head, -lora and -prompt-tokens out")
	case o.compares() && (o.head || o.given["augment"]):
		return cli.Usagef("-prompt-tokens of -model %s learns from features that are computed once, and has no head: leave -head and -augment out", o.model)
	case o.token != "" && !o.paints():
		return cli.Usagef("-token is of a pipeline: give -model sd")
	case o.lora > 0 && o.promptTokens > 0:
		return cli.Usagef("-lora and -prompt-tokens exclude each other")
	case o.verify && !o.through():
		return cli.Usagef("-verify checks gradients through the network: give -lora RANK, -prompt-tokens N or -full")
	case o.steps > 0 && o.given["epochs"]:
		return cli.Usagef("-steps and -epochs exclude each other")
	case o.grads && o.save == "":
		return cli.Usagef("-grads goes with -save FILE.safetensors, where the gradients go")
	case o.resume && o.out == "":
		return cli.Usagef("-resume goes on from the state in -o: give -o FOLDER")
	case o.merge && (o.lora == 0 || o.out == ""):
		return cli.Usagef("-merge goes with -lora and -o FOLDER")
	case o.out == "" && o.save == "" && !o.verify:
		return cli.Usagef("the result goes nowhere: give -o FOLDER or -save FILE.safetensors")
	case o.compares() && o.out != "" && !strings.EqualFold(filepath.Ext(o.out), ".safetensors"):
		return cli.Usagef("-o %s: the result is a file that run -examples reads; name it FILE.safetensors", o.out)
	case o.optimizer == lbfgs && (!o.head || o.through()):
		return cli.Usagef("-optimizer lbfgs is of -head alone, a convex problem")
	}
	for _, x := range []struct {
		flags string
		ok    bool
		with  string
	}{
		{"rslora targets", o.lora > 0, "-lora"},
		{"train-text-encoder format", o.lora > 0 && o.paints(), "-lora of a pipeline, -model sd"},
		{"batch-statistics", o.full, "-full"},
		{"checkpoint low-memory", o.through(), "-lora, -prompt-tokens or -full"},
		{"alpha", o.lora > 0 || o.tip, "-lora or -tip"},
		{"beta", o.tip, "-tip"},
		{"C", o.optimizer == lbfgs, "-optimizer lbfgs or -sensors"},
		{"momentum", o.optimizer == sgd && !o.tip, "-optimizer sgd"},
		{"betas eps", o.optimizer == adamw && !o.tip, "-optimizer adamw"},
		{"lr weight-decay schedule warmup clip accumulate steps epochs patience resume grads init state-every", o.optimizer != lbfgs && !o.tip, "steps of -optimizer adamw or sgd"},
		{"augment", o.through(), "-lora, -prompt-tokens or -full; the features of -head and -tip are computed once, of pictures as they are"},
		{"patience", o.validation != "", "-validation"},
		{"optimizer save", !o.tip, "what is trained; -tip trains nothing"},
	} {
		for name := range strings.FieldsSeq(x.flags) {
			if o.given[name] && !x.ok {
				return cli.Usagef("-%s goes with %s", name, x.with)
			}
		}
	}
	if o.paints() {
		if err := o.checkPainting(); err != nil {
			return err
		}
	}
	if err := o.checkView(); err != nil {
		return err
	}
	return o.complete()
}

// through says that gradients go through the network.
func (o *options) through() bool { return o.lora > 0 || o.promptTokens > 0 || o.full || o.token != "" }

// complete takes what depends on other flags.
func (o *options) complete() error {
	if s, err := strconv.ParseFloat(o.validation, 64); err == nil {
		if !(s > 0 && s < 1) {
			return cli.Usagef("-validation %s: expected a folder, or a share of -data between 0 and 1", o.validation)
		}
		o.share = s
	}
	if !o.through() || o.compares() {
		o.augment = picture.Augment{}
	}
	if o.epochs == 0 {
		if o.epochs = 3; !o.through() {
			o.epochs = 100
		}
	}
	if o.tip && math.IsNaN(o.alpha) {
		o.alpha = probe.TipAlpha
	} else if math.IsNaN(o.alpha) {
		o.alpha = 8 // PEFT's
	}
	if math.IsNaN(o.beta) {
		o.beta = probe.TipBeta
	}
	return nil
}

// checkOutputs finds out before the work whether the outputs can be written, and reads
// -init.
func (a *app) checkOutputs() (err error) {
	if a.initFile != "" {
		if a.init, err = cli.ReadArrays(a.initFile); err != nil {
			return fmt.Errorf("-init %s: %w", a.initFile, err)
		}
	}
	if a.save != "" {
		if err := cli.CheckWritable(a.save); err != nil {
			return err
		}
	}
	if a.out == "" || a.verify {
		return nil
	}
	if info, err := os.Stat(a.out); err == nil && !info.IsDir() && !a.writesFile() {
		return fmt.Errorf("save %s: it is a file; name a folder", a.out)
	}
	if a.tip || a.sensors != "" || a.writesFile() && strings.EqualFold(filepath.Ext(a.out), ".safetensors") {
		return cli.CheckWritable(a.out)
	}
	if err := os.MkdirAll(a.out, 0o777); err != nil {
		return fmt.Errorf("save %s: %w", a.out, cli.Reason(err))
	}
	return cli.CheckWritable(filepath.Join(a.out, "config.json"))
}

// writesFile says that the result may be a file.
func (o *options) writesFile() bool {
	return o.tip || o.sensors != "" || o.paints() || o.compares()
}

// scheduleNames are the names of the schedules.
func scheduleNames() []string {
	var names []string
	for _, s := range fit.Schedules() {
		names = append(names, string(s))
	}
	return names
}

// positive parses a finite number above 0.
func positive(into *float64) func(string) error {
	return func(s string) error {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return errors.New("expected a number above 0")
		}
		*into = v
		return nil
	}
}

// optional parses a finite number from 0 on.
func optional(into **float64) func(string) error {
	return func(s string) error {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= 0) || math.IsInf(v, 0) {
			return errors.New("expected a number, at least 0")
		}
		*into = &v
		return nil
	}
}

// two parses two numbers of 0 to below 1.
func two(s string) (v [2]float64, err error) {
	parts := strings.Split(s, ",")
	for i := range v {
		if len(parts) == 2 {
			v[i], err = strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		}
		if len(parts) != 2 || err != nil || !(v[i] >= 0 && v[i] < 1) {
			return v, errors.New("expected two numbers of 0 to below 1 with a comma, such as 0.9,0.999")
		}
	}
	return v, nil
}
