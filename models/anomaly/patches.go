package anomaly

import (
	"errors"
	"fmt"
	"math"

	"saccade/models/nn"
	"saccade/ops"
)

// Patches are the features of a picture: of a grid of patches a vector each.
type Patches struct {
	Rows, Columns int
	Width         int
	Data          []float32 // [Rows·Columns, Width]
	H, W          int       // of the network's input, pixels
}

// Count is how many patches there are.
func (p Patches) Count() int { return p.Rows * p.Columns }

// row is the vector of a patch.
func (p Patches) row(i int) []float32 { return p.Data[i*p.Width:][:p.Width] }

// OfMaps makes patches of the pixels of a network's layers, maps [1, C, h, w]: their
// channels one after the other at the size of the first. Those of PatchCore are means of
// 3×3 pixels, of which those beyond the border are zeros, and are brought to that size
// bilinearly; else the nearest pixel's are taken, as PaDiM does. The network's input has
// h×w pixels.
func OfMaps(layers []nn.Array, means bool, h, w int) (Patches, error) {
	if len(layers) == 0 {
		return Patches{}, errors.New("patches: there is no layer")
	}
	p := Patches{H: h, W: w}
	var parts []Patches
	for i, a := range layers {
		if len(a.Shape) != 4 || a.Shape[0] != 1 || len(a.Data) != a.Shape[1]*a.Shape[2]*a.Shape[3] || len(a.Data) == 0 {
			return Patches{}, fmt.Errorf("patches: layer %d has shape %v, expected a map [1 C H W]", i, a.Shape)
		}
		x := pixels(a)
		if means {
			x = x.pooled()
		}
		if i == 0 {
			p.Rows, p.Columns = x.Rows, x.Columns
		} else if means {
			x = Patches{Rows: p.Rows, Columns: p.Columns, Width: x.Width, Data: ops.InterpolateLinear(x.Data, x.Width, [2]int{x.Rows, x.Columns}, [2]int{p.Rows, p.Columns})}
		} else {
			x = x.nearest(p.Rows, p.Columns)
		}
		p.Width += x.Width
		parts = append(parts, x)
	}
	for i := range p.Count() {
		for _, x := range parts {
			p.Data = append(p.Data, x.row(i)...)
		}
	}
	return p, nil
}

// OfTokens makes patches of the tokens [1, T, D] of a transformer of which prefix are not
// of patches: vectors of unit length, so that half their squared distance is one less
// their cosine. The network's input has h×w pixels.
func OfTokens(tokens nn.Array, prefix, rows, columns, h, w int) (Patches, error) {
	if len(tokens.Shape) != 3 || tokens.Shape[0] != 1 || tokens.Shape[1] != prefix+rows*columns || len(tokens.Data) != tokens.Shape[1]*tokens.Shape[2] {
		return Patches{}, fmt.Errorf("patches: found tokens %v, expected [1 %d D]", tokens.Shape, prefix+rows*columns)
	}
	p := Patches{Rows: rows, Columns: columns, Width: tokens.Shape[2], H: h, W: w}
	p.Data = make([]float32, rows*columns*p.Width)
	for i := range p.Count() {
		from := tokens.Data[(prefix+i)*p.Width:][:p.Width]
		var sum float64
		for _, v := range from {
			sum += float64(v) * float64(v)
		}
		if sum == 0 {
			continue
		}
		for c, v := range from {
			p.Data[i*p.Width+c] = float32(float64(v) / math.Sqrt(sum))
		}
	}
	return p, nil
}

// pixels are those of a map [1, C, h, w].
func pixels(a nn.Array) Patches {
	c, n := a.Shape[1], a.Shape[2]*a.Shape[3]
	p := Patches{Rows: a.Shape[2], Columns: a.Shape[3], Width: c, Data: make([]float32, len(a.Data))}
	for k := range c {
		for i, v := range a.Data[k*n : (k+1)*n] {
			p.Data[i*c+k] = v
		}
	}
	return p
}

// pooled has the means of 3×3 patches; those beyond the border are zeros.
func (p Patches) pooled() Patches {
	out := Patches{Rows: p.Rows, Columns: p.Columns, Width: p.Width, Data: make([]float32, len(p.Data))}
	sum := make([]float64, p.Width)
	for y := range p.Rows {
		for x := range p.Columns {
			clear(sum)
			for v := max(0, y-1); v < min(p.Rows, y+2); v++ {
				for u := max(0, x-1); u < min(p.Columns, x+2); u++ {
					for c, s := range p.row(v*p.Columns + u) {
						sum[c] += float64(s)
					}
				}
			}
			to := out.row(y*p.Columns + x)
			for c, s := range sum {
				to[c] = float32(s / 9)
			}
		}
	}
	return out
}

// nearest resizes as torch.nn.functional.interpolate(mode="nearest") does.
func (p Patches) nearest(rows, columns int) Patches {
	out := Patches{Rows: rows, Columns: columns, Width: p.Width}
	for y := range rows {
		for x := range columns {
			out.Data = append(out.Data, p.row(y*p.Rows/rows*p.Columns+x*p.Columns/columns)...)
		}
	}
	return out
}
