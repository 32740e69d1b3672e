package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// Level is a map that [DeformableAttention] looks at, and at how many points of it.
type Level struct{ H, W, Points int }

// Levels is maps whose pixels stand one after the other.
type Levels struct {
	list   []Level
	tensor *gpu.Tensor
}

// Levels makes the table of maps.
func (b *Builder) Levels(list ...Level) *Levels {
	var values []uint32
	first := 0
	for _, l := range list {
		values = append(values, uint32(l.H), uint32(l.W), uint32(first), uint32(l.Points))
		first += l.H * l.W
	}
	return &Levels{list: list, tensor: b.Index("levels", values, len(list), 4)}
}

// Pixels are those of all maps.
func (l *Levels) Pixels() int {
	n := 0
	for _, m := range l.list {
		n += m.H * m.W
	}
	return n
}

// points are those of all maps that a query looks at.
func (l *Levels) points() int {
	n := 0
	for _, m := range l.list {
		n += m.Points
	}
	return n
}

// middle is that of a pixel in parts of its map, across and down.
func (l *Levels) middle(pixel int) [2]float64 {
	for _, m := range l.list {
		if pixel < m.H*m.W {
			return [2]float64{(float64(pixel%m.W) + 0.5) / float64(m.W), (float64(pixel/m.W) + 0.5) / float64(m.H)}
		}
		pixel -= m.H * m.W
	}
	return [2]float64{}
}

// Deformation is how [DeformableAttention] reads its offsets and maps.
type Deformation struct {
	// Scale is how far an offset of the number of a level's points goes, in widths and
	// heights of the query's box. Queries that are points count in pixels, without it.
	Scale float64
	// Discrete takes the nearest pixel, the border's beyond the map, in place of what is
	// between pixels, with zeros beyond (RT-DETRv2's decoder_method).
	Discrete bool
}

// DeformableAttention is the multi-scale one of Zhu et al. 2020, "Deformable DETR": each query
// and head takes a weighted mean of values x [N, S, C] at some points of maps, S pixels in
// all. queries, f32 [N, Q, 4], are boxes of centre and size in parts of the maps, or points
// [N, Q, 2], or nil: the middles of the maps' own pixels, Q = S; offsets, f32 [N, Q, heads·K·2], lead from there to the K points of all maps;
// logits, f32 [N, Q, heads·K], are the weights before their softmax. The result is
// [N, Q, C] in the groups of x, which are the heads, or one if a head's width is a multiple
// of four.
func DeformableAttention(r *gpu.Recorder, x, queries, offsets, logits *gpu.Tensor, levels *Levels, how Deformation) *gpu.Tensor {
	y := r.New("deformable_attention", x.Groups, x.Shape[0], logits.Shape[1], x.Width())
	if r.Err() != nil {
		return y
	}
	c := deformableCall{levels: levels, how: how, n: x.Shape[0], queries: logits.Shape[1], heads: logits.Width() / max(1, levels.points()), width: x.Width()}
	c.pixel, c.point = queries == nil, queries == nil || queries.Width() == 2
	if err := c.check(x, queries, offsets, logits); err != nil {
		r.Fail(fmt.Errorf("%s: %w", r.Label("deformable_attention"), err))
		return y
	}
	op := gpu.Op{Kind: "deformable_attention", Label: r.Label("deformable_attention"), In: []*gpu.Tensor{x, offsets, logits}, Out: []*gpu.Tensor{y}, Twin: c.twin}
	if queries != nil {
		op.In = append(op.In, queries)
	}
	var err error
	if op.Dispatches, err = c.dispatches(r, x, queries, offsets, logits, y); err != nil {
		r.Fail(fmt.Errorf("%s: %w", op.Label, err))
		return y
	}
	r.Do(op)
	return y
}

// deformableCall is one use of [DeformableAttention].
type deformableCall struct {
	levels                   *Levels
	how                      Deformation
	n, queries, heads, width int
	point                    bool // queries are points
	pixel                    bool // the maps' own pixels
}

func (c deformableCall) check(x, queries, offsets, logits *gpu.Tensor) error {
	points := c.levels.points()
	given := []*gpu.Tensor{offsets, logits}
	if !c.pixel {
		given = append(given, queries)
	}
	for _, t := range given {
		if t.Type != gpu.F32 || t.Dense() || t.Groups != 1 || len(t.Shape) != 3 || t.Shape[0] != c.n || t.Shape[1] != c.queries {
			return fmt.Errorf("found %s (%s) for %d items of %d queries, expected f32 [N Q …]", t, t.Type, c.n, c.queries)
		}
	}
	switch {
	case points < 1 || c.heads < 1 || logits.Width() != c.heads*points || offsets.Width() != 2*logits.Width():
		return fmt.Errorf("found offsets %v and logits %v of %d points, expected two and one for each head and point", offsets.Shape, logits.Shape, points)
	case c.pixel && c.queries != c.levels.Pixels():
		return fmt.Errorf("found %d queries for the %d pixels of all maps, expected as many", c.queries, c.levels.Pixels())
	case !c.pixel && queries.Width() != 2 && queries.Width() != 4:
		return fmt.Errorf("found %s, expected points [N Q 2] or boxes [N Q 4]", queries)
	case len(x.Shape) != 3 || x.Dense() || x.Shape[1] != c.levels.Pixels():
		return fmt.Errorf("found values %s of maps of %d pixels in all, expected [N S C]", x, c.levels.Pixels())
	case x.Groups != c.heads && (x.Groups != 1 || c.width%(4*c.heads) != 0):
		return fmt.Errorf("found values %s in %d groups, expected %d heads or heads of a multiple of four", x, x.Groups, c.heads)
	}
	return nil
}

func (c deformableCall) dispatches(r *gpu.Recorder, x, queries, offsets, logits, y *gpu.Tensor) ([]gpu.Dispatch, error) {
	spec, variant := shaders.Spec{Const: map[string]int{}, Forms: forms(r.Precision)}, r.Precision.String()
	switch {
	case c.pixel:
		spec.Const["POINTS"], spec.Const["PIXELS"], variant = 1, 1, variant+" pixels"
	case c.point:
		spec.Const["POINTS"], variant = 1, variant+" points"
	}
	if c.how.Discrete {
		spec.Const["DISCRETE"], variant = 1, variant+" discrete"
	}
	k, err := kernel("deformable_attention", variant, spec)
	if err != nil {
		return nil, err
	}
	tensors := []*gpu.Tensor{x, offsets, logits, y}
	if !c.pixel {
		tensors = append(tensors, queries)
	}
	chunks, err := itemChunks(r.Device(), c.n, tensors...)
	if err != nil {
		return nil, err
	}
	head := c.width / c.heads / 4
	if x.Groups == c.heads {
		head = x.Stride() / c.heads / 4
	}
	var dispatches []gpu.Dispatch
	for _, part := range chunks {
		view := func(t *gpu.Tensor) gpu.View { return itemView(t, c.n, part[0], part[1]) }
		boxes := gpu.All(r.Device().Dummy())
		if !c.pixel {
			boxes = view(queries)
		}
		items := part[1] - part[0]
		count := items * c.queries * y.Stride() / 4
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "vectors": y.Stride() / 4, "head": head, "heads": c.heads, "queries": c.queries, "pixels": x.Shape[1], "levels": len(c.levels.list),
				"points": c.levels.points(), "offset_stride": offsets.Stride(), "logit_stride": logits.Stride(), "scale": c.how.Scale,
			},
			Bind:   []gpu.View{view(x), boxes, view(offsets), view(logits), gpu.All(c.levels.tensor), view(y)},
			Groups: elementwise(count), FLOPs: 10 * float64(items*c.queries*c.levels.points()*c.width),
			Bytes: float64(items) * float64(itemBytes(x, c.n)+itemBytes(offsets, c.n)+itemBytes(logits, c.n)+itemBytes(y, c.n)),
		})
	}
	return dispatches, nil
}

func (c deformableCall) twin(in [][]float32) [][]float64 {
	y := make([]float64, c.n*c.queries*c.width)
	parallel(c.n*c.queries, func(row int) {
		for head := range c.heads {
			c.look(y[row*c.width+head*c.width/c.heads:], in, row, head)
		}
	})
	return [][]float64{y}
}

// look is the twin of one query and head, whose values y begins with.
func (c deformableCall) look(y []float64, in [][]float32, row, head int) {
	x, offsets, logits := in[0], in[1], in[2]
	points, width := c.levels.points(), c.width/c.heads
	first := (row*c.heads + head) * points
	weights := make([]float64, points)
	sum, most := 0.0, math.Inf(-1)
	for k := range weights {
		most = math.Max(most, float64(logits[first+k]))
	}
	for k := range weights {
		weights[k] = math.Exp(float64(logits[first+k]) - most)
		sum += weights[k]
	}
	k, pixel := 0, row/c.queries*c.levels.Pixels()
	for _, l := range c.levels.list {
		for range l.Points {
			var at [2]float64 // in pixels from the first one's left and upper border
			for axis, size := range [2]float64{float64(l.W), float64(l.H)} {
				offset := float64(offsets[2*(first+k)+axis])
				switch {
				case c.pixel:
					at[axis] = c.levels.middle(row % c.queries)[axis]*size + offset
				case c.point:
					at[axis] = float64(in[3][2*row+axis])*size + offset
				default:
					at[axis] = (float64(in[3][4*row+axis]) + offset*float64(in[3][4*row+2+axis])*c.how.Scale/float64(l.Points)) * size
				}
			}
			for _, t := range c.taps(l, at) {
				for i := range width {
					y[i] += weights[k] / sum * t.weight * float64(x[(pixel+t.at)*c.width+head*width+i])
				}
			}
			k++
		}
		pixel += l.H * l.W
	}
}

// taps are the pixels of a map that a place takes.
func (c deformableCall) taps(l Level, at [2]float64) []tap {
	if c.how.Discrete {
		i := min(max(math.Floor(at[0]+0.5), 0), float64(l.W-1))
		j := min(max(math.Floor(at[1]+0.5), 0), float64(l.H-1))
		return []tap{{int(j)*l.W + int(i), 1}}
	}
	var all []tap
	x, y := math.Floor(at[0]-0.5), math.Floor(at[1]-0.5)
	for j, wy := range [2]float64{1 - (at[1] - 0.5 - y), at[1] - 0.5 - y} {
		for i, wx := range [2]float64{1 - (at[0] - 0.5 - x), at[0] - 0.5 - x} {
			if column, line := x+float64(i), y+float64(j); column >= 0 && line >= 0 && column < float64(l.W) && line < float64(l.H) {
				all = append(all, tap{int(line)*l.W + int(column), wx * wy})
			}
		}
	}
	return all
}
