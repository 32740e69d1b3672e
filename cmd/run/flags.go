package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
)

// options are the flags.
type options struct {
	model, weights, labels string
	images                 []string
	input, save, eval      string
	choice                 cli.Choice
	top                    int
	batch                  int // 0: chosen by the model
	precision              gpu.DType
	override               picture.Override
	background             color.Color
	behind                 string // a picture as -background
	attention, json, view  bool
	queries
	writing
	masking
	measuring
	watching
	figures
	comparing
	fusing
	painting
	sharding
	generating

	profile, verify         bool
	report                  string
	listModels, listDevices bool
	help, helpAll, version  bool
	completion              string // of which shell

	given map[string]bool // the flags that were typed
}

// flagSet ties the flags to o.
func (o *options) flagSet() *flag.FlagSet {
	f := cli.NewFlagSet(command)
	f.StringVar(&o.model, "model", "", "`NAME`: a family or an architecture; -list-models prints them")
	f.StringVar(&o.weights, "weights", "", "`SOURCE`: a folder, a .safetensors or PyTorch file, or a hub id org/name[@revision]; without it the embedded weights")
	f.Func("image", "`FILE`: a picture (PNG, JPEG, GIF, BMP, WebP, TIFF), or a folder: those in it and below, sorted by path; may be repeated; or a video (by ffmpeg), - of the standard input: each frame", func(s string) error {
		o.images = append(o.images, s)
		return nil
	})
	f.StringVar(&o.input, "input", "", "`FILE`: a .safetensors file with raw inputs under PyTorch's names (pixel_values, NCHW; input_ids, attention_mask), in place of pictures and texts")
	f.StringVar(&o.save, "save", "", "`FILE`: a .safetensors file to write the raw outputs to, float32, under PyTorch's names")
	f.BoolVar(&o.attention, "attention", false, "with -save: the attention probabilities of every layer too; with -o: draws the last layer's over the picture, one panel a head")
	f.StringVar(&o.eval, "eval", "", "`FOLDER`: with one sub-folder of pictures a class: accuracy and pictures a second; of boxes, with annotations.json: average precision")
	f.StringVar(&o.labels, "labels", "", "`FILE`: one label a line, or a config.json with id2label")
	o.top = 5
	f.Func("top", "`N`: how many of the best classes of each picture (default 5; 0 = all)", cli.Whole(&o.top, 0, math.MaxInt))
	f.Func("batch", "`N`: pictures in one forward pass (default: chosen from memory; results do not depend on it); of a diffusion model, pictures to make, of one seed after the other", cli.Whole(&o.batch, 1, math.MaxInt))
	o.precision = gpu.F16
	f.Func("precision", "`f16|f32`: of weights and activations (default f16; sums are always f32)", func(s string) (err error) {
		if o.precision, err = models.ParsePrecision(s); err != nil {
			return errors.New("expected f16 or f32")
		}
		return nil
	})
	f.BoolVar(&o.view, "view", false, "shows it in a window: a diffusion run as it denoises, styles of images of noise that are mixed, or what a network attends to under the mouse pointer; ? lists the keys")
	f.BoolVar(&o.json, "json", false, "print one JSON document on stdout and nothing else there")
	f.BoolVar(&o.profile, "profile", false, "print the time of every dispatch of a forward pass")
	f.StringVar(&o.report, "report", "", "`FILE.json`: alone: all operations and goldens on this adapter, in a file for its maintainers")
	f.BoolVar(&o.verify, "verify", false, "compare with PyTorch's embedded goldens; with -model, recompute each dispatch on the CPU")
	f.BoolVar(&o.listModels, "list-models", false, "print the models with what each needs")
	f.BoolVar(&o.listDevices, "list-devices", false, "print the adapters with their limits")
	o.queries.flags(f)
	o.writing.flags(f)
	o.masking.flags(f)
	o.measuring.flags(f)
	o.watching.flags(f)
	o.figures.flags(f)
	o.comparing.flags(f)
	o.fusing.flags(f)
	o.painting.flags(f)
	o.sharding.flags(f)
	o.generating.flags(f)
	o.choice.Flags(f)
	o.preprocessing(f)
	f.BoolVar(&o.version, "version", false, "print the version")
	f.Func("completion", "`bash|zsh|fish`: print a script by which that shell completes the flags", cli.OneOf(&o.completion, shells...))
	f.BoolVar(&o.help, "h", false, "print the flags of the everyday uses, with -model what that takes, as -h all every flag")
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
	f.Func("background", "`R,G,B`: (0…255) behind transparent pixels (default white); with cutout also a picture", func(s string) (err error) {
		if o.background, err = parseColor(s); err != nil && isFile(s) {
			o.background, o.behind, err = nil, s, nil
		}
		return err
	})
}

// parse reads the command line.
func (o *options) parse(ctx context.Context, args []string) error {
	f := o.flagSet()
	if err := cli.Parse(f, o.take(args)); err != nil {
		return err
	}
	o.given = map[string]bool{}
	f.Visit(func(x *flag.Flag) { o.given[x.Name] = true })
	if o.help && f.NArg() == 1 && f.Arg(0) == "all" {
		o.helpAll = true
		return nil
	}
	if _, word := shardWords[f.Arg(0)]; word {
		return cli.Usagef("%s stands before all flags: run %s -in SHARD -out FILE.parquet", f.Arg(0), f.Arg(0))
	}
	if f.NArg() > 0 {
		return cli.Usagef("unexpected argument %q; pictures are given with -image", f.Arg(0))
	}
	if o.help || o.version || o.completion != "" {
		return nil
	}
	o.settle(ctx)
	if err := o.check(); err != nil {
		return err
	}
	return o.checkOutputs()
}

// check finds flags that do not go together.
func (o *options) check() error {
	if o.word != "" || o.shard != "" || o.parquet != "" || o.fastDecode {
		return o.checkShard()
	}
	if o.moving() || o.track {
		return o.checkWatching()
	}
	inputs := 0
	for _, given := range []bool{len(o.images) > 0, len(o.sounds) > 0, o.input != "", o.eval != ""} {
		if given {
			inputs++
		}
	}
	switch {
	case o.report != "" && (o.model != "" || o.verify || o.profile || o.json || inputs > 0):
		return cli.Usagef("-report goes alone, or with -adapter and -backend")
	case o.report != "" || o.listModels || o.listDevices || o.verify && o.model == "" && o.weights == "" && inputs == 0:
		return nil
	case o.lines():
		return o.checkLines()
	case o.model == "" && len(o.compare) == 0:
		return cli.Usagef("no model: give -model NAME (-list-models prints the names, -h all flags)")
	case o.comparesDrawn():
		return o.checkDrawn()
	case len(o.compare) == 0 && !slices.Contains(models.Names(), o.model):
		return &models.UnknownModelError{Name: o.model, Nearest: models.Nearest(o.model, models.Names())}
	case o.model == anomalyFamily:
		return o.checkComparing()
	case takesSounds(o.model):
		return o.checkSounds()
	case isPipeline(o.model):
		return cmp.Or(o.notComparing(), o.checkFusing(), o.checkPainting())
	case o.generates():
		return cmp.Or(o.notComparing(), o.checkFusing(), o.checkGenerating())
	case o.model == ocrFamily:
		return cmp.Or(o.notComparing(), o.checkFusing(), o.notPainting(), o.checkWriting(), o.checkReading())
	case len(o.images) > 0 && len(o.sounds) > 0 && o.soundWeights == "" && pairs(o.model):
		return cli.Usagef("-audio beside the pictures of %s needs -sound-weights, a CLAP that embeds the sounds", o.model)
	case inputs > 1 && !(o.soundWeights != "" && inputs == 2 && len(o.images) > 0 && len(o.sounds) > 0):
		return cli.Usagef("-image, -audio, -input and -eval exclude each other")
	case embedsSentences(o.model) && (len(o.texts) > 0 || o.textsFile != ""):
	case embedsSentences(o.model) && inputs == 0 && !o.verify && !o.profile:
		return cli.Usagef("no text: give -text TEXT, -texts FILE or -input FILE.safetensors")
	case inputs == 0 && !o.verify && !o.profile && (o.index == "" || len(o.texts) == 0):
		return cli.Usagef("no input: give -image FILE, -input FILE.safetensors or -eval FOLDER")
	case o.attention && o.save == "" && o.out == "" && !o.verify && !o.profile:
		return cli.Usagef("-attention needs -save FILE.safetensors, where the probabilities go, or -o FILE.png, a picture of them")
	case o.save != "" && (o.eval != "" || o.verify || o.profile):
		return cli.Usagef("-save goes with -image or -input alone")
	case o.eval != "" && (o.verify || o.profile):
		return cli.Usagef("-eval does not go with -verify or -profile")
	}
	if err := cmp.Or(o.notComparing(), o.checkFusing(), o.notPainting()); err != nil {
		return err
	}
	if err := o.checkWriting(); err != nil {
		return err
	}
	if err := o.checkMasking(); err != nil || segments(o.model) {
		return err
	}
	if err := o.checkMeasuring(); err != nil || o.purpose() != "" {
		return err
	}
	if attends, err := models.HasAttention(o.model); o.view && err == nil && !attends {
		return cli.Usagef("-view of %s: %w, which it would show under the pointer", o.model, models.ErrNoAttention)
	}
	if _, drawing := o.drawing(); o.view && (len(o.images) == 0 || drawing || o.save != "" || o.verify || o.profile || o.json || o.asked() || o.attention) {
		return cli.Usagef("-view of a network shows what it attends to in a picture: give -image, and none of -o, -save, -verify, -profile, -json, -text, -similar, -index, -examples and -attention")
	}
	if err := o.figures.check(o); err != nil {
		return err
	}
	return o.queries.check(o)
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
