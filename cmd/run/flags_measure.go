package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/nn"
)

// measuring are the flags of models that find and measure what is in pictures.
type measuring struct {
	threshold float64
}

func (m *measuring) flags(f *flag.FlagSet) {
	f.Func("threshold", "`X`: the score that objects have to exceed, 0 to 1 (default the reference's, mostly 0.5)", inRange(&m.threshold, 0, 1))
}

// readsTexts says that the model's family reads texts.
func (o *options) readsTexts() bool {
	f, err := models.FindFamily(o.model)
	return err == nil && f.Texts
}

// purpose is what the model is for, "" if that is told by its outputs.
func (o *options) purpose() nn.Task {
	f, err := models.FindFamily(o.model)
	if err != nil || f.Task == nn.Generate {
		return ""
	}
	return f.Task
}

// checkMeasuring finds flags that do not go together, of a model that measures or of
// another.
func (o *options) checkMeasuring() error {
	task := o.purpose()
	switch {
	case o.given["threshold"] && task != nn.FindObjects:
		return cli.Usagef("-threshold goes with a model that finds objects, such as detect")
	case o.behind != "" && task != nn.CutOut:
		return cli.Usagef("-background %s: a picture goes with a model that cuts out, such as cutout; expected three whole numbers of 0…255 with commas, such as 255,255,255", o.behind)
	case task == "":
		return nil
	case o.eval != "" && task != nn.FindObjects:
		return cli.Usagef("-eval with %s: there is no such figure; it goes with models that find objects, such as detect, and those that classify", o.model)
	case o.similar != "" || o.index != "" || o.examples != "" || o.explain != "" || o.pca || o.attention || o.view || len(o.compare) > 0:
		return cli.Usagef("%s measures what is in pictures: -similar, -index, -examples, -explain, -pca, -attention, -view and -compare do not go with it", o.model)
	case len(o.texts) > 0 && !o.readsTexts():
		return cli.Usagef("%s finds what it was trained to find: -text does not go with it", o.model)
	case len(o.texts) > 0 && len(o.images) == 0:
		return cli.Usagef("-text goes with pictures: give -image FILE")
	case len(o.texts) == 0 && len(o.images) > 0 && o.readsTexts() && !o.verify && !o.profile:
		return cli.Usagef("%s finds what texts name: give -text TEXT, which may be repeated", o.model)
	case len(o.templates) > 0 || o.given["labels"] && o.readsTexts():
		return cli.Usagef("-template and -labels do not go with %s", o.model)
	case o.out != "" && (o.verify || o.profile || len(o.images) == 0):
		return cli.Usagef("-o draws what was found in pictures: give -image, and neither -verify nor -profile")
	}
	return nil
}

// measuredFiles are where -o puts what was found in each picture: itself, or of several
// files in the folder that it names.
func (a *app) measuredFiles() ([]string, error) {
	if a.out == "" {
		return nil, nil
	}
	info, err := os.Stat(a.out)
	folder := err == nil && info.IsDir()
	if len(a.pictures) == 1 && !folder {
		if !strings.EqualFold(filepath.Ext(a.out), ".png") {
			return nil, cli.Usagef("pictures are written as PNG: %q should end in .png", a.out)
		}
		return []string{a.out}, nil
	}
	if !folder {
		return nil, cli.Usagef("-o %s: %d pictures go into a folder, which is to be there", a.out, len(a.pictures))
	}
	files, taken := make([]string, len(a.pictures)), map[string]string{}
	for i, path := range a.pictures {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + ".png"
		if other, twice := taken[name]; twice {
			return nil, cli.Usagef("-o %s: %s and %s would both be drawn into %s; give them one by one", a.out, other, path, name)
		}
		taken[name], files[i] = path, filepath.Join(a.out, name)
		if samePath(files[i], path) {
			return nil, cli.Usagef("-o %s: what is found in %s would be drawn over it; name another folder", a.out, path)
		}
	}
	return files, nil
}

// isFile says that a file of that name can be read.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
