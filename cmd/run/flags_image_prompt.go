package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models/diffusion"
	"saccade/picture"
)

// showing are the flags of IP-Adapters, in the order in which they were given.
type showing struct {
	ipAdapters []ipFlag
	ipImages   []string // files
	tower      string   // the image tower, "" for that beside the first adapter
}

// ipFlag is an IP-Adapter as -ip-adapter names it.
type ipFlag struct {
	source string
	weight float64
}

func (s *showing) flags(f *flag.FlagSet) {
	f.Func("ip-adapter", "`SOURCE[:WEIGHT]`: an IP-Adapter, plain or plus, by which the drawing follows an image, a file, and its weight (default 1); may be repeated", func(text string) error {
		a, err := parseIPAdapter(text)
		s.ipAdapters = append(s.ipAdapters, a)
		return err
	})
	f.Func("ip-image", "`FILE`: the image that an IP-Adapter shows, one for each -ip-adapter, in order", func(text string) error {
		s.ipImages = append(s.ipImages, text)
		return nil
	})
	f.StringVar(&s.tower, "image-encoder", "", "`SOURCE`: the image tower that IP-Adapters see by, a folder or hub id (default the folder image_encoder beside the file)")
}

// parseIPAdapter reads SOURCE[:WEIGHT]. A colon whose rest is no number is the source's own.
func parseIPAdapter(s string) (ipFlag, error) {
	a := ipFlag{source: s, weight: 1}
	if i := strings.LastIndex(s, ":"); i > 0 {
		if v, err := strconv.ParseFloat(s[i+1:], 64); err == nil {
			a.source, a.weight = s[:i], v
		}
	}
	switch {
	case a.source == "":
		return a, errors.New("expected a file")
	case !(a.weight >= 0 && a.weight <= 100):
		return a, fmt.Errorf("a weight of %g; expected 0 to 100", a.weight)
	}
	return a, nil
}

// checkShowing finds what does not go with IP-Adapters.
func (o *options) checkShowing() error {
	s := &o.painting.showing
	switch n := len(s.ipAdapters); {
	case n == 0 && (len(s.ipImages) > 0 || s.tower != ""):
		return cli.Usagef("-ip-image and -image-encoder are of IP-Adapters: give -ip-adapter FILE")
	case len(s.ipImages) != n:
		return cli.Usagef("%d -ip-image for %d -ip-adapter; expected one for each", len(s.ipImages), n)
	case n > 0 && o.model == diffusion.Unconditional.Name:
		return cli.Usagef("-ip-adapter goes with -model %s", diffusion.Family.Name)
	case n > 0 && (o.forward || o.refinerSource != ""):
		return cli.Usagef("-ip-adapter does not go with -forward and -refiner")
	}
	return nil
}

// readShown reads the images that IP-Adapters show.
func (a *app) readShown() ([]*picture.Image, error) {
	var all []*picture.Image
	for _, path := range a.ipImages {
		m, err := a.decode(path)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// openIPAdapters adds the IP-Adapters to the pipeline.
func (w *painter) openIPAdapters(ctx context.Context) error {
	for i, a := range w.ipAdapters {
		tower := ""
		if i == 0 {
			tower = w.tower
		}
		if err := w.p.OpenIPAdapter(ctx, a.source, a.weight, tower, w.hub); err != nil {
			return err
		}
	}
	return nil
}

// fillShown puts what the IP-Adapters show into a request.
func (w *painter) fillShown(images []*picture.Image, q *diffusion.Request) error {
	for _, m := range images {
		x, err := w.p.ToImagePrompt(m)
		if err != nil {
			return err
		}
		q.ImagePrompts = append(q.ImagePrompts, x)
	}
	return nil
}
