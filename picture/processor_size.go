package picture

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size returns the height and width after the resize of a picture of w×h pixels,
// at least one pixel each.
func (r ResizeRule) size(w, h int) (outH, outW int) {
	switch r.Mode {
	case Exact:
		return r.H, r.W
	case Shortest:
		if w <= h {
			return r.H * h / w, r.H
		}
		return r.H, r.H * w / h
	case Longest:
		scale := float64(r.H) / float64(max(h, w))
		return max(1, int(float64(h)*scale+0.5)), max(1, int(float64(w)*scale+0.5))
	case Cover, Fit:
		// As timm's ResizeKeepRatio: by the ratio of the sides, half to even.
		rh, rw := float64(h)/float64(r.H), float64(w)/float64(r.W)
		ratio := min(rh, rw)
		if r.Mode == Fit {
			ratio = max(rh, rw)
		}
		outH, outW = int(math.RoundToEven(float64(h)/ratio)), int(math.RoundToEven(float64(w)/ratio))
		return max(outH, 1), max(outW, 1)
	case Bounded:
		return r.bounded(w, h)
	case Within:
		scale := min(float64(r.H)/float64(h), float64(r.W)/float64(w))
		return max(int(float64(h)*scale), 1), max(int(float64(w)*scale), 1)
	case Closest:
		scale, across := float64(r.H)/float64(h), float64(r.W)/float64(w)
		if math.Abs(1-across) < math.Abs(1-scale) {
			scale = across
		}
		return r.multiple(scale * float64(h)), r.multiple(scale * float64(w))
	}
	return h, w
}

// bounded is the size by transformers' get_size_with_aspect_ratio.
func (r ResizeRule) bounded(w, h int) (outH, outW int) {
	short, long := float64(min(h, w)), float64(max(h, w))
	edge, raw := r.H, float64(r.H)
	if long/short*float64(r.H) > float64(r.W) {
		raw = float64(r.W) * short / long
		edge = int(math.RoundToEven(raw))
	}
	outH, outW = edge, edge
	switch {
	case w < h:
		outH = int(raw * float64(h) / float64(w))
	case h != edge:
		outW = int(raw * float64(w) / float64(h))
	default:
		outH, outW = h, w
	}
	if m := r.Multiple; m > 1 {
		outH, outW = outH-outH%m, outW-outW%m
	}
	return max(outH, 1), max(outW, 1)
}

// multiple is a side to the nearest multiple, at least one.
func (r ResizeRule) multiple(side float64) int {
	m := float64(max(r.Multiple, 1))
	return int(max(math.RoundToEven(side/m), 1) * m)
}

// keepsRatio says that sizes follow from pictures' own.
func (m ResizeMode) keepsRatio() bool { return m == Bounded || m == Within || m == Closest }

// Override is what a user may say against a processor, as typed; empty fields
// change nothing.
type Override struct {
	Size string    // "224", or "192x256" as height×width, pixels
	Crop string    // a fraction in (0, 1], or pixels as in Size
	Mean []float64 // one or three numbers, 0..1
	Std  []float64 // one or three numbers, 0..1
}

// Override changes the processor.
//
//   - Size alone is the size of the network's input; a processor that resizes to
//     more than it keeps (256 → 224) goes on doing so in proportion.
//   - Crop as a fraction (0.875) keeps the input's size and resizes to
//     floor(size/fraction) before the crop, as timm's crop_pct does.
//   - Crop in pixels is the input's size; Size is then that of the resize before.
func (p *Processor) Override(o Override) error {
	if o.Size != "" || o.Crop != "" {
		if err := p.overrideSize(o); err != nil {
			return err
		}
	}
	for _, v := range []struct {
		name   string
		given  []float64
		target *[3]float64
	}{{"mean", o.Mean, &p.Mean}, {"standard deviation", o.Std, &p.Std}} {
		if len(v.given) == 0 {
			continue
		}
		three, err := triple(v.given)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		*v.target = three
	}
	if !p.Normalize && len(o.Mean)+len(o.Std) > 0 {
		p.Normalize = true
		if len(o.Std) == 0 {
			p.Std = [3]float64{1, 1, 1}
		}
		if len(o.Mean) == 0 {
			p.Mean = [3]float64{}
		}
	}
	return p.Check()
}

func (p *Processor) overrideSize(o Override) error {
	h, w, fixed := p.FixedSize()
	if p.Resize.Mode.keepsRatio() && o.Crop != "" {
		return fmt.Errorf("crop %q: this processor keeps whole pictures; give none", o.Crop)
	}
	if o.Size != "" {
		var err error
		if h, w, err = ParseSize(o.Size); err != nil {
			return err
		}
	} else if !fixed {
		return fmt.Errorf("crop %q: this processor keeps pictures of all sizes; give a size too", o.Crop)
	}
	if o.Crop == "" {
		p.keepRule(h, w)
		return nil
	}
	if fraction, err := strconv.ParseFloat(o.Crop, 64); err == nil && fraction > 0 && fraction <= 1 {
		p.scaleTo(h, w, func(n int) int { return int(math.Floor(float64(n) / fraction)) })
		return nil
	}
	cropH, cropW, err := ParseSize(o.Crop)
	if err != nil {
		return fmt.Errorf("crop %q: expected a fraction in (0, 1] or pixels as N or HxW", o.Crop)
	}
	if o.Size != "" {
		p.setResize(h, w)
	}
	p.Crop.H, p.Crop.W = cropH, cropW
	return nil
}

// keepRule makes the network's input h×w by the processor's own rule. One that keeps the
// pictures' proportions goes on doing so for one number, and stretches for two.
func (p *Processor) keepRule(h, w int) {
	resized, kept := p.Resize.H, p.Crop.H
	switch {
	case p.Resize.Mode == Longest:
		side := max(h, w)
		p.Resize.H, p.Resize.W, p.Pad = side, side, PadRule{H: h, W: w}
	case p.Resize.Mode.keepsRatio() && h == w:
		p.Resize.H, p.Resize.W = h, p.Resize.W*h/p.Resize.H
	case p.Resize.Mode.keepsRatio():
		p.Resize.Mode, p.Resize.H, p.Resize.W = Exact, h, w
	case p.WarpFrom > 0 && h >= p.WarpFrom:
		p.Resize.Mode, p.Resize.H, p.Resize.W = Exact, h, w
		p.Crop.H, p.Crop.W = 0, 0
	case p.WarpFrom > 0:
		p.Resize.Mode = Shortest
		p.scaleTo(h, w, func(n int) int { return int(float64(n) / p.CropPct) })
	case p.Resize.Mode == NoResize || kept == 0 || resized < kept:
		p.scaleTo(h, w, func(n int) int { return n })
	default:
		p.scaleTo(h, w, func(n int) int { return n * resized / kept })
	}
}

// scaleTo makes the network's input h×w, the middle of a picture resized to
// grow(h)×grow(w).
func (p *Processor) scaleTo(h, w int, grow func(int) int) {
	p.setResize(grow(h), grow(w))
	if p.Resize.Mode == Exact && p.Resize.H == h && p.Resize.W == w {
		p.Crop.H, p.Crop.W = 0, 0
	} else {
		p.Crop.H, p.Crop.W = h, w
	}
}

// setResize sets the resize step's size in a mode that can have it.
func (p *Processor) setResize(h, w int) {
	switch {
	case p.Resize.Mode == NoResize:
		p.Resize.Mode, p.Resize.Filter = Exact, Bilinear
	case p.Resize.Mode == Shortest && h != w:
		p.Resize.Mode = Cover
	case p.Resize.Mode == Cover && h == w:
		p.Resize.Mode = Shortest
	}
	p.Resize.H, p.Resize.W = h, w
}

// ParseSize reads "224" or "192x256" (height×width), in pixels.
func ParseSize(s string) (h, w int, err error) {
	first, second, two := strings.Cut(strings.ToLower(strings.ReplaceAll(s, "×", "x")), "x")
	if !two {
		second = first
	}
	h, errH := strconv.Atoi(strings.TrimSpace(first))
	w, errW := strconv.Atoi(strings.TrimSpace(second))
	if errH != nil || errW != nil || !sensible(h, w) {
		return 0, 0, fmt.Errorf("size %q: expected N or HxW (height×width) of 1 to %d pixels", s, DefaultMaxSide)
	}
	return h, w, nil
}

// triple spreads one number over R, G, B, or takes three.
func triple(v []float64) ([3]float64, error) {
	for _, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return [3]float64{}, errors.New("holds a number that is not finite")
		}
	}
	switch len(v) {
	case 1:
		return [3]float64{v[0], v[0], v[0]}, nil
	case 3:
		return [3]float64(v), nil
	}
	return [3]float64{}, fmt.Errorf("%d numbers; expected one, or three for R, G, B", len(v))
}
