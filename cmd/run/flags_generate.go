package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/nn"
)

// generating are the flags of what makes images of noise.
type generating struct {
	truncation float64
	fps        float64
}

// framesFPS is how many frames a second files of them have, unless -fps says another number.
const framesFPS = 10

func (g *generating) flags(f *flag.FlagSet) {
	g.truncation, g.fps = 1, framesFPS
	f.Func("truncation", "`X`: of a StyleGAN2, the part of its way from the mean that a style keeps: less makes images that are more alike and have fewer flaws (default 1)", inRange(&g.truncation, -2, 2))
	f.Func("fps", fmt.Sprintf("`F`: frames a second of a .gif or video that is written (default %d)", framesFPS), func(s string) (err error) {
		if g.fps, err = strconv.ParseFloat(s, 64); err != nil || !(g.fps > 0 && g.fps <= 100) {
			return errors.New("expected more than 0, at most 100")
		}
		return nil
	})
}

// A window mixes the styles of so many seeds, and at most of so many.
const (
	mixedSeeds = 3
	mostMixed  = 12
)

// generates says that a model makes images of noise.
func (o *options) generates() bool {
	f, err := models.FindFamily(o.model)
	return err == nil && f.Task == nn.Generate
}

// checkGenerating finds flags that do not go together, of a model that makes images of noise.
func (o *options) checkGenerating() error {
	for name := range o.given {
		switch name {
		case "model", "weights", "input", "save", "o", "json", "precision", "batch", "seed", "to-seed", "frames", "fps", "truncation", "verify", "profile",
			"adapter", "backend", "tune", "tune-budget", "tuning", "why", "view":
		default:
			return cli.Usagef("-%s does not go with -model %s, which takes -seed, -frames, -truncation or -input", name, o.model)
		}
	}
	switch {
	case o.verify && o.profile:
		return cli.Usagef("-verify and -profile exclude each other")
	case o.view && (o.verify || o.profile || o.json || o.input != "" || o.out != "" || o.save != "" || o.frames > 0 || o.given["to-seed"] || o.given["fps"]):
		return cli.Usagef("-view of images of noise takes -seed, -batch and -truncation, and saves by a key: leave out -o, -save, -input, -frames, -to-seed, -fps, -json, -verify and -profile")
	case o.view && o.batch > mostMixed:
		return cli.Usagef("-batch %d: a window mixes at most %d seeds", o.batch, mostMixed)
	case o.view || o.verify || o.profile:
		return nil
	case o.out == "" && o.save == "":
		return cli.Usagef("no output: give -o FILE.png, the picture, -view, a window, or -save FILE.safetensors")
	case o.input != "" && (o.given["seed"] || o.given["to-seed"] || o.frames > 0 || o.given["batch"] || o.given["truncation"]):
		return cli.Usagef("-input gives the noise or the styles: leave out -seed, -to-seed, -frames, -batch and -truncation")
	case o.given["to-seed"] && o.frames == 0:
		return cli.Usagef("-to-seed goes with -frames")
	case o.frames > 0 && o.given["batch"]:
		return cli.Usagef("-frames goes from one seed to another: leave out -batch")
	}
	if o.given["fps"] && !(o.frames > 0 && holdsFrames(o.out)) {
		return cli.Usagef("-fps goes with -frames and -o FILE.gif or a video")
	}
	return checkFrames(o.out, o.frames > 0)
}

// checkFrames looks at the name of a file of pictures, or where there are frames of those.
func checkFrames(path string, frames bool) error {
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == "" || ext == ".png":
	case !frames && holdsFrames(path):
		return cli.Usagef("%s holds several frames: of -frames, -forward or -record", path)
	case !frames:
		return cli.Usagef("pictures are written as PNG: %q should end in .png, or be a folder", path)
	case !holdsFrames(path):
		return cli.Usagef("pictures are written as PNG: %q should end in .png, .gif, .mp4, .mov, .mkv or .webm, or be a folder", path)
	}
	return nil
}
