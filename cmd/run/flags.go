package main

import (
	"errors"
	"flag"
	"fmt"
	"image/color"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
)

// options are the flags.
type options struct {
	model, weights, labels string
	images                 []string
	input, save, eval      string
	adapter, backend       string
	top                    int
	batch                  int // 0: chosen by the model
	precision              gpu.DType
	override               picture.Override
	background             color.Color
	attention, json        bool

	profile, verify         bool
	listModels, listDevices bool
	help, version           bool

	given map[string]bool // the flags that were typed
}

// flagSet ties the flags to o.
func (o *options) flagSet() *flag.FlagSet {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are printed as one line, the usage only on -h
	f.StringVar(&o.model, "model", "", "`NAME`: a family or an architecture; -list-models prints them")
	f.StringVar(&o.weights, "weights", "", "`SOURCE`: a folder, a .safetensors file, or a hub id org/name[@revision]; without it the embedded weights")
	f.Func("image", "`FILE`: a picture (PNG, JPEG, GIF, BMP, WebP), or a folder: those in it and below, sorted by path; may be repeated", func(s string) error {
		o.images = append(o.images, s)
		return nil
	})
	f.StringVar(&o.input, "input", "", "`FILE`: a .safetensors file with raw inputs under PyTorch's names (pixel_values, NCHW), in place of pictures")
	f.StringVar(&o.save, "save", "", "`FILE`: a .safetensors file to write the raw outputs to, float32, under PyTorch's names")
	f.BoolVar(&o.attention, "attention", false, "with -save: the attention probabilities of every layer too")
	f.StringVar(&o.eval, "eval", "", "`FOLDER`: with one sub-folder of pictures a class: accuracy and pictures a second")
	f.StringVar(&o.labels, "labels", "", "`FILE`: one label a line, or a config.json with id2label")
	o.top = 5
	f.Func("top", "`N`: how many of the best classes of each picture (default 5; 0 = all)", whole(&o.top, 0))
	f.Func("batch", "`N`: pictures in one forward pass (default: chosen from memory; results do not depend on it)", whole(&o.batch, 1))
	o.precision = gpu.F16
	f.Func("precision", "`f16|f32`: of weights and activations (default f16; sums are always f32)", func(s string) (err error) {
		if o.precision, err = models.ParsePrecision(s); err != nil {
			return errors.New("expected f16 or f32")
		}
		return nil
	})
	f.BoolVar(&o.json, "json", false, "print one JSON document on stdout and nothing else there")
	f.BoolVar(&o.profile, "profile", false, "print the time of every dispatch of a forward pass")
	f.BoolVar(&o.verify, "verify", false, "compare with PyTorch's embedded goldens; with -model, recompute each dispatch on the CPU")
	f.BoolVar(&o.listModels, "list-models", false, "print the models with what each needs")
	f.BoolVar(&o.listDevices, "list-devices", false, "print the adapters with their limits")
	f.StringVar(&o.adapter, "adapter", "", "`TEXT`: a part of the name or driver of the adapter to use (or WGPU_ADAPTER_NAME)")
	f.Func("backend", "`vulkan|metal|dx12|gl`: which to use (or WGPU_BACKEND); OpenGL only when asked for", func(s string) error {
		o.backend = strings.ToLower(s)
		return checkBackend(o.backend)
	})
	o.preprocessing(f)
	f.BoolVar(&o.version, "version", false, "print the version")
	f.BoolVar(&o.help, "h", false, "print this")
	f.BoolVar(&o.help, "help", false, "print this")
	return f
}

// preprocessing are the flags that change what is done to pictures. They are
// tried on a processor so that a mistake is found before anything is loaded.
func (o *options) preprocessing(f *flag.FlagSet) {
	try := func(set func(s string, p *picture.Override) error) func(string) error {
		return func(s string) error {
			var alone picture.Override
			if err := set(s, &alone); err != nil {
				return err
			}
			if err := picture.ImageNet(256, 224, picture.Bilinear).Override(alone); err != nil {
				return err
			}
			return set(s, &o.override)
		}
	}
	f.Func("size", "`N|HxW`: the network's picture size, pixels", try(func(s string, p *picture.Override) error { p.Size = s; return nil }))
	f.Func("crop", "`FRACTION|N`: what the centre crop keeps", try(func(s string, p *picture.Override) error { p.Crop = s; return nil }))
	f.Func("mean", "`R,G,B`: to subtract from samples of 0…1", try(func(s string, p *picture.Override) (err error) { p.Mean, err = numbers(s); return err }))
	f.Func("std", "`R,G,B`: to divide by afterwards", try(func(s string, p *picture.Override) (err error) { p.Std, err = numbers(s); return err }))
	f.Func("background", "`R,G,B`: (0…255) behind transparent pixels (default white)", func(s string) (err error) {
		o.background, err = parseColor(s)
		return err
	})
}

// parse reads the command line.
func (o *options) parse(args []string) error {
	f := o.flagSet()
	if err := f.Parse(args); err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError{explain(err, f)}
	}
	o.given = map[string]bool{}
	f.Visit(func(x *flag.Flag) { o.given[x.Name] = true })
	if f.NArg() > 0 {
		return usagef("unexpected argument %q; pictures are given with -image", f.Arg(0))
	}
	if o.help || o.version {
		return nil
	}
	return o.check()
}

// check finds flags that do not go together.
func (o *options) check() error {
	inputs := 0
	for _, given := range []bool{len(o.images) > 0, o.input != "", o.eval != ""} {
		if given {
			inputs++
		}
	}
	switch {
	case o.listModels || o.listDevices || o.verify && o.model == "" && o.weights == "" && inputs == 0:
		return nil
	case o.model == "":
		return usagef("no model: give -model NAME (-list-models prints the names, -h all flags)")
	case !slices.Contains(models.Names(), o.model):
		return &models.UnknownModelError{Name: o.model, Nearest: models.Nearest(o.model, models.Names())}
	case inputs > 1:
		return usagef("-image, -input and -eval exclude each other")
	case inputs == 0 && !o.verify && !o.profile:
		return usagef("no input: give -image FILE, -input FILE.safetensors or -eval FOLDER")
	case o.attention && o.save == "" && !o.verify && !o.profile:
		return usagef("-attention needs -save FILE.safetensors, where the probabilities go")
	case o.save != "" && (o.eval != "" || o.verify || o.profile):
		return usagef("-save goes with -image or -input alone")
	case o.eval != "" && (o.verify || o.profile):
		return usagef("-eval does not go with -verify or -profile")
	}
	return nil
}

var (
	undefined = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	invalid   = regexp.MustCompile(`^invalid (?:boolean )?value ("(?:.*)") for (?:flag )?-([\w-]+): (.*)$`)
)

// explain words the flag package's errors for one line.
func explain(err error, f *flag.FlagSet) error {
	if m := undefined.FindStringSubmatch(err.Error()); m != nil {
		var names []string
		f.VisitAll(func(x *flag.Flag) { names = append(names, x.Name) })
		return fmt.Errorf("flag -%s is unknown; the nearest is -%s (-h prints all)", m[1], models.Nearest(m[1], names))
	}
	if m := invalid.FindStringSubmatch(err.Error()); m != nil {
		reason := m[3]
		if _, rest, found := strings.Cut(reason, "expected "); found { // without what is named already
			reason = "expected " + rest
		}
		if reason == "parse error" {
			reason = "expected true or false"
		}
		return fmt.Errorf("-%s %s: %s", m[2], m[1], reason)
	}
	return err
}

// whole parses whole numbers from least on.
func whole(into *int, least int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return fmt.Errorf("expected a whole number, at least %d", least)
		}
		*into = n
		return nil
	}
}

// numbers parses numbers with commas between them.
func numbers(s string) ([]float64, error) {
	var out []float64
	for _, part := range strings.Split(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return nil, errors.New("expected one number or three with commas, such as 0.485,0.456,0.406")
		}
		out = append(out, v)
	}
	return out, nil
}

func parseColor(s string) (color.Color, error) {
	c := color.NRGBA{A: 255}
	parts := strings.Split(s, ",")
	for i, into := range []*uint8{&c.R, &c.G, &c.B} {
		if len(parts) != 3 {
			break
		}
		v, err := strconv.ParseUint(strings.TrimSpace(parts[i]), 10, 8)
		if err != nil {
			parts = nil
			break
		}
		*into = uint8(v)
	}
	if len(parts) != 3 {
		return nil, errors.New("expected three whole numbers of 0…255 with commas, such as 255,255,255")
	}
	return c, nil
}

func checkBackend(name string) error {
	if known := []string{"vulkan", "metal", "dx12", "gl"}; !slices.Contains(known, name) {
		return fmt.Errorf("expected vulkan, metal, dx12 or gl; the nearest is %s", models.Nearest(name, known))
	}
	return nil
}
