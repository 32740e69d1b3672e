package main

import (
	"path/filepath"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
)

// soundFlags are those that go with models whose inputs are made of sounds.
var soundFlags = []string{"model", "weights", "audio", "input", "save", "attention", "explain", "explain-method", "explain-class", "text", "template", "index", "labels", "top", "json", "precision", "verify", "profile", "adapter", "backend", "tuning", "tune", "tune-budget", "why"}

// checkSounds finds flags that do not go with such a model.
func (o *options) checkSounds() error {
	for _, name := range sorted(o.given) {
		if !slices.Contains(soundFlags, name) {
			return cli.Usagef("-%s does not go with %s, which hears sounds", name, o.model)
		}
	}
	switch {
	case (len(o.methods) > 0 || o.class != "") && o.explain == "":
		return cli.Usagef("-explain-method and -explain-class go with -explain")
	case o.given["explain"] && !strings.EqualFold(filepath.Ext(o.explain), ".png"):
		return cli.Usagef("-explain needs a name of a PNG file, such as -explain out.png, not %q", o.explain)
	case o.explain != "" && (len(o.sounds) == 0 || len(o.texts) > 0 || o.index != "" || o.save != "" || o.attention || o.verify || o.profile):
		return cli.Usagef("-explain goes with -audio, and with none of -input, -save, -attention, -text, -index, -verify and -profile")
	case len(o.sounds) > 0 && o.input != "":
		return cli.Usagef("-audio and -input exclude each other")
	case len(o.templates) > 0 && len(o.texts) == 0:
		return cli.Usagef("-template goes with -text")
	case (len(o.texts) > 0 || o.index != "") && (o.input != "" || o.verify || o.profile || o.attention):
		return cli.Usagef("-text and -index go with -audio, not with -input, -verify, -profile or -attention")
	case o.index != "" && o.save != "":
		return cli.Usagef("-save does not go with -index; the index is a file of embeddings itself")
	case o.index != "" && len(o.sounds) == 0 && len(o.texts) == 0:
		return cli.Usagef("-index keeps sounds of -audio, or is searched for -text: give one of them")
	case o.index != "":
	case len(o.sounds) == 0 && o.input == "" && !o.verify && !o.profile:
		return cli.Usagef("no sound: give -audio FILE or -input FILE.safetensors")
	case len(o.sounds) > 0 && (o.verify || o.profile):
		return cli.Usagef("-verify and -profile take noise or -input: leave -audio out")
	case o.attention && o.save == "" && !o.verify && !o.profile:
		return cli.Usagef("-attention needs -save FILE.safetensors, where the probabilities go")
	case o.save != "" && (o.verify || o.profile):
		return cli.Usagef("-save goes with -audio or -input alone")
	}
	return nil
}
