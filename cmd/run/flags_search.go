package main

import (
	"errors"
	"flag"
	"strings"

	"saccade/cmd/internal/cli"
)

// queries are the flags that compare pictures: with texts, with a picture, with
// examples.
type queries struct {
	texts     []string
	templates []string
	similar   string
	index     string
	examples  string
}

// placeholder is where a template takes the text.
const placeholder = "{}"

func (q *queries) flags(f *flag.FlagSet) {
	f.Func("text", "`TEXT`: what a picture may show, for clip and siglip; may be repeated. One text and several pictures: ranks them by it; else the probabilities of the texts", func(s string) error {
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
	f.StringVar(&q.examples, "examples", "", "`FOLDER|FILE`: with one sub-folder of pictures a class: classifies by the nearest of them; or what train -tip wrote")
}

// asked says that any of them was given.
func (q *queries) asked() bool {
	return len(q.texts) > 0 || q.similar != "" || q.index != "" || q.examples != ""
}

// check finds flags that do not go together.
func (q *queries) check(o *options) error {
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
