package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// The operations that choose a decoder's next token.

// scores declares an input of normal numbers of a spread that logits have, and packs it.
func (o *operands) scores(spread float32, d ...int) *gpu.Tensor {
	x := o.activation("x", 1, d...)
	if v, ok := o.in["x"].([]float32); ok {
		for i := range v {
			v[i] *= spread
		}
	}
	return x
}

// list declares an input of ids below limit, each once in a row, of which the last are
// limit and [NoRow], which stand for nothing.
func (o *operands) list(name string, limit int, shape ...int) *gpu.Tensor {
	rows, length := shape[0], shape[1]
	v := make([]uint32, rows*length)
	for r := range rows {
		ids := o.rng.Perm(limit)
		for i := range length {
			switch {
			case i < len(ids) && (i == 0 || i < length-2):
				v[r*length+i] = uint32(ids[i])
			case i == length-2:
				v[r*length+i] = uint32(limit)
			default:
				v[r*length+i] = NoRow
			}
		}
	}
	o.in[name] = v
	return o.r.Input(name, gpu.U32, shape...)
}

var logSoftmaxFamily = family{
	op: "logsoftmax", dims: "ROWSxWIDTH", at: logSoftmaxCase,
	bench: [][]int{{5, 50257}},
	test: func() []Case {
		return casesOf(logSoftmaxCase, []int{1, 1}, []int{3, 7}, []int{5, 33}, []int{2, 1003}, []int{1, 50257})
	},
}

func logSoftmaxCase(d []int) Case {
	return newCase("logsoftmax", shapeName(d...), func(o *operands) *gpu.Tensor { return LogSoftmax(o.r, o.scores(3, d...)) })
}

var timestampsFamily = family{
	op: "timestamps", dims: "ROWSxWIDTHxFIRST", at: timestampsCase,
	bench: [][]int{{1, 51865, 50364}},
	test: func() []Case {
		return casesOf(timestampsCase, []int{1, 2, 1}, []int{5, 7, 3}, []int{9, 33, 30}, []int{4, 1003, 512}, []int{2, 51865, 50364})
	},
}

// timestampsCase has rows whose times are more probable and others.
func timestampsCase(d []int) Case {
	rows, width, first := d[0], d[1], d[2]
	return newCase("timestamps", shapeName(d...), func(o *operands) *gpu.Tensor {
		x := o.scores(2, rows, width)
		if v, ok := o.in["x"].([]float32); ok {
			for i := range v {
				if i/width%2 == 1 && i%width < first {
					v[i] -= 9
				}
			}
		}
		return Timestamps(o.r, x, first)
	})
}

var penalizeFamily = family{
	op: "penalize", dims: "ROWSxWIDTHxLENGTH", at: func(d []int) Case { return penalizeCase("all", d) },
	bench: [][]int{{1, 50257, 448}},
	test: func() []Case {
		return []Case{
			penalizeCase("", []int{3, 7, 1}), penalizeCase("repetition", []int{1, 1, 2}), penalizeCase("repetition", []int{3, 33, 9}), penalizeCase("banned", []int{5, 7, 3}),
			penalizeCase("suppressed", []int{3, 33, 5}), penalizeCase("ranges", []int{3, 33, 2}), penalizeCase("all", []int{5, 33, 17}), penalizeCase("all", []int{2, 50257, 20}),
		}
	},
}

// penalizeCase has one of the penalties, or all, by lists of a length.
func penalizeCase(which string, d []int) Case {
	name := shapeName(d...)
	if which != "all" {
		name += " " + which
	}
	rows, width, length := d[0], d[1], d[2]
	return newCase("penalize", name, func(o *operands) *gpu.Tensor {
		x, p := o.scores(3, rows, width), Penalties{}
		if which == "repetition" || which == "all" {
			p.Repetition, p.Repeated = 1.3, o.list("repeated", width, rows, length)
		}
		if which == "banned" || which == "all" {
			p.Banned = o.list("banned", width, rows, length)
		}
		if which == "suppressed" || which == "all" {
			p.Suppressed = o.b.Index("suppressed", []uint32{uint32(width / 2), NoRow, uint32(width - 1)}, 3)
		}
		if which == "ranges" || which == "all" {
			ends := make([]uint32, rows*2*2)
			for i := range ends {
				ends[i] = o.rng.Uint32N(uint32(width))
			}
			ends[len(ends)-1] = NoRow // to the end
			o.in["ranges"] = ends
			p.Ranges = o.r.Input("ranges", gpu.U32, rows, 2, 2)
		}
		return Penalize(o.r, x, p)
	})
}

// chooseShape is one use of [Greedy], [Sample] or [Probabilities].
type chooseShape struct {
	rows, width   int
	draw          bool // else the best
	probabilities bool
	banned        int  // tokens of each row
	whole         bool // numbers, many of them equal, but for the first, which lies far off
	sampling      Sampling
}

func (s chooseShape) newCase() Case {
	name := shapeName(s.rows, s.width, max(1, s.sampling.TopK))
	if s.draw {
		name += " drawn"
	}
	if s.probabilities {
		name += " probabilities"
	}
	if s.sampling.Temperature != 0 {
		name += fmt.Sprintf(" t %g", s.sampling.Temperature)
	}
	if s.sampling.TopP != 0 {
		name += fmt.Sprintf(" p %g", s.sampling.TopP)
	}
	if s.sampling.MinP != 0 {
		name += fmt.Sprintf(" min %g", s.sampling.MinP)
	}
	if s.banned > 0 {
		name += fmt.Sprintf(" banned %d", s.banned)
	}
	if s.whole {
		name += " whole"
	}
	return newCase("choose", name, func(o *operands) *gpu.Tensor {
		x := o.scores(3, s.rows, s.width)
		if v, ok := o.in["x"].([]float32); ok && s.whole {
			for i := range v {
				if v[i] = float32(math.RoundToEven(float64(v[i]))); i%s.width == 0 {
					v[i] = -60000
				}
			}
		}
		if s.banned > 0 {
			x = Penalize(o.r, x, Penalties{Banned: o.list("banned", s.width, s.rows, s.banned+2)})
		}
		switch {
		case s.probabilities:
			return Probabilities(o.r, x, s.sampling)
		case s.draw:
			u := make([]float32, s.rows)
			for i := range u {
				u[i] = o.rng.Float32()
			}
			if s.rows > 2 {
				u[1], u[2] = 0, 1-1.0/(1<<24) // both ends
			}
			o.in["u"] = u
			return Sample(o.r, x, o.r.Input("u", gpu.F32, s.rows), s.sampling)
		}
		return Greedy(o.r, x)
	})
}

var chooseFamily = family{
	// Of one token that is kept the choice is greedy, of more it is drawn by top-p 0.9 too.
	op: "choose", dims: "ROWSxWIDTHxTOPK",
	at: func(d []int) Case {
		if d[2] == 1 {
			return chooseShape{rows: d[0], width: d[1]}.newCase()
		}
		return chooseShape{rows: d[0], width: d[1], draw: true, sampling: Sampling{TopK: d[2], TopP: 0.9}}.newCase()
	},
	bench: [][]int{{1, 50257, 1}, {1, 50257, 50}, {1, 49280, 1}, {1, 49280, 50}},
	test: func() []Case {
		var cases []Case
		for _, s := range []chooseShape{
			{rows: 1, width: 1}, {rows: 3, width: 7}, {rows: 5, width: 33}, {rows: 3, width: 2003}, {rows: 2, width: 50257},
			{rows: 3, width: 33, banned: 20}, {rows: 5, width: 7, banned: 7},
			{rows: 1, width: 1, draw: true}, {rows: 3, width: 7, draw: true}, {rows: 5, width: 33, draw: true, sampling: Sampling{Temperature: 2.5}},
			{rows: 5, width: 33, draw: true, sampling: Sampling{TopK: 5}}, {rows: 5, width: 33, draw: true, sampling: Sampling{TopP: 0.8}},
			{rows: 5, width: 33, draw: true, sampling: Sampling{MinP: 0.1}}, {rows: 5, width: 257, draw: true, sampling: Sampling{TopP: 0.95, MinP: 0.02}},
			{rows: 5, width: 33, probabilities: true, whole: true, sampling: Sampling{TopK: 17}}, {rows: 5, width: 33, probabilities: true, whole: true, sampling: Sampling{TopP: 0.9}},
			{rows: 5, width: 257, probabilities: true, whole: true, sampling: Sampling{TopK: 130, TopP: 0.5}}, {rows: 3, width: 33, whole: true}, {rows: 5, width: 7, draw: true, sampling: Sampling{TopK: 100, TopP: 1e-9}},
			{rows: 5, width: 33, draw: true, banned: 20, sampling: Sampling{TopK: 15, TopP: 0.95, Temperature: 0.7}}, {rows: 5, width: 7, draw: true, banned: 7},
			{rows: 5, width: 7, draw: true, banned: 7, sampling: Sampling{TopK: 3, TopP: 0.5}}, {rows: 5, width: 257, draw: true, sampling: Sampling{TopP: 0.999999}},
			{rows: 3, width: 2003, draw: true, sampling: Sampling{TopK: 50, TopP: 0.9}}, {rows: 1, width: 50257, draw: true, sampling: Sampling{TopK: 50, TopP: 0.9, MinP: 0.01}},
			{rows: 3, width: 257, probabilities: true, sampling: Sampling{TopK: 40, TopP: 0.9, MinP: 0.01, Temperature: 1.5}}, {rows: 5, width: 33, probabilities: true, banned: 9},
		} {
			cases = append(cases, s.newCase())
		}
		return cases
	},
}

var beamsFamily = family{
	op: "beams", dims: "ITEMSxBEAMSxWIDTHxBEST", at: func(d []int) Case { return beamsCase(0, d) },
	bench: [][]int{{1, 5, 50257, 10}},
	test: func() []Case {
		return []Case{beamsCase(0, []int{1, 1, 1, 1}), beamsCase(0, []int{3, 2, 7, 4}), beamsCase(2, []int{2, 5, 33, 32}), beamsCase(3, []int{3, 3, 257, 6}), beamsCase(0, []int{1, 4, 50257, 8})}
	},
}

// beamsCase bans tokens of each row, and has equal sums where scores are few.
func beamsCase(banned int, d []int) Case {
	name := shapeName(d...)
	if banned > 0 {
		name += fmt.Sprintf(" banned %d", banned)
	}
	return newCase("beams", name, func(o *operands) *gpu.Tensor {
		rows := d[0] * d[1]
		x := o.scores(3, rows, d[2])
		if v := o.in["x"].([]float32); banned == 0 {
			for i := range v {
				v[i] = float32(int(v[i]))
			}
		}
		x = LogSoftmax(o.r, x)
		if banned > 0 {
			x = Penalize(o.r, x, Penalties{Banned: o.list("banned", d[2], rows, banned+2)})
		}
		scores := make([]float32, rows)
		for i := range scores {
			scores[i] = -3 * o.rng.Float32()
		}
		o.in["scores"] = scores
		return Beams(o.r, x, o.r.Input("scores", gpu.F32, rows), d[1], d[3])
	})
}

var reorderFamily = family{
	op: "reorder", dims: "ITEMSxBEAMSxROOMxWIDTH", at: func(d []int) Case { return reorderCase(1, d[2]/2, d) },
	bench: [][]int{{1, 5, 1024, 576}},
	test: func() []Case {
		return []Case{reorderCase(1, 1, []int{1, 1, 1, 1}), reorderCase(1, 3, []int{2, 2, 9, 15}), reorderCase(3, 7, []int{3, 5, 7, 39}), reorderCase(1, 70, []int{1, 3, 80, 9}), reorderCase(1, 0, []int{1, 16, 3, 9})}
	},
}

func reorderCase(groups, filled int, d []int) Case {
	return newCase("reorder", grouped(shapeName(d...), groups)+fmt.Sprintf(" filled %d", filled), func(o *operands) *gpu.Tensor {
		rows := d[0] * d[1]
		before := o.activation("before", groups, rows, d[2], d[3])
		state, err := o.b.State("state", before.Type, groups, rows, d[2], d[3])
		if err != nil {
			o.err = err
			return before
		}
		Keep(o.r, state, before)
		parents := make([]uint32, rows)
		for i := range parents {
			parents[i] = o.rng.Uint32N(uint32(d[1]))
		}
		o.in["parents"], o.in["filled"] = parents, []uint32{uint32(filled)}
		Reorder(o.r, state, o.r.Input("parents", gpu.U32, rows), o.r.Input("filled", gpu.U32, 1), d[1])
		return Apply(o.r, state, ReLU)
	})
}
