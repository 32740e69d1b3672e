package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/nn"
	"saccade/models/vae"
	"saccade/weights"
)

// painting are the flags of diffusion models, with which nothing else goes but the
// common ones.
type painting struct {
	prompts                   []string
	negative                  string
	syntax                    diffusion.Syntax
	promptFile                string
	steps, width, height      int     // 0: the pipeline's
	guidance, strength        float64 // NaN: the pipeline's
	rescale                   float64
	refinerSource             string
	refinerStart              float64
	seed                      int64 // less than 0: random
	scheduler                 string
	clipSkip                  int
	initImage, mask           string
	loras                     []nn.LoRA
	tokenizer, vae            string
	embeddings                []string
	prediction                string
	frames                    int
	toSeed                    int64
	forward                   bool
	record                    string
	preview                   diffusion.Preview // "": chosen by its cost
	tinyWeights               string
	viewEvery                 int
	partial, lowMemory, tiled bool
	upscale                   cli.Optional
	motion                    string // a motion adapter, which makes a video; "": none
	context, stride           int    // of windows of frames, 0: all at once, and the usual
	controlling
	showing
}

// paintingFlags are the names of those flags.
var paintingFlags = []string{"prompt", "prompts", "record", "negative-prompt", "prompt-syntax", "refiner", "refiner-start", "steps", "width", "height", "guidance", "guidance-rescale", "strength", "seed", "scheduler", "clip-skip",
	"init-image", "mask", "lora", "embedding", "tokenizer", "vae", "prediction", "frames", "to-seed", "forward", "partial", "low-memory", "preview", "preview-weights", "view-every", "tiled", "control", "control-image", "control-hint", "depth-weights", "upscale", "motion", "context-length", "context-stride", "ip-adapter", "ip-image", "image-encoder"}

func (g *painting) flags(f *flag.FlagSet) {
	g.guidance, g.strength = math.NaN(), math.NaN()
	f.Func("prompt", "`TEXT`: what to draw; twice with -frames: from the first to the second; of a model that writes texts, what they begin with", func(s string) error {
		g.prompts = append(g.prompts, s)
		return nil
	})
	f.StringVar(&g.promptFile, "prompts", "", "`FILE`: prompts, one a line: a picture of each, -batch of them at once")
	f.StringVar(&g.negative, "negative-prompt", "", "`TEXT`: what not to draw")
	g.syntax = diffusion.Plain
	f.Func("prompt-syntax", "`plain|a1111`: how prompts are read; a1111: weights (red:1.5), [red], BREAK, <lora:NAME:1> and any length, as AUTOMATIC1111 (default plain)", func(s string) error {
		if g.syntax = diffusion.Syntax(s); !slices.Contains(diffusion.Syntaxes(), g.syntax) {
			return errors.New("expected plain or a1111")
		}
		return nil
	})
	f.Func("steps", "`N`: evaluations of the scheduler (default the pipeline's)", cli.Whole(&g.steps, 1, math.MaxInt))
	f.Func("width", "`N`: of the picture, pixels (default the pipeline's)", cli.Whole(&g.width, 1, 1<<16))
	f.Func("height", "`N`: of the picture, pixels (default the pipeline's)", cli.Whole(&g.height, 1, 1<<16))
	f.Func("guidance", "`X`: weight of the prompt, at most 1 for none (default the pipeline's)", inRange(&g.guidance, 0, 1000))
	f.Func("guidance-rescale", "`R`: the part of the contrast that guidance adds which is taken off again, up to 1 (default 0)", inRange(&g.rescale, 0, 1))
	f.StringVar(&g.refinerSource, "refiner", "", "`SOURCE`: a pipeline that does the last steps, such as SDXL's refiner")
	g.refinerStart = 0.8
	f.Func("refiner-start", "`X`: with -refiner, the part of the way after which it begins (default 0.8)", inRange(&g.refinerStart, 0, 1))
	f.Func("strength", "`X`: with -init-image, the part of the steps that remain, up to 1 (default 0.8, with -mask 1)", inRange(&g.strength, 0, 1))
	f.Int64Var(&g.seed, "seed", 0, "`N`: of the noise; less than 0: a random one, which is printed (default 0)")
	f.StringVar(&g.scheduler, "scheduler", "", "`NAME`: "+strings.Join(diffusion.Schedulers(), ", ")+" (default the checkpoint's)")
	f.Func("clip-skip", "`N`: blocks of the text tower to leave out at its end", cli.Whole(&g.clipSkip, 0, math.MaxInt))
	f.StringVar(&g.initImage, "init-image", "", "`FILE`: a picture to begin with")
	f.StringVar(&g.mask, "mask", "", "`FILE`: with -init-image, a picture of its size: white is painted anew, black stays")
	f.Func("lora", "`FILE|FOLDER|ID[:SCALE]`: an adapter to merge into the weights, of a pipeline or a network (PEFT, diffusers, kohya); may be repeated", func(s string) error {
		d, err := parseLoRA(s)
		g.loras = append(g.loras, d)
		return err
	})
	f.StringVar(&g.tokenizer, "tokenizer", "", "`FOLDER|ID`: the tokenizer of a checkpoint that is a single file")
	f.Func("embedding", "`FILE|FOLDER|ID`: a textual inversion, whose token prompts may name; may be repeated", func(s string) error {
		g.embeddings = append(g.embeddings, s)
		return nil
	})
	f.StringVar(&g.vae, "vae", "", "`SOURCE`: the autoencoder in place of the checkpoint's: a folder or hub id of diffusers, or a single file")
	f.Func("prediction", "`epsilon|v_prediction|sample`: what the network of a single file predicts, where its kind's usual is wrong", func(s string) error {
		if g.prediction = s; !slices.Contains([]string{"epsilon", "v_prediction", "sample"}, s) {
			return errors.New("expected epsilon, v_prediction or sample")
		}
		return nil
	})
	f.Func("frames", "`N`: pictures on the way from one seed or prompt to another, or of a video (default 16), to a folder, a .gif, a .mp4 or in one picture", cli.Whole(&g.frames, 2, 1000))
	f.Int64Var(&g.toSeed, "to-seed", 0, "`N`: with -frames, the seed of the last frame")
	f.BoolVar(&g.forward, "forward", false, "with -init-image: shows how noise takes the picture, -steps levels of it")
	f.StringVar(&g.record, "record", "", "`FILE.gif|FILE.png|FOLDER`: the picture after every step")
	f.Func("preview", "`vae|tiny|linear|latent`: with -view, how steps are shown (default the best that costs less than a tenth of a step)", func(s string) error {
		if g.preview = diffusion.Preview(s); !slices.Contains(diffusion.Previews(), g.preview) {
			return errors.New("expected vae, tiny, linear or latent")
		}
		return nil
	})
	f.StringVar(&g.tinyWeights, "preview-weights", "", "`SOURCE`: of the small autoencoder (AutoencoderTiny) of -preview tiny")
	g.viewEvery = 1
	f.Func("view-every", "`N`: with -view, shows every nth step (default 1)", cli.Whole(&g.viewEvery, 1, math.MaxInt))
	f.BoolVar(&g.partial, "partial", false, "writes what there is if it is interrupted")
	f.BoolVar(&g.lowMemory, "low-memory", false, "keeps one part of the pipeline at a time on the device")
	g.controlling.flags(f)
	g.showing.flags(f)
	f.StringVar(&g.motion, "motion", "", "`SOURCE`: a motion adapter (AnimateDiff): draws a video of -frames")
	f.Func("context-length", "`N`: with -motion, frames that the adapter sees at once, in windows, for more of them than it was trained for (default all)", cli.Whole(&g.context, 1, 1000))
	f.Func("context-stride", "`N`: with -context-length, how far each window of frames is from the one before (default 4)", cli.Whole(&g.stride, 1, 1000))
	f.Var(&g.upscale, "upscale", "`[SOURCE]`: enlarges what is drawn, by the embedded network or one that -model upscale takes")
	f.BoolVar(&g.tiled, "tiled", false, "has the autoencoder work in tiles, which need less memory; that of a pipeline does so anyway where it must")
}

// inRange reads a number from least to most.
func inRange(into *float64, least, most float64) func(string) error {
	return func(s string) error {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= least && v <= most) {
			return fmt.Errorf("expected a number from %g to %g", least, most)
		}
		*into = v
		return nil
	}
}

// parseLoRA reads FILE[:SCALE]. A colon whose rest is no number is the file's own.
func parseLoRA(s string) (nn.LoRA, error) {
	if i := strings.LastIndex(s, ":"); i > 0 {
		if scale, err := strconv.ParseFloat(s[i+1:], 64); err == nil {
			return nn.LoRA{File: s[:i], Scale: scale}, nil
		}
	}
	if s == "" {
		return nn.LoRA{}, errors.New("expected a file")
	}
	return nn.LoRA{File: s, Scale: 1}, nil
}

// settle has -model sd, which opens every pipeline, mean the family of the one that is given. What
// can't be read is told of when it is loaded.
func (o *options) settle(ctx context.Context) {
	if o.model == diffusion.Family.Name && o.weights != "" {
		o.model = diffusion.FamilyOf(ctx, o.weights, weights.HubFromEnv())
	}
}

// checkPainting finds flags that do not go together with a pipeline.
func (o *options) checkPainting() error {
	g := &o.painting
	if o.given["truncation"] {
		return cli.Usagef("-truncation goes with -model gan")
	}
	for _, name := range []string{"image", "eval", "labels", "top", "pca", "compare", "explain-method", "explain-class", "text", "template", "similar", "index", "examples", "attention", "size", "crop", "mean", "std"} {
		if o.given[name] {
			return cli.Usagef("-%s does not go with -model %s, a diffusion pipeline, which takes -prompt, -init-image or -input", name, o.model)
		}
	}
	noPrompt := o.model != diffusion.Unconditional.Name && len(g.prompts) == 0 && g.promptFile == "" && o.input == "" && !g.forward
	switch {
	case o.profile || o.verify:
	case noPrompt:
		return cli.Usagef("no prompt: give -prompt TEXT")
	case o.out == "" && o.save == "" && g.record == "" && !o.view:
		return cli.Usagef("no output: give -o FILE.png, the picture, -view, a window, -record FILE.gif, its steps, or -save FILE.safetensors")
	}
	if _, known := diffusion.KnownScheduler(g.scheduler); g.scheduler != "" && !known {
		return cli.Usagef("scheduler %q is unknown; the nearest is %q (-h lists them)", g.scheduler, models.Nearest(g.scheduler, diffusion.Schedulers()))
	}
	if err := cmp.Or(o.checkRefiner(), o.checkControls(), o.checkShowing(), o.checkVideo()); err != nil {
		return err
	}
	switch {
	case g.mask != "" && g.initImage == "":
		return cli.Usagef("-mask goes with -init-image, the picture that stays where it is black")
	case g.forward && g.initImage == "":
		return cli.Usagef("-forward needs -init-image, the picture that noise takes")
	case o.given["strength"] && g.initImage == "":
		return cli.Usagef("-strength goes with -init-image")
	case o.given["strength"] && g.strength == 0:
		return cli.Usagef("-strength 0 leaves no step; expected more than 0, at most 1")
	case len(g.prompts) > 2 || len(g.prompts) == 2 && g.frames == 0:
		return cli.Usagef("%d prompts; expected one, or with -frames two", len(g.prompts))
	case g.frames > 0 && len(g.prompts) < 2 && !o.given["to-seed"] && !o.moves():
		return cli.Usagef("-frames goes from one thing to another: give -to-seed N, or -prompt twice; or -model %s, for a video", diffusion.Video.Name)
	case g.frames == 0 && o.given["to-seed"]:
		return cli.Usagef("-to-seed goes with -frames")
	case g.frames > 0 && o.given["batch"]:
		return cli.Usagef("-frames and -batch exclude each other")
	case g.frames > 0 && o.input != "" && !o.moves():
		return cli.Usagef("-frames and -input exclude each other")
	case g.upscale.Given && (g.frames > 0 && !o.moves() || g.forward || o.view):
		return cli.Usagef("-upscale goes with none of -frames, -forward and -view")
	case g.promptFile != "" && (len(g.prompts) > 0 || g.frames > 0 || g.forward || o.save != "" || o.input != "" || g.record != "" || o.explain != ""):
		return cli.Usagef("-prompts goes with -o, and with none of -prompt, -frames, -forward, -save, -input, -record and -explain")
	case g.record != "" && (g.frames > 0 || g.forward || o.batch > 1):
		return cli.Usagef("-record shows the steps of one picture: leave out -frames, -forward and -batch")
	case o.view && (g.frames > 0 && !o.moves() || g.forward || g.promptFile != "" || o.explain != "" || o.verify || o.profile || o.json):
		return cli.Usagef("-view shows one run: it goes with none of -frames, -forward, -prompts, -explain, -verify, -profile and -json")
	case !o.view && (g.preview != "" || g.tinyWeights != "" || o.given["view-every"]):
		return cli.Usagef("-preview, -preview-weights and -view-every go with -view")
	case g.preview == diffusion.PreviewTiny && g.tinyWeights == "":
		return cli.Usagef("-preview tiny needs -preview-weights, a folder or hub id of an AutoencoderTiny for these latents")
	case o.verify && o.profile:
		return cli.Usagef("-verify and -profile exclude each other")
	case o.explain != "" && len(g.prompts) != 1:
		return cli.Usagef("-explain draws which word of a prompt drew what: give one -prompt")
	}
	if err := o.checkPrompts(); err != nil {
		return err
	}
	return o.checkPaintingOut()
}

// checkRefiner finds what does not go with a refiner.
func (o *options) checkRefiner() error {
	g := &o.painting
	switch {
	case g.refinerSource == "" && o.given["refiner-start"]:
		return cli.Usagef("-refiner-start goes with -refiner, the pipeline that does the last steps")
	case g.refinerSource == "":
		return nil
	case o.model != diffusion.Family.Name:
		return cli.Usagef("-refiner goes with -model %s", diffusion.Family.Name)
	case g.refinerStart == 0 || g.refinerStart == 1:
		return cli.Usagef("-refiner-start %g leaves one of the two pipelines no step; expected between 0 and 1", g.refinerStart)
	case g.initImage != "" || o.view || o.explain != "" || o.verify || o.profile || len(g.prompts) > 1:
		return cli.Usagef("-refiner goes with none of -init-image, -view, -explain, -verify, -profile and a second -prompt; alone, the refiner takes -init-image")
	}
	return nil
}

// checkPaintingOut looks at the names of the files to write.
func (o *options) checkPaintingOut() error {
	moving := o.frames > 0 || o.forward || o.moves()
	if o.given["fps"] && !(moving && holdsFrames(o.out) || holdsFrames(o.record) || o.view && o.moves()) {
		return cli.Usagef("-fps goes with a .gif or video that is written, or with a video and -view")
	}
	if err := cmp.Or(checkFrames(o.out, moving), checkFrames(o.record, true)); err != nil {
		return err
	}
	if o.explain != "" && !strings.EqualFold(filepath.Ext(o.explain), ".png") {
		return cli.Usagef("pictures are written as PNG: %q should end in .png", o.explain)
	}
	return nil
}

// notPainting refuses the flags of diffusion models for others.
func (o *options) notPainting() error {
	for _, name := range []string{"truncation", "fps"} {
		if o.given[name] {
			return cli.Usagef("-%s does not go with -model %s, which makes no images of noise", name, o.model)
		}
	}
	for _, name := range paintingFlags {
		switch {
		case !o.given[name] || name == "lora" && len(o.compare) == 0:
		case name == "lora":
			return cli.Usagef("-lora does not go with -compare, which compares checkpoints")
		case writes(o.model) && (name == "prompt" || name == "seed"):
		case name != "tiled":
			return cli.Usagef("-%s goes with a diffusion pipeline: -model %s", name, strings.Join(pipelineNames(), " or "))
		case !isAutoencoder(o.model):
			return cli.Usagef("-tiled goes with a diffusion pipeline or its autoencoder: -model %s or vae", strings.Join(pipelineNames(), ", "))
		case o.verify || o.profile:
			return cli.Usagef("-tiled does not go with -verify or -profile of an autoencoder alone, which are of one map")
		}
	}
	return nil
}

// isAutoencoder says that a model is the autoencoder of diffusion pipelines alone.
func isAutoencoder(name string) bool {
	return name == vae.Family.Name || slices.Contains(vae.Family.Architectures, name)
}

// isPipeline says that a model is a diffusion pipeline.
func isPipeline(name string) bool { return slices.Contains(pipelineNames(), name) }

// pipelineNames are the models that are pipelines.
func pipelineNames() []string {
	var names []string
	for _, f := range models.Families() {
		if f.Open != nil {
			names = append(names, f.Name)
		}
	}
	return names
}
