package main

import (
	"errors"
	"flag"
	"math"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/masks"
)

// masking are the flags of masks.
type masking struct {
	points     []models.MaskPoint
	boxes      [][4]float64
	everything bool
	folder     string // of -masks
	rules      masks.Rules
}

// maskingFlags go with a model that gives masks.
var maskingFlags = []string{"point", "box", "everything", "masks", "points-per-side", "least-score", "least-stability", "overlap"}

// everythingFlags go with -everything.
var everythingFlags = []string{"points-per-side", "least-score", "least-stability", "overlap"}

func (k *masking) flags(f *flag.FlagSet) {
	k.rules = masks.Defaults()
	f.Func("point", "`X,Y[,0]`: a point of what is to be masked, in pixels of the picture, with 0 one beside it; may be repeated", func(s string) error {
		v, err := numbers(s)
		if err != nil || len(v) < 2 || len(v) > 3 || len(v) == 3 && v[2] != 0 && v[2] != 1 || !finite(v) {
			return errors.New("expected x,y in pixels, or x,y,0 for a point outside, such as 120,80")
		}
		k.points = append(k.points, models.MaskPoint{X: v[0], Y: v[1], Outside: len(v) == 3 && v[2] == 0})
		return nil
	})
	f.Func("box", "`X0,Y0,X1,Y1`: a box around what is to be masked, in pixels of the picture; may be repeated, each for a mask of its own", func(s string) error {
		v, err := numbers(s)
		if err != nil || len(v) != 4 || !finite(v) {
			return errors.New("expected x0,y0,x1,y1 in pixels, such as 40,30,200,180")
		}
		k.boxes = append(k.boxes, [4]float64(v))
		return nil
	})
	f.BoolVar(&k.everything, "everything", false, "masks of all that is in the picture: of a grid of points those that are sure and stable and that no better one overlaps")
	f.StringVar(&k.folder, "masks", "", "`FOLDER`: writes each mask as a PNG, white on black")
	f.Func("points-per-side", "`N`: of the grid of -everything (default 32)", cli.Whole(&k.rules.PointsPerSide, 1, 512))
	share := func(to func(v float64)) func(string) error {
		return func(s string) error {
			v, err := numbers(s)
			if err != nil || len(v) != 1 || !(v[0] >= 0 && v[0] <= 1) {
				return errors.New("expected a number of 0 to 1")
			}
			to(v[0])
			return nil
		}
	}
	f.Func("least-score", "`0…1`: the score that masks of -everything must be above (default 0.88, of SAM 2 0.8)", share(func(v float64) { k.rules.IoU = float32(v) }))
	f.Func("least-stability", "`0…1`: the stability that masks of -everything must have (default 0.95)", share(func(v float64) { k.rules.Stability = float32(v) }))
	f.Func("overlap", "`0…1`: of -everything: the intersection of boxes over their union from which the worse mask is left out (default 0.7)", share(func(v float64) { k.rules.Overlap = v }))
}

func finite(v []float64) bool {
	for _, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// segments says that a model gives masks of what points and boxes mean.
func segments(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Segments
}

// checkMasking finds flags that do not go together, of a model that gives masks or of
// another.
func (o *options) checkMasking() error {
	if !segments(o.model) {
		for _, name := range maskingFlags {
			if o.given[name] {
				return cli.Usagef("-%s goes with a model that gives masks, such as sam", name)
			}
		}
		return nil
	}
	prompted := len(o.points) > 0 || len(o.boxes) > 0
	for _, name := range everythingFlags {
		if o.given[name] && !o.everything {
			return cli.Usagef("-%s goes with -everything", name)
		}
	}
	switch {
	case o.verify || o.profile:
		return nil
	case o.eval != "" || o.similar != "" || o.index != "" || o.examples != "" || len(o.texts) > 0 || o.attention || o.pca || o.explain != "":
		return cli.Usagef("%s gives masks: -eval, -similar, -index, -examples, -text, -attention, -pca and -explain do not go with it", o.model)
	case o.input != "" && (prompted || o.everything || o.out != "" || o.folder != "" || o.view):
		return cli.Usagef("-input takes tensors in place of -point, -box and -everything, and gives none of -o, -masks and -view")
	case o.view && (prompted || o.everything || o.out != "" || o.folder != "" || o.save != "" || o.json):
		return cli.Usagef("-view takes points and boxes by the mouse: leave out -point, -box, -everything, -o, -masks, -save and -json")
	case o.input == "" && !o.view && !prompted && !o.everything:
		return cli.Usagef("nothing says what to mask: give -point X,Y, -box X0,Y0,X1,Y1, -everything or -view")
	case prompted && o.everything:
		return cli.Usagef("-everything takes a grid of points: leave -point and -box out")
	case len(o.boxes) > 1 && len(o.points) > 0:
		return cli.Usagef("-point goes with one -box, %d are given; several are masked each alone", len(o.boxes))
	case o.everything && o.save != "":
		return cli.Usagef("-save does not go with -everything, whose outputs are those of all points; -json has the masks")
	case o.out != "" && !strings.EqualFold(filepath.Ext(o.out), ".png"):
		return cli.Usagef("pictures are written as PNG: %q should end in .png", o.out)
	}
	return nil
}
