package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/depth"
	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/video"
	"saccade/zoo"
)

// controlling are the flags of ControlNets, in the order in which they were given.
type controlling struct {
	controls []controlFlag
	hints    []string // files
	makers   []string // of what is drawn of each
	depth    string   // the network of the maker of depths
}

// controlFlag is a ControlNet as -control names it.
type controlFlag struct {
	source           string
	weight, from, to float64
}

// hintMakers are what -control-hint may draw of a picture; "none" takes it as it is.
var hintMakers = []string{"none", hintCanny, hintInvert, hintDepth}

const (
	hintCanny  = "canny" // of the picture at the size that is drawn, as ControlNet's authors find them
	hintInvert = "invert"
	hintDepth  = "depth" // by a network of its own
)

func (c *controlling) flags(f *flag.FlagSet) {
	f.Func("control", "`SOURCE[:WEIGHT[:FROM:TO]]`: a ControlNet, a folder or hub id, or edges for the embedded one, its weight (default 1) and the part of the steps in which it counts (default 0:1); may be repeated", func(s string) error {
		k, err := parseControl(s)
		c.controls = append(c.controls, k)
		return err
	})
	f.Func("control-image", "`FILE`: the picture that a ControlNet sees, one for each -control, in order; of a video also a folder or a video (by ffmpeg), of which each frame sees a picture", func(s string) error {
		c.hints = append(c.hints, s)
		return nil
	})
	f.Func("control-hint", "`none|canny|invert|depth`: what is drawn of a -control-image: nothing, its edges, its negative, which makes white lines of black ones, or how near things are, by -depth-weights; one for each, in order (default none)", func(s string) error {
		if !slices.Contains(hintMakers, s) {
			return cli.NoneOf(s, hintMakers)
		}
		c.makers = append(c.makers, s)
		return nil
	})
	f.StringVar(&c.depth, "depth-weights", "", "`SOURCE`: the network of -control-hint depth, one that -model depth takes")
}

// depths says that a maker is that of depths.
func (c *controlling) depths() bool { return slices.Contains(c.makers, hintDepth) }

// parseControl reads SOURCE[:WEIGHT[:FROM:TO]]. Colons whose rest are no numbers are the source's own.
func parseControl(s string) (controlFlag, error) {
	k := controlFlag{source: s, weight: 1, to: 1}
	parts := strings.Split(s, ":")
	for _, n := range []int{3, 1} {
		if len(parts) <= n {
			continue
		}
		var numbers []float64
		for _, text := range parts[len(parts)-n:] {
			if v, err := strconv.ParseFloat(text, 64); err == nil {
				numbers = append(numbers, v)
			}
		}
		if len(numbers) < n {
			continue
		}
		k.source, k.weight = strings.Join(parts[:len(parts)-n], ":"), numbers[0]
		if n == 3 {
			k.from, k.to = numbers[1], numbers[2]
		}
		break
	}
	switch {
	case k.source == "":
		return k, errors.New("expected a folder or hub id")
	case !(k.weight >= 0 && k.weight <= 100):
		return k, fmt.Errorf("a weight of %g; expected 0 to 100", k.weight)
	case !(k.from >= 0 && k.from < k.to && k.to <= 1):
		return k, fmt.Errorf("from %g to %g of the steps; expected parts from 0 to 1, the first less than the second", k.from, k.to)
	}
	return k, nil
}

// checkControls finds what does not go with ControlNets.
func (o *options) checkControls() error {
	c := &o.painting.controlling
	switch n := len(c.controls); {
	case n == 0 && len(c.hints) > 0:
		return cli.Usagef("-control-image is what a ControlNet sees: give -control SOURCE")
	case len(c.hints) != n:
		return cli.Usagef("%d -control-image for %d -control; expected one for each", len(c.hints), n)
	case len(c.makers) > n:
		return cli.Usagef("%d -control-hint for %d -control-image; expected at most one for each", len(c.makers), n)
	case c.depths() != (c.depth != ""):
		return cli.Usagef("-control-hint depth and -depth-weights SOURCE, the network that tells it, go together")
	case n > 0 && o.model == diffusion.Unconditional.Name:
		return cli.Usagef("-control goes with -model %s or %s", diffusion.Family.Name, diffusion.Video.Name)
	case n > 0 && o.forward:
		return cli.Usagef("-control and -forward exclude each other: noise takes the picture without a network")
	}
	return nil
}

// readHints reads the pictures that ControlNets see: of each one, or of a video one for each frame.
func (a *app) readHints(ctx context.Context) ([][]*picture.Image, error) {
	var all [][]*picture.Image
	for i, path := range a.hints {
		some, err := a.readHint(ctx, path)
		if err != nil {
			return nil, err
		}
		for k, m := range some {
			if i < len(a.makers) && a.makers[i] == hintInvert {
				some[k] = negative(m)
			}
		}
		all = append(all, some)
	}
	return all, nil
}

// readHint reads a picture, or the pictures of a folder or a video.
func (a *app) readHint(ctx context.Context, path string) ([]*picture.Image, error) {
	info, err := os.Stat(path)
	folder := err == nil && info.IsDir()
	switch {
	case (folder || video.Is(path)) && !a.moves():
		return nil, cli.Usagef("-control-image %s holds several pictures, of which a video's frames see one each: it goes with -motion", path)
	case folder:
		return a.readFolder(path)
	case video.Is(path):
		return readFrames(ctx, path, a.frames)
	}
	m, err := a.decode(path)
	return []*picture.Image{m}, err
}

// readFolder reads the pictures of a folder.
func (a *app) readFolder(path string) (all []*picture.Image, _ error) {
	files, err := a.findPictures([]string{path})
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		m, err := a.decode(file)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// The thresholds of edges, which ControlNet's authors take.
const cannyLow, cannyHigh = 100, 200

// negative is a picture whose white is black.
func negative(m *picture.Image) *picture.Image {
	out := picture.New(m.W, m.H)
	for i, v := range m.Pix {
		out.Pix[i] = 255 - v
	}
	return out
}

// makeDepths draws how near things are in the pictures that are to be that.
func (w *painter) makeDepths(ctx context.Context, hints [][]*picture.Image) error {
	if !w.depths() {
		return nil
	}
	m, err := w.loadModel(ctx, depth.Family.Name, w.depth, models.Options{Precision: w.precision, Hub: w.hub})
	if err != nil {
		return fmt.Errorf("-depth-weights: %w", err)
	}
	defer m.Close()
	for i, maker := range w.makers {
		if maker != hintDepth {
			continue
		}
		for k := range hints[i] {
			d, err := m.Depths(ctx, hints[i][k:k+1])
			if err != nil {
				return err
			}
			hints[i][k] = d[0].Near()
		}
	}
	return nil
}

// openControls adds the ControlNets to the pipeline.
func (w *painter) openControls(ctx context.Context) error {
	for _, c := range w.controls {
		if err := w.openControl(ctx, c.source); err != nil {
			return err
		}
	}
	return nil
}

// embeddedControl names the ControlNet that comes with the program, where no file has the name.
const embeddedControl = "edges"

func (w *painter) openControl(ctx context.Context, source string) error {
	if _, err := os.Stat(source); source != embeddedControl || err == nil {
		return w.p.OpenControl(ctx, source, w.hub)
	}
	fsys, err := fs.Sub(zoo.Control(), "control")
	if err != nil {
		return err
	}
	return w.p.OpenControlFS(source, fsys)
}

// fillControls puts what the ControlNets see into a request, at its size.
func (w *painter) fillControls(hints [][]*picture.Image, q *diffusion.Request) error {
	for i, c := range w.controls {
		if n := len(hints[i]); n != 1 && n != q.Frames {
			return cli.Usagef("-control-image %s holds %d pictures for %d frames; expected one for each, or one for all", w.hints[i], n, q.Frames)
		}
		control := diffusion.Control{Weight: c.weight, From: c.from, To: c.to}
		for k, hint := range hints[i] {
			m, err := hint.Resize(q.Width, q.Height, picture.Lanczos)
			if err != nil {
				return err
			}
			if k == 0 && hint.W*q.Height != hint.H*q.Width {
				w.note("the picture %s of %dx%d is stretched to %dx%d (width x height)", w.hints[i], hint.W, hint.H, q.Width, q.Height)
			}
			if i < len(w.makers) && w.makers[i] == hintCanny {
				m = picture.Canny(m, cannyLow, cannyHigh)
			}
			control.Hint = append(control.Hint, diffusion.FromHint(m)...)
		}
		q.Controls = append(q.Controls, control)
	}
	return nil
}
