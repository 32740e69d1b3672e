package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models/anomaly"
	"saccade/picture"
)

// The folders of -eval that are not kinds of what is wrong.
const (
	goodFolder  = "good"
	masksFolder = "masks"
)

// areasJSON is the document of -eval.
type areasJSON struct {
	AUROC      float64  `json:"auroc"`
	PixelAUROC *float64 `json:"pixel_auroc,omitempty"`
	// Of pictures alone and of readings alone, where AUROC is of both.
	Pictures *float64    `json:"pictures_auroc,omitempty"`
	Sensors  *float64    `json:"sensors_auroc,omitempty"`
	Images   int         `json:"images"`
	Errors   []pathError `json:"errors,omitempty"`
}

// areas gathers the scores of pictures and of their pixels.
type areas struct {
	scores, pixels  []float32
	alone, readings []float32 // scores of pictures and of readings alone
	bad, badPixels  []bool
	folder          string // of masks, "" where there are none
	missed, alarmed int    // pictures on the wrong side of the threshold
}

// evaluate scores a folder with a sub-folder of good pictures, others of bad ones, and
// masks of what is wrong in these.
func (c *likeness) evaluate(ctx context.Context) error {
	classes, folder, err := c.kinds()
	if err != nil {
		return fmt.Errorf("folder %s: %w", c.eval, err)
	}
	e := &areas{folder: folder}
	total := 0
	for _, k := range classes {
		total += len(k.Paths)
	}
	for _, k := range classes {
		for _, path := range k.Paths {
			c.bar.pictures(len(e.scores)+len(c.errors), total)
			err := c.measureOne(ctx, e, k.Name, path)
			if bad, ok := err.(unreadable); ok {
				err = c.bad(path, bad.error, false)
			}
			if err != nil {
				return err
			}
		}
	}
	c.bar.clear()
	return c.tellAreas(e)
}

// kinds are the sub-folders of pictures, and the folder of masks, "" where there is none.
func (c *likeness) kinds() (classes []class, folder string, err error) {
	if info, err := os.Stat(filepath.Join(c.eval, masksFolder)); err == nil && info.IsDir() {
		folder = filepath.Join(c.eval, masksFolder)
	}
	classes = slices.DeleteFunc(c.classes, func(k class) bool { return k.Name == masksFolder })
	if !slices.ContainsFunc(classes, func(k class) bool { return k.Name == goodFolder }) || len(classes) < 2 {
		return nil, "", fmt.Errorf("expected a sub-folder %s and others of pictures with something wrong", goodFolder)
	}
	return classes, folder, nil
}

// measureOne scores a picture of a kind.
func (c *likeness) measureOne(ctx context.Context, e *areas, kind, path string) error {
	p, s, err := c.patches(ctx, path)
	if err != nil {
		return err
	}
	wrong := make([]bool, s.H*s.W)
	if bad := kind != goodFolder; bad && e.folder != "" {
		if wrong, err = c.mask(e.folder, kind, path, s.H, s.W); err != nil {
			return err
		}
	}
	found, err := c.detector.Score(ctx, p)
	if err != nil {
		return err
	}
	u := unlikeJSON{Path: path, Score: found.Score, Threshold: c.detector.Threshold}
	if err := c.fuseScore(&u); err != nil {
		return err
	}
	if u.Readings != nil {
		e.alone, e.readings = append(e.alone, float32(u.Picture.Score)), append(e.readings, float32(u.Readings.Score))
	}
	e.add(u, found, kind != goodFolder, wrong)
	return nil
}

// add counts a picture.
func (e *areas) add(u unlikeJSON, found anomaly.Found, bad bool, wrong []bool) {
	e.scores, e.bad = append(e.scores, float32(u.Score)), append(e.bad, bad)
	if e.folder != "" {
		e.pixels, e.badPixels = append(e.pixels, found.Heat...), append(e.badPixels, wrong...)
	}
	switch anomalous := u.Score > u.Threshold; {
	case bad && !anomalous:
		e.missed++
	case !bad && anomalous:
		e.alarmed++
	}
}

// mask is where something is wrong in a picture, at the pixels that the network sees: white
// in a picture of the same name, or with _mask behind it, in the kind's folder of masks.
func (c *likeness) mask(folder, kind, path string, h, w int) ([]bool, error) {
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	var img *picture.Image
	var err error
	file := ""
	for _, name := range []string{stem + ".png", stem + "_mask.png"} {
		file = filepath.Join(folder, kind, name)
		if img, err = picture.Open(file, picture.DecodeOptions{}); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mask of %s: %w", path, err)
	}
	of, err := c.decode(path)
	if err != nil {
		return nil, unreadable{err}
	}
	if of.W != img.W || of.H != img.H {
		return nil, fmt.Errorf("mask %s: it is of %d×%d pixels, and %s of %d×%d", file, img.W, img.H, path, of.W, of.H)
	}
	p := *c.m.Processor
	p.Rescale, p.Offset, p.Normalize, p.IncludeTop = 1.0/255, 0, false, false
	pixels, gotH, gotW, err := p.Apply(img)
	if err != nil {
		return nil, fmt.Errorf("mask %s: %w", file, err)
	}
	if gotH != h || gotW != w {
		return nil, fmt.Errorf("mask %s: it comes to %d×%d pixels, and its picture to %d×%d", file, gotW, gotH, w, h)
	}
	wrong := make([]bool, h*w)
	for i := range wrong {
		wrong[i] = pixels[i] >= 0.5
	}
	return wrong, nil
}

// tellAreas prints the areas under the curves.
func (c *likeness) tellAreas(e *areas) error {
	doc := areasJSON{Images: len(e.scores), Errors: c.errors}
	var err error
	if doc.AUROC, err = anomaly.AUROC(e.scores, e.bad); err != nil {
		return fmt.Errorf("folder %s: %w", c.eval, err)
	}
	if e.folder != "" {
		area, err := anomaly.AUROC(e.pixels, e.badPixels)
		if err != nil {
			return fmt.Errorf("folder %s: %w", e.folder, err)
		}
		doc.PixelAUROC = &area
	}
	for _, x := range []struct {
		into   **float64
		scores []float32
	}{{&doc.Pictures, e.alone}, {&doc.Sensors, e.readings}} {
		if len(x.scores) == 0 {
			continue
		}
		area, err := anomaly.AUROC(x.scores, e.bad)
		if err != nil {
			return fmt.Errorf("folder %s: %w", c.eval, err)
		}
		*x.into = &area
	}
	return c.conclude(&doc, func() {
		c.stdout.printf("area under the curve %.2f %%\n", 100*doc.AUROC)
		if doc.Sensors != nil {
			c.stdout.printf("of pictures alone    %.2f %%\nof readings alone    %.2f %%\n", 100**doc.Pictures, 100**doc.Sensors)
		}
		if doc.PixelAUROC != nil {
			c.stdout.printf("of pixels            %.2f %%\n", 100**doc.PixelAUROC)
		}
		c.stdout.printf("%s; by the threshold %d wrong that are good, %d good that are wrong\n", cli.Count(doc.Images, "picture"), e.alarmed, e.missed)
	}, doc.Images)
}
