package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/anomaly"
	"saccade/models/diffusion"
	"saccade/models/nn"
	"saccade/models/vae"
)

// task is a group of flags by what they are for. The help and the completions of
// shells are made of this table.
type task struct {
	title    string
	everyday []string // flags that -h shows first
	more     []string
	takes    func(f nn.Family) bool // the families that they are for; nil: all
}

func pipeline(f nn.Family) bool { return f.Open != nil }
func images(f nn.Family) bool {
	return f.Open == nil && !f.Part && !f.Hears && !f.Sentences && !f.Sounds
}
func sentencesOnly(f nn.Family) bool { return f.Sentences }
func dual(f nn.Family) bool          { return f.Texts && !f.Part }
func writesTexts(f nn.Family) bool   { return f.Writes }
func finds(f nn.Family) bool         { return f.Task == nn.FindObjects }
func unlike(f nn.Family) bool        { return f.Anomalies }
func tiles(f nn.Family) bool         { return f.Open != nil || f.Name == vae.Family.Name }

// tasks has every flag once.
var tasks = []task{
	{"the model", []string{"model", "weights"}, []string{"lora", "precision", "list-models"}, nil},
	{"images in", []string{"image", "top"}, []string{"camera", "batch", "labels", "eval", "size", "crop", "mean", "std", "background"}, images},
	{"raw tensors in and out", []string{"save"}, []string{"input"}, nil},
	{"images and texts", []string{"text"}, []string{"template", "text-weights", "sound-weights"}, dual},
	{"texts alone", nil, []string{"texts"}, sentencesOnly},
	{"text in images", nil, []string{"documents"}, func(f nn.Family) bool { return f.Reads || f.Sentences }},
	{"texts of images", []string{"question"}, []string{"max-tokens", "beams", "temperature", "top-k", "top-p", "generate", "match"}, writesTexts},
	{"turns about images (each a -prompt)", []string{"chat", "tiles"}, nil, func(f nn.Family) bool { return f.Converses }},
	{"sounds in", []string{"audio"}, nil, func(f nn.Family) bool { return f.Hears || f.Sounds }},
	{"texts of sounds", []string{"language"}, []string{"task", "timestamps"}, func(f nn.Family) bool { return f.Hears }},
	{"masks of images", []string{"point", "box", "everything", "masks"}, []string{"points-per-side", "least-score", "least-stability", "overlap"}, func(f nn.Family) bool { return f.Segments }},
	{"objects in images", []string{"threshold"}, []string{"track"}, finds},
	{"images alike", nil, []string{"similar", "index", "examples"}, func(f nn.Family) bool { return images(f) && !f.Reads }},
	{"a shard's images (run embed, run classify, run caption)", nil, []string{"in", "out", "fast-decode"}, images},
	{"readings beside images", nil, []string{"sensors", "folds"}, func(f nn.Family) bool { return images(f) && !f.Reads && f.Task == "" && !f.Writes && !f.Segments }},
	{"images unlike what is normal", []string{"normal"}, []string{"method", "backbone", "layers", "coreset", "quantile"}, unlike},
	{"images of a prompt", []string{"prompt", "steps", "seed"}, []string{"negative-prompt", "prompts", "prompt-syntax", "guidance", "guidance-rescale", "scheduler", "width", "height", "init-image", "strength", "mask", "control", "control-image", "control-hint", "depth-weights", "ip-adapter", "ip-image", "image-encoder", "upscale", "motion", "context-length", "context-stride",
		"frames", "to-seed", "forward", "record", "partial", "embedding", "clip-skip", "tokenizer", "vae", "prediction", "refiner", "refiner-start", "low-memory", "preview", "preview-weights", "view-every"}, pipeline},
	{"moving images", nil, []string{"fps"}, func(f nn.Family) bool { return f.Open != nil || f.Task == nn.Generate }},
	{"images of noise", []string{"truncation"}, nil, func(f nn.Family) bool { return f.Task == nn.Generate }},
	{"what a network looks at", []string{"explain"}, []string{"explain-class", "explain-method", "attention", "pca", "compare"}, nil},
	{"out", []string{"o", "view", "json"}, nil, nil},
	{"the device", []string{"verify"}, []string{"list-devices", "report", "adapter", "backend", "profile", "tune", "tune-budget", "tuning", "why"}, nil},
	{"memory", nil, []string{"tiled"}, tiles},
	{"the command", nil, []string{"h", "version", "completion"}, nil},
}

const usage = `Run puts images and prompts through a network on the GPU.

  run -model vit -image x.png                             what is in an image
  run -model vit -weights google/vit-base-patch16-224 -image folder
  run -model clip -image x.png -text "a cat" -text "a dog"
  run -model sd -prompt "a red apple" -o apple.png -view
  run embed -in SHARD -out FILE.parquet                   vectors of many images (or classify, caption)
  run -verify                                             is this GPU right?
`

const usageEnd = `
Environment: WGPU_ADAPTER_NAME, WGPU_BACKEND, WGPU_POWER_PREFERENCE (low, high);
HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE; NO_COLOR (no
colours are used anyway); SACCADE_DEBUG, words with commas: dispatch, nan,
poison, wgsl=KERNEL, dump=LABEL.
Exit codes: 0 fine, 1 failure, 2 usage, 3 no usable adapter, 4 verification
mismatch, 130 interrupted.
`

// printHelp prints the flags of the everyday uses, with -model those that the model
// takes, or with the word all every one.
func (a *app) printHelp() error {
	flags := flagTable()
	var of *nn.Family
	if a.model != "" {
		f, err := models.FindFamily(a.model)
		if err != nil {
			return err
		}
		of = &f
	}
	a.stdout.printf(usage)
	if of != nil {
		a.stdout.printf("\n%s: %s\n", a.model, of.About)
	}
	for _, t := range tasks {
		names := t.everyday
		if of != nil || a.helpAll {
			names = slices.Concat(t.everyday, t.more)
		}
		if len(names) == 0 || of != nil && t.takes != nil && !t.takes(*of) {
			continue
		}
		a.stdout.printf("\n%s%s:\n", strings.ToUpper(t.title[:1]), t.title[1:])
		for _, name := range names {
			value, text := flag.UnquoteUsage(flags[name])
			a.stdout.printf("  %s\n        %s\n", strings.TrimSpace("-"+name+" "+value), strings.TrimPrefix(text, value+": "))
		}
	}
	if of == nil && !a.helpAll {
		a.stdout.printf("\nrun -model NAME -h prints what a model takes, run -h all every flag.\n")
		return nil
	}
	a.stdout.printf(usageEnd)
	return nil
}

// flagTable are the flags by name.
func flagTable() map[string]*flag.Flag {
	all, o := map[string]*flag.Flag{}, options{}
	o.flagSet().VisitAll(func(f *flag.Flag) { all[f.Name] = f })
	return all
}

// printVersion prints the program's version and what it was built from.
func (a *app) printVersion() error {
	a.stdout.printf("%s\n", cli.VersionText())
	return nil
}

// words are what the value of a flag may be; nil is anything, a file among it.
func words(name string) []string {
	switch name {
	case "model":
		return models.Names()
	case "precision":
		return []string{"f16", "f32"}
	case "backend":
		return cli.Backends()
	case "scheduler":
		return diffusion.Schedulers()
	case "prompt-syntax":
		return texts(diffusion.Syntaxes())
	case "preview":
		return texts(diffusion.Previews())
	case "explain-method":
		return texts(models.AllMethods())
	case "prediction":
		return []string{"epsilon", "v_prediction", "sample"}
	case "match":
		return []string{matchITM, matchCosine}
	case "task":
		return []string{taskTranscribe, taskTranslate}
	case "method":
		return texts(anomaly.Methods)
	case "completion":
		return shells
	}
	return nil
}

// texts are the names of a kind of words.
func texts[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}

// shells are those that -completion writes for.
var shells = []string{"bash", "zsh", "fish"}

// printCompletion prints a script by which a shell completes flags and their values.
func (a *app) printCompletion() error {
	flags := flagTable()
	var names []string
	for _, t := range tasks {
		names = append(names, slices.Concat(t.everyday, t.more)...)
	}
	slices.Sort(names)
	switch a.completion {
	case "bash":
		a.printBash(names, flags)
	case "zsh":
		a.printZsh(names, flags)
	case "fish":
		a.printFish(names, flags)
	}
	return nil
}

// takesValue says that a flag is not one of yes or no.
func takesValue(f *flag.Flag) bool {
	if _, optional := f.Value.(*cli.Optional); optional {
		return true
	}
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

// summary is the beginning of a flag's text, without what shells read.
func summary(f *flag.Flag) string {
	value, text := flag.UnquoteUsage(f)
	text, _, _ = strings.Cut(strings.TrimPrefix(text, value+": "), "; ")
	return strings.NewReplacer("'", "’", "[", "(", "]", ")", ":", "", "\\", "").Replace(text)
}

func (a *app) printBash(names []string, flags map[string]*flag.Flag) {
	a.stdout.printf("# source <(run -completion bash)\n_saccade_run() {\n  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n  case \"${before#-}\" in\n")
	var files []string
	for _, name := range names {
		if w := words(name); w != nil {
			a.stdout.printf("  -%s|%s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", name, name, strings.Join(w, " "))
		} else if takesValue(flags[name]) {
			files = append(files, "-"+name, name)
		}
	}
	a.stdout.printf("  %s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n  esac\n  COMPREPLY=($(compgen -W '-%s' -- \"$word\"))\n}\ncomplete -o filenames -F _saccade_run run\n",
		strings.Join(files, "|"), strings.Join(names, " -"))
}

func (a *app) printZsh(names []string, flags map[string]*flag.Flag) {
	a.stdout.printf("#compdef run\n_arguments")
	for _, name := range names {
		value, _ := flag.UnquoteUsage(flags[name])
		entry := fmt.Sprintf("*-%s[%s]", name, summary(flags[name]))
		if w := words(name); w != nil {
			entry += fmt.Sprintf(":%s:(%s)", name, strings.Join(w, " "))
		} else if takesValue(flags[name]) {
			entry += fmt.Sprintf(":%s:_files", strings.ReplaceAll(value, ":", " "))
		}
		a.stdout.printf(" \\\n  '%s'", entry)
	}
	a.stdout.printf("\n")
}

func (a *app) printFish(names []string, flags map[string]*flag.Flag) {
	for _, name := range names {
		a.stdout.printf("complete -c run -o %s -d '%s'", name, summary(flags[name]))
		if w := words(name); w != nil {
			a.stdout.printf(" -x -a '%s'", strings.Join(w, " "))
		} else if takesValue(flags[name]) {
			a.stdout.printf(" -r")
		} else {
			a.stdout.printf(" -f")
		}
		a.stdout.printf("\n")
	}
}
