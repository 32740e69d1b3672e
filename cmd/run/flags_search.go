package main

import (
	"errors"
	"flag"
	"maps"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
)

// queries are the flags that compare pictures: with texts, with a picture, with
// examples.
type queries struct {
	texts     []string
	templates []string
	similar   string
	index     string
	examples  string
	textsFile string
	// textWeights is the encoder of the texts where it is not the model's own.
	textWeights string
	// soundWeights is the model of sounds beside that of pictures.
	soundWeights string
	documents    string
}

// placeholder is where a template takes the text.
const placeholder = "{}"

func (q *queries) flags(f *flag.FlagSet) {
	f.Func("text", "`TEXT`: what a picture may show, for clip and siglip, or what is compared, for text; may be repeated. One text and several pictures: ranks them by it; else the probabilities of the texts", func(s string) error {
		if strings.TrimSpace(s) == "" {
			return errors.New("the text is empty")
		}
		q.texts = append(q.texts, s)
		return nil
	})
	f.Func("template", "`TEMPLATE`: a sentence around each text, such as \"a photo of a {}\"; may be repeated, the embeddings are averaged", func(s string) error {
		if !strings.Contains(s, placeholder) {
			return errors.New("expected {} where the text goes")
		}
		q.templates = append(q.templates, s)
		return nil
	})
	f.StringVar(&q.similar, "similar", "", "`FOLDER`: its pictures, ranked by their likeness to the one of -image")
	f.StringVar(&q.index, "index", "", "`FILE`: keeps the embeddings (SQLite), so that only new and changed pictures are computed; alone it stands for all pictures in it")
	f.StringVar(&q.textsFile, "texts", "", "`FILE`: texts, one a line; with -text those that are likest each -text")
	f.StringVar(&q.documents, "documents", "", "`FOLDER`: its pages (pictures; PDF where pdftoppm is installed) are read into -index, so that -text finds lines in them; -weights are a detector and a recogniser, without it the embedded ones; -text-weights an encoder of texts")
	f.StringVar(&q.textWeights, "text-weights", "", "`SOURCE`: an encoder of texts whose vectors are in the space of the model's pictures, as clip-ViT-B-32-multilingual-v1's for CLIP B/32")
	f.StringVar(&q.soundWeights, "sound-weights", "", "`SOURCE`: a CLAP, by which sounds of -audio stand beside the pictures of a clip or siglip in one -index, found by one -text (default the index's)")
	f.StringVar(&q.examples, "examples", "", "`FOLDER|FILE`: with one sub-folder of pictures a class: classifies by the nearest of them; or what train -tip wrote")
}

// asked says that any of them was given.
func (q *queries) asked() bool {
	return len(q.texts) > 0 || q.similar != "" || q.index != "" || q.examples != ""
}

// check finds flags that do not go together.
func (q *queries) check(o *options) error {
	if err := q.checkTexts(o); err != nil || embedsSentences(o.model) {
		return err
	}
	switch {
	case len(q.templates) > 0 && len(q.texts) == 0:
		return cli.Usagef("-template goes with -text")
	case !q.asked():
		return nil
	case o.input != "" || o.verify || o.profile:
		return cli.Usagef("-text, -similar, -index and -examples go with pictures, not with -input, -verify or -profile")
	case o.eval != "" && (q.examples == "" || len(q.texts) > 0 || q.similar != "" || q.index != ""):
		return cli.Usagef("-eval goes with -examples alone of -text, -similar, -index and -examples")
	case q.similar != "" && len(q.texts) > 0:
		return cli.Usagef("-similar and -text exclude each other")
	case q.similar != "" && len(o.images) != 1:
		return cli.Usagef("-similar takes one picture to compare with: give one -image FILE")
	case q.examples != "" && (len(q.texts) > 0 || q.similar != "" || q.index != ""):
		return cli.Usagef("-examples does not go with -text, -similar or -index")
	case o.attention:
		return cli.Usagef("-attention does not go with -text, -similar, -index or -examples")
	case o.save != "" && q.examples != "":
		return cli.Usagef("-save does not go with -examples")
	case o.save != "" && (q.index != "" || q.similar != ""):
		return cli.Usagef("-save does not go with -index or -similar; the index is a file of embeddings itself")
	}
	return nil
}

// textFamily is the model that makes vectors of texts.
const textFamily = "text"

// checkTexts finds flags that do not go with a model of texts alone, or with others.
func (q *queries) checkTexts(o *options) error {
	if !embedsSentences(o.model) {
		switch {
		case q.textsFile != "":
			return cli.Usagef("-texts goes with a model of texts alone: -model %s", textFamily)
		case q.soundWeights != "" && (!pairs(o.model) || q.index == "" && len(q.texts) == 0 || len(q.texts) > 1 || q.similar != "" || o.save != ""):
			return cli.Usagef("-sound-weights goes with -index or one -text of a model of pictures and texts, such as clip, and without -similar and -save")
		case q.textWeights != "" && (!pairs(o.model) || len(q.texts) == 0 && o.eval == ""):
			return cli.Usagef("-text-weights goes with -text of a model of pictures and texts, such as clip")
		}
		return nil
	}
	for _, name := range []string{"image", "audio", "eval", "similar", "examples", "template", "text-weights", "sound-weights", "labels", "o"} {
		if o.given[name] {
			return cli.Usagef("%s reads texts: -%s does not go with it", o.model, name)
		}
	}
	switch {
	case q.index != "" && len(q.texts) > 1:
		return cli.Usagef("%d texts; an index of texts is searched for one", len(q.texts))
	case q.index != "" && o.save != "":
		return cli.Usagef("-save does not go with -index; the index is a file of embeddings itself")
	}
	if (len(q.texts) > 0 || q.textsFile != "") && (o.input != "" || o.verify || o.profile || o.attention) {
		return cli.Usagef("-text and -texts do not go with -input, -verify, -profile or -attention")
	}
	return nil
}

// pairs says that a model pairs pictures with texts.
func pairs(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Texts && !f.Part && !f.Writes && !f.Sentences
}

// lines says that an index of lines is filled or searched: -documents, or -index and -text
// without a model.
func (o *options) lines() bool {
	return o.documents != "" || o.model == "" && o.index != "" && len(o.texts) > 0 && len(o.compare) == 0
}

// sorted are the flags that were typed.
func sorted(given map[string]bool) []string { return slices.Sorted(maps.Keys(given)) }

// lineFlags are those that go with an index of lines.
var lineFlags = []string{"documents", "index", "weights", "text-weights", "text", "top", "o", "json", "precision", "background", "adapter", "backend", "tuning", "why"}

// checkLines finds flags that do not go with it.
func (o *options) checkLines() error {
	for _, name := range sorted(o.given) {
		if !slices.Contains(lineFlags, name) {
			return cli.Usagef("-%s does not go with -documents, or with -index and -text without a model", name)
		}
	}
	switch {
	case o.index == "":
		return cli.Usagef("-documents needs -index FILE, where the lines go")
	case o.documents == "" && o.weights != "":
		return cli.Usagef("-weights goes with -documents; lines are found with -text-weights")
	case len(o.texts) > 1:
		return cli.Usagef("%d texts; an index of lines is searched for one", len(o.texts))
	case o.out != "" && len(o.texts) == 0:
		return cli.Usagef("-o goes with -text: it draws where the lines that are found stand")
	}
	return nil
}
