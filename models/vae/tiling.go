package vae

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Tiling cuts a map into tiles that overlap, so that a picture of any size takes
// the memory of one tile: diffusers' enable_tiling. Each tile has norms and
// attention of its own, so that the result is not that of the whole map.
type Tiling struct {
	Latent  int     // a tile's side, in latents; what is left at the end may be smaller
	Overlap float64 // the part of its side that a tile has in common with the next, 0 to below 1, whole latents of it
	// Over has tiles laid over each other one by one, as AutoencoderTiny does.
	// AutoencoderKL blends each with what is above it, then with what is left of it.
	Over bool
}

// Tiling is diffusers' default: tiles as large as the pictures of the training,
// of which a quarter overlaps.
func (c Config) Tiling() Tiling {
	return Tiling{Latent: max(1, c.Size[0]/c.Reduction()), Overlap: 0.25}
}

// Tiling is diffusers' default: tiles of 512 pixels, of which an eighth overlaps.
func (c TinyConfig) Tiling() Tiling {
	return Tiling{Latent: max(1, 512/c.Reduction()), Overlap: 0.125, Over: true}
}

// Tile is a tile's place in a map of latents.
type Tile struct{ Y, X, H, W int }

// Tiles is a map of latents [H, W] in tiles.
type Tiles struct {
	H, W int
	All  []Tile // row after row

	columns       int
	step, overlap int // latents from tile to tile, and in common
	over          bool
}

// Plan cuts a map of latents.
func (t Tiling) Plan(h, w int) (*Tiles, error) {
	switch {
	case h < 1 || w < 1:
		return nil, fmt.Errorf("tiles: latents of %dx%d (height x width) are none", h, w)
	case t.Latent < 1 || !(t.Overlap >= 0 && t.Overlap < 1):
		return nil, fmt.Errorf("tiles: found tiles of %d latents that overlap by %g, expected one latent or more and an overlap from 0 to below 1", t.Latent, t.Overlap)
	}
	p := &Tiles{H: h, W: w, over: t.Over, overlap: int(float64(t.Latent) * t.Overlap)}
	p.step = t.Latent - p.overlap
	if h <= t.Latent && w <= t.Latent {
		p.All, p.columns, p.step = []Tile{{H: h, W: w}}, 1, t.Latent // of which nothing is cut off
		return p, nil
	}
	for y := 0; y < h; y += p.step {
		p.columns = 0
		for x := 0; x < w; x += p.step {
			p.All = append(p.All, Tile{Y: y, X: x, H: min(t.Latent, h-y), W: min(t.Latent, w-x)})
			p.columns++
		}
	}
	return p, nil
}

// Planes are those of a map, such as the channels of a batch, each of [H·Unit,
// W·Unit] for latents [H, W].
type Planes struct {
	N    int
	Unit int // values of a latent's side
}

// Run puts a map x through a network tile by tile: tile is given each as it is cut
// out of the planes in, with its place, and what it returns is blended to the
// planes out. Tiles of one shape follow each other, so that one program at a time
// is enough.
func (p *Tiles) Run(x []float32, in, out Planes, tile func(t Tile, x []float32) ([]float32, error)) ([]float32, error) {
	if want := in.N * p.H * p.W * in.Unit * in.Unit; len(x) != want {
		return nil, fmt.Errorf("tiles: the map has %d values, expected %d", len(x), want)
	}
	parts := make([][]float32, len(p.All))
	for _, i := range p.byShape() {
		y, err := tile(p.All[i], p.cut(x, in.N, in.Unit, p.All[i]))
		if err != nil && len(p.All) > 1 {
			err = fmt.Errorf("tile %d of %d: %w", i+1, len(p.All), err)
		}
		if err != nil {
			return nil, err
		}
		parts[i] = y
	}
	return p.join(parts, out.N, out.Unit)
}

// byShape is the tiles' indices, one shape after the other.
func (p *Tiles) byShape() []int {
	order := make([]int, len(p.All))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := p.All[i], p.All[j]
		return cmp.Or(b.H-a.H, b.W-a.W)
	})
	return order
}

// cut takes a tile out of x, planes [H·unit, W·unit].
func (p *Tiles) cut(x []float32, planes, unit int, t Tile) []float32 {
	height, width := p.H*unit, p.W*unit
	out := make([]float32, 0, planes*t.H*t.W*unit*unit)
	for c := range planes {
		for y := t.Y * unit; y < (t.Y+t.H)*unit; y++ {
			at := (c*height+y)*width + t.X*unit
			out = append(out, x[at:at+t.W*unit]...)
		}
	}
	return out
}

// join blends the results of all tiles, planes [tile.H·unit, tile.W·unit] each, to
// planes [H·unit, W·unit]. It changes them.
func (p *Tiles) join(parts [][]float32, planes, unit int) ([]float32, error) {
	for i, t := range p.All {
		if want := planes * t.H * t.W * unit * unit; len(parts[i]) != want {
			return nil, fmt.Errorf("tiles: the result of tile %d of %d has %d values, expected %d", i+1, len(p.All), len(parts[i]), want)
		}
	}
	out := make([]float32, planes*p.H*p.W*unit*unit)
	for i, t := range p.All {
		if p.over {
			p.layOver(out, parts[i], planes, unit, t)
			continue
		}
		if i >= p.columns {
			p.blend(parts[i-p.columns], parts[i], planes, unit, p.All[i-p.columns], t, true)
		}
		if i%p.columns > 0 {
			p.blend(parts[i-1], parts[i], planes, unit, p.All[i-1], t, false)
		}
		p.place(out, parts[i], planes, unit, t)
	}
	return out, nil
}

// blend has b begin with the end of a, the tile above b if down, else left of it.
func (p *Tiles) blend(a, b []float32, planes, unit int, from, to Tile, down bool) {
	lengthA, lengthB, across := from.W*unit, to.W*unit, to.H*unit
	if down {
		lengthA, lengthB, across = from.H*unit, to.H*unit, to.W*unit
	}
	extent := min(lengthA, lengthB, p.overlap*unit)
	at := func(length, plane, along, other int) int {
		if down {
			return (plane*length+along)*across + other
		}
		return (plane*across+other)*length + along
	}
	for c := range planes {
		for along := range extent {
			share := float32(along) / float32(extent)
			for other := range across {
				end := a[at(lengthA, c, lengthA-extent+along, other)]
				v := &b[at(lengthB, c, along, other)]
				*v = end*(1-share) + *v*share
			}
		}
	}
}

// place copies what of a tile no later one has.
func (p *Tiles) place(out, part []float32, planes, unit int, t Tile) {
	width := min(t.W, p.step) * unit
	for c := range planes {
		for y := range min(t.H, p.step) * unit {
			to := ((c*p.H+t.Y)*unit+y)*p.W*unit + t.X*unit
			from := (c*t.H*unit + y) * t.W * unit
			copy(out[to:to+width], part[from:from+width])
		}
	}
}

// layOver lays a tile over those before, which show through where it overlaps them.
func (p *Tiles) layOver(out, part []float32, planes, unit int, t Tile) {
	ramp := func(start, at int) float32 {
		if most := p.overlap*unit - 1; start > 0 && most > 0 {
			return float32(math.Min(1, float64(at)/float64(most)))
		}
		return 1
	}
	for c := range planes {
		for y := range t.H * unit {
			to := ((c*p.H+t.Y)*unit+y)*p.W*unit + t.X*unit
			from := (c*t.H*unit + y) * t.W * unit
			for x := range t.W * unit {
				share := ramp(t.Y, y) * ramp(t.X, x)
				out[to+x] = share*part[from+x] + (1-share)*out[to+x]
			}
		}
	}
}
