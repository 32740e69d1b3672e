package main

import (
	"errors"
	"flag"
	"path/filepath"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
)

// figures are the flags that draw what models look at.
type figures struct {
	out     string // of -attention, -pca and -compare
	pca     bool
	explain string // where to
	methods []models.Method
	class   string
	compare []compared
}

// compared is a model of -compare.
type compared struct{ model, weights string }

func (g *figures) flags(f *flag.FlagSet) {
	f.StringVar(&g.out, "o", "", "`FILE.png`: the picture that a diffusion model makes (or a folder, or a .gif of frames), that -attention, -pca or -compare draws, or what was found in a picture (of several, a folder)")
	f.BoolVar(&g.pca, "pca", false, "with -o: the first three principal components of the patches' features as colours, of all pictures together")
	f.StringVar(&g.explain, "explain", "", "`FILE.png`: draws where a classifier looks, by all methods that it has, or which word of a prompt drew what")
	f.Func("explain-method", "`LIST`: of rollout, heads (attention), cam (class activation map), occlusion; with commas (default all)", func(s string) error {
		g.methods = nil
		for _, name := range strings.Split(s, ",") {
			m, err := models.ParseMethod(strings.TrimSpace(name))
			if err != nil {
				return err
			}
			if !slices.Contains(g.methods, m) {
				g.methods = append(g.methods, m)
			}
		}
		return nil
	})
	f.StringVar(&g.class, "explain-class", "", "`LABEL|INDEX`: the class to explain (default the best)")
	f.Func("compare", "`MODEL[=WEIGHTS],…`: two or more models beside each other on a picture: classes, heat maps, times, sizes; in place of -model, with -o a picture; of models that make pictures, such as gan=FILE,sd, what they make of the same seeds", func(s string) error {
		g.compare = nil
		for _, part := range strings.Split(s, ",") {
			name, weights, _ := strings.Cut(strings.TrimSpace(part), "=")
			if name == "" {
				return errors.New("expected names of models with commas, such as vit,resnet50=FILE")
			}
			g.compare = append(g.compare, compared{name, weights})
		}
		return nil
	})
}

// drawing says that a figure is asked for, and where it goes; "" with -compare
// may be nowhere.
func (o *options) drawing() (path string, ok bool) {
	if segments(o.model) || o.purpose() != "" || o.model == anomalyFamily { // which draw pictures of their own
		return o.out, false
	}
	if o.explain != "" {
		return o.explain, true
	}
	return o.out, o.out != "" || o.pca || len(o.compare) > 0
}

// check finds flags that do not go together.
func (g *figures) check(o *options) error {
	path, drawing := o.drawing()
	kinds := 0
	for _, given := range []bool{g.pca, g.explain != "", len(g.compare) > 0, o.attention} {
		if given {
			kinds++
		}
	}
	switch {
	case (len(g.methods) > 0 || g.class != "") && g.explain == "" && len(g.compare) == 0:
		return cli.Usagef("-explain-method and -explain-class go with -explain or -compare")
	case o.given["explain"] && g.explain == "":
		return cli.Usagef("-explain needs a name, such as -explain out.png")
	case !drawing:
		return nil
	case kinds > 1:
		return cli.Usagef("-attention, -pca, -explain and -compare exclude each other: each draws a picture of its own")
	case kinds == 0:
		return cli.Usagef("-o goes with -attention, -pca or -compare")
	case g.explain != "" && g.out != "":
		return cli.Usagef("-explain names its picture itself: leave -o out")
	case g.pca && g.out == "":
		return cli.Usagef("-pca needs -o FILE.png, the picture to draw")
	case path != "" && !strings.EqualFold(filepath.Ext(path), ".png"):
		return cli.Usagef("pictures are written as PNG: %q should end in .png", path)
	case len(o.images) == 0 || o.verify || o.profile || o.save != "" || o.asked():
		return cli.Usagef("-attention with -o, -pca, -explain and -compare go with -image, and with none of -input, -eval, -save, -text, -similar, -index, -examples, -verify and -profile")
	}
	return g.checkCompare(o)
}

func (g *figures) checkCompare(o *options) error {
	switch {
	case len(g.compare) == 0:
		return nil
	case len(g.compare) == 1:
		return cli.Usagef("-compare takes two models or more, such as vit,resnet")
	case o.model != "" || o.weights != "":
		return cli.Usagef("-compare names the models itself: vit=FOLDER,resnet50=FILE in place of -model and -weights")
	case slices.Contains(g.methods, models.Heads):
		return cli.Usagef("-compare draws one map a model: -explain-method rollout, cam or occlusion, the first that a model has")
	}
	for _, c := range g.compare {
		if !slices.Contains(models.Names(), c.model) {
			return &models.UnknownModelError{Name: c.model, Nearest: models.Nearest(c.model, models.Names())}
		}
	}
	return nil
}
