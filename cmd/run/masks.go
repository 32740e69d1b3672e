package main

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/live"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
)

// maskJSON is a mask.
type maskJSON struct {
	Score     float64     `json:"score"`
	Stability *float64    `json:"stability,omitempty"` // of -everything
	Area      int         `json:"area"`
	Box       [4]float64  `json:"box"`
	Prompt    int         `json:"prompt"` // the number of the box that it is of; 0 is the first
	Point     *[2]float64 `json:"point,omitempty"`
	File      string      `json:"file,omitempty"` // with -masks
	RLE       rleJSON     `json:"rle"`
}

// rleJSON is a mask as COCO has it.
type rleJSON struct {
	Size   [2]int `json:"size"` // height and width
	Counts string `json:"counts"`
}

type maskedJSON struct {
	Path    string       `json:"path"`
	Masks   []maskJSON   `json:"masks"`
	Written *writtenJSON `json:"written,omitempty"`
}

type maskingJSON struct {
	head
	Images []maskedJSON `json:"images"`
	Errors []pathError  `json:"errors,omitempty"`
	MS     timesJSON    `json:"ms"`
}

// cutter is one call that gives masks.
type cutter struct {
	pass
	doc   maskingJSON
	saved *saver
}

// maskPictures gives the masks of pictures, or of raw inputs.
func (a *app) maskPictures(ctx context.Context, m *models.Model) error {
	c := &cutter{pass: pass{app: a, m: m, bar: a.progress()}, saved: newSaver()}
	c.doc.head, c.doc.Images = a.head(m), []maskedJSON{}
	switch {
	case a.raw != nil:
		return c.saveRaw(ctx)
	case a.view:
		s, err := live.NewMasks(ctx, m, a.pictures, live.MaskOptions{Open: a.decode, Save: saveCutout})
		if err != nil {
			return err
		}
		defer s.Close()
		return viewer.New(s, viewer.Options{Smooth: true}).Run(ctx, a.dev)
	}
	if len(a.pictures) > 1 && a.out != "" {
		return cli.Usagef("-o is one picture and -image gives %d; give one", len(a.pictures))
	}
	if a.folder != "" {
		if err := os.MkdirAll(a.folder, 0o777); err != nil {
			return fmt.Errorf("folder %s: %w", a.folder, reason(err))
		}
	}
	for _, path := range a.pictures {
		img, err := a.decode(path)
		if err == nil {
			err = c.mask(ctx, path, img)
		}
		if err == nil {
			continue
		}
		if err := c.bad(path, err, len(a.pictures) == 1); err != nil {
			return err
		}
	}
	c.bar.clear()
	if a.save != "" && len(c.saved.paths) > 0 {
		if err := c.saved.write(a.save); err != nil {
			return err
		}
	}
	compile := m.WriteCompile()
	c.forward -= compile
	c.doc.Errors, c.doc.MS = c.errors, timesJSON{milliseconds(m.LoadTime), milliseconds(compile), milliseconds(c.forward)}
	return c.conclude(&c.doc, func() {}, len(a.pictures))
}

// mask gives the masks of a picture.
func (c *cutter) mask(ctx context.Context, path string, img *picture.Image) error {
	began := time.Now()
	e, err := c.m.EncodePicture(ctx, img)
	if err != nil {
		return err
	}
	x := maskedJSON{Path: path}
	var found []models.Mask
	if c.everything {
		rules := c.rules
		if !c.given["least-score"] {
			rules.IoU = c.m.MaskRules().IoU
		}
		if found, err = e.Everything(ctx, rules, c.bar.points); err != nil {
			return err
		}
		x.Masks = append([]maskJSON{}, described(found, 0)...)
	}
	for i, p := range c.asked() {
		out, err := e.Forward(ctx, p)
		if err != nil {
			return err
		}
		some, err := e.Read(out)
		if err != nil {
			return err
		}
		if err := c.keep(path, e, out); err != nil {
			return err
		}
		found = append(found, some...)
		x.Masks = append(x.Masks, described(some, i)...)
	}
	c.forward += time.Since(began)
	if err := c.writeMasks(&x, found); err != nil {
		return err
	}
	if c.out != "" {
		if err := picture.WritePNG(c.out, c.overlay(img, x.Masks, found)); err != nil {
			return err
		}
		x.Written = &writtenJSON{c.out, img.W, img.H}
	}
	c.doc.Images = append(c.doc.Images, x)
	c.print(x)
	return c.stdout.w.Flush()
}

// asked are the prompts of the flags: points with the box, or each of several boxes.
func (c *cutter) asked() (all []models.MaskPrompt) {
	if len(c.points) > 0 {
		all = append(all, models.MaskPrompt{Points: c.points})
	}
	for i := range c.boxes {
		if i == len(all) {
			all = append(all, models.MaskPrompt{})
		}
		all[i].Box = &c.boxes[i]
	}
	return all
}

// described are masks of a prompt.
func described(found []models.Mask, prompt int) (all []maskJSON) {
	for _, m := range found {
		x := maskJSON{Score: m.Score, Area: m.Area(), Prompt: prompt, RLE: rleJSON{[2]int{m.Height, m.Width}, m.Counts()},
			Box: [4]float64{float64(m.Box.Min.X), float64(m.Box.Min.Y), float64(m.Box.Max.X), float64(m.Box.Max.Y)}}
		if m.Stability > 0 {
			x.Stability, x.Point = &m.Stability, &m.Point
		}
		all = append(all, x)
	}
	return all
}

// keep gathers the outputs of a prompt for -save.
func (c *cutter) keep(path string, e *models.Encoded, out map[string]models.Array) error {
	if c.save == "" {
		return nil
	}
	all := map[string]models.Array{}
	for _, of := range []map[string]models.Array{e.Maps(), out} {
		for name, a := range of {
			all[name] = a
		}
	}
	return c.saved.add(path, all)
}

// writeMasks writes each mask with -masks, named after the picture.
func (c *cutter) writeMasks(x *maskedJSON, found []models.Mask) error {
	if c.folder == "" {
		return nil
	}
	name := strings.TrimSuffix(filepath.Base(x.Path), filepath.Ext(x.Path))
	for i, m := range found {
		file := filepath.Join(c.folder, fmt.Sprintf("%s_%03d.png", name, i))
		if err := picture.WriteMask(file, m.Width, m.Height, m.Mask().On); err != nil {
			return err
		}
		x.Masks[i].File = file
	}
	return nil
}

// overlay is the picture with the best mask of each prompt, or with everything: the larger
// below the smaller.
func (c *cutter) overlay(img *picture.Image, described []maskJSON, found []models.Mask) *picture.Image {
	var o figure.Overlay
	if c.everything {
		larger := slices.SortedFunc(slices.Values(found), func(a, b models.Mask) int { return b.Area() - a.Area() })
		for _, m := range larger {
			o.Masks = append(o.Masks, m.Mask().On)
		}
		return o.Draw(img)
	}
	for i, m := range found {
		if i == 0 || described[i].Prompt != described[i-1].Prompt {
			o.Masks = append(o.Masks, m.Mask().On)
		}
	}
	for _, p := range c.points {
		o.Points = append(o.Points, figure.Mark{At: image.Pt(int(p.X), int(p.Y)), Outside: p.Outside})
	}
	for _, b := range c.boxes {
		o.Boxes = append(o.Boxes, image.Rect(int(b[0]), int(b[1]), int(b[2]), int(b[3])))
	}
	return o.Draw(img)
}

// print lists the masks of a picture.
func (c *cutter) print(x maskedJSON) {
	if c.json {
		return
	}
	c.bar.clear()
	c.stdout.printf("%s: %s\n", x.Path, cli.Count(len(x.Masks), "mask"))
	if len(x.Masks) == 0 {
		c.stdout.printf("  none is as sure and as stable as -least-score and -least-stability ask for; lower ones show more\n")
	}
	for _, m := range x.Masks {
		line := fmt.Sprintf("  score %.3f  %d pixels  box %g,%g,%g,%g", m.Score, m.Area, m.Box[0], m.Box[1], m.Box[2], m.Box[3])
		if m.File != "" {
			line += "  " + m.File
		}
		c.stdout.printf("%s\n", line)
	}
	if x.Written != nil {
		x.Written.print(c.stdout)
	}
}

// saveCutout writes what a mask cuts out of a picture, its surroundings transparent, to a
// new file in the folder that the program runs in.
func saveCutout(path string, img *picture.Image, m models.Mask) (string, error) {
	alpha := make([]uint8, img.W*img.H)
	for i, on := range m.Mask().On {
		if on {
			alpha[i] = 255
		}
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	file := freeName(name + "_cutout")
	return file, picture.WriteCutout(file, img, alpha)
}

// freeName is the name of a PNG that is not there yet: what it begins with, and a number.
func freeName(begin string) string {
	for i := 1; ; i++ {
		file := fmt.Sprintf("%s_%d.png", begin, i)
		if _, err := os.Lstat(file); err != nil {
			return file
		}
	}
}
