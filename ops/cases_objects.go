package ops

import (
	"saccade/gpu"
)

// The operations of networks that find objects.

var queryLogitsFamily = family{
	op: "query_logits", dims: "BATCHxPATCHESxQUERIES", at: queryLogitsCase,
	bench: [][]int{{1, 576, 10}}, // OWL-ViT
	test: func() []Case {
		return casesOf(queryLogitsCase, []int{1, 1, 1}, []int{2, 7, 3}, []int{3, 65, 13})
	},
}

// queryLogitsCase has all queries be some, but for a batch of three, where they hide what
// else may be wrong.
func queryLogitsCase(d []int) Case {
	return newCase("query_logits", shapeName(d...), func(o *operands) *gpu.Tensor {
		x, affine := Normalize(o.r, o.activation("x", 1, d...)), Normalize(o.r, o.activation("affine", 1, d[0], d[1], 2)) // in f32
		seen := make([]uint32, d[0]*d[2])
		for i := range seen {
			if seen[i] = 1; d[0] == 3 {
				seen[i] = o.rng.Uint32N(2)
			}
		}
		o.in["seen"] = seen
		return QueryLogits(o.r, x, affine, o.r.Input("seen", gpu.U32, d[0], d[2]))
	})
}

var deformableFamily = family{
	op: "deformable_attention", dims: "BATCHxQUERIESxHEADSxWIDTHxHEIGHTxWIDTHxPOINTS", at: func(d []int) Case { return deformableCase(deformation{}, d) },
	bench: [][]int{{1, 300, 8, 256, 80, 80, 4}}, // RT-DETR
	test: func() []Case {
		at := func(d deformation) func([]int) Case { return func(s []int) Case { return deformableCase(d, s) } }
		cases := casesOf(at(deformation{}), []int{1, 1, 1, 1, 1, 1, 1}, []int{2, 7, 3, 15, 9, 5, 3}, []int{3, 5, 2, 40, 4, 11, 4})
		cases = append(cases, casesOf(at(deformation{whole: true}), []int{2, 6, 3, 36, 6, 7, 2})...)
		cases = append(cases, casesOf(at(deformation{discrete: true}), []int{1, 9, 2, 14, 8, 3, 2})...)
		cases = append(cases, casesOf(at(deformation{pixels: true}), []int{2, 43, 2, 18, 5, 6, 3}, []int{1, 4, 3, 9, 2, 1, 2})...)
		return append(cases, casesOf(at(deformation{points: true}), []int{2, 8, 2, 18, 5, 6, 3})...)
	},
}

// deformation is what varies in the cases of deformable attention.
type deformation struct {
	whole    bool // the heads are no groups of the values
	discrete bool
	points   bool // queries are points
	pixels   bool // the maps' own pixels
}

// deformableCase has three levels, each half the one before, the last with a point more.
func deformableCase(f deformation, d []int) Case {
	n, queries, heads, width, h, w, points := d[0], d[1], d[2], d[3], d[4], d[5], d[6]
	name, groups, sides := shapeName(d...), heads, 4
	if f.whole {
		name, groups = name+" whole", 1
	}
	if f.discrete {
		name += " discrete"
	}
	if f.points {
		name, sides = name+" points", 2
	}
	if f.pixels {
		name += " pixels"
	}
	return newCase("deformable_attention", name, func(o *operands) *gpu.Tensor {
		levels := o.b.Levels(Level{h, w, points}, Level{ceilDiv(h, 2), ceilDiv(w, 2), points}, Level{ceilDiv(h, 4), ceilDiv(w, 4), points + 1})
		all := heads * levels.points()
		x := o.activation("x", groups, n, levels.Pixels(), width)
		var boxes *gpu.Tensor
		if !f.pixels {
			boxes = Apply(o.r, o.floats("boxes", n, queries, sides), Sigmoid)
		}
		return DeformableAttention(o.r, x, boxes, o.floats("offsets", n, queries, 2*all), o.floats("logits", n, queries, all), levels, Deformation{Scale: 0.5, Discrete: f.discrete})
	})
}

var rowMaxFamily = family{
	op: "row_max", dims: "BATCHxROWSxWIDTH", at: rowMaxCase,
	bench: [][]int{{1, 8400, 80}},
	test: func() []Case {
		return casesOf(rowMaxCase, []int{1, 1, 1}, []int{2, 7, 5}, []int{3, 13, 16}, []int{1, 65, 91})
	},
}

func rowMaxCase(d []int) Case {
	return newCase("row_max", shapeName(d...), func(o *operands) *gpu.Tensor { return RowMax(o.r, o.floats("x", d...)) })
}

var topFamily = family{
	op: "top", dims: "BATCHxTOKENSxK", at: topCase,
	bench: [][]int{{1, 8400, 300}},
	test: func() []Case {
		return casesOf(topCase, []int{1, 1, 1}, []int{2, 7, 3}, []int{3, 65, 65}, []int{2, 130, 9})
	},
}

func topCase(d []int) Case {
	return newCase("top", shapeName(d...), func(o *operands) *gpu.Tensor { return Top(o.r, o.floats("x", d[:2]...), d[2]) })
}

var refineBoxesFamily = family{
	op: "refine_boxes", dims: "BATCHxQUERIES[xANCHORS]", at: refineBoxesCase,
	bench: [][]int{{1, 300}},
	test: func() []Case {
		return append(casesOf(refineBoxesCase, []int{1, 1}, []int{3, 67}, []int{2, 9, 13}), newCase("refine_boxes", "3x5 points", func(o *operands) *gpu.Tensor {
			return RefineBoxes(o.r, o.floats("delta", 3, 5, 4), o.floats("points", 3, 5, 2))
		}))
	},
}

// refineBoxesCase chooses among anchors where there are some.
func refineBoxesCase(d []int) Case {
	return newCase("refine_boxes", shapeName(d...), func(o *operands) *gpu.Tensor {
		delta := o.floats("delta", d[0], d[1], 4)
		if len(d) == 2 {
			return RefineBoxes(o.r, delta, o.floats("boxes", d[0], d[1], 4))
		}
		logits := make([]float32, 4*d[2])
		for i := range logits {
			logits[i] = float32(2 * o.rng.NormFloat64())
		}
		return o.b.Anchors(logits).Choose(o.r, delta, Top(o.r, o.floats("x", d[0], d[2]), d[1]))
	})
}

var boxDistancesFamily = family{
	op: "box_distances", dims: "BATCHxQUERIESxBINS", at: boxDistancesCase,
	bench: [][]int{{1, 300, 32}}, // D-FINE
	test: func() []Case {
		return casesOf(boxDistancesCase, []int{1, 1, 4}, []int{2, 7, 8}, []int{3, 21, 32})
	},
}

func boxDistancesCase(d []int) Case {
	return newCase("box_distances", shapeName(d...), func(o *operands) *gpu.Tensor {
		bins := o.b.Bins(4, BinValues(d[2], 0.5, 4))
		boxes := Apply(o.r, o.floats("boxes", d[0], d[1], 4), Sigmoid)
		return bins.Distances(o.r, o.floats("x", d[0], d[1], 4*(d[2]+1)), boxes)
	})
}

var topProbabilitiesFamily = family{
	op: "top_probabilities", dims: "ROWSxSIDESxBINSxK", at: topProbabilitiesCase,
	bench: [][]int{{300, 4, 33, 4}}, // D-FINE
	test: func() []Case {
		return casesOf(topProbabilitiesCase, []int{1, 1, 1, 1}, []int{7, 4, 5, 2}, []int{13, 4, 33, 4}, []int{3, 2, 9, 9})
	},
}

func topProbabilitiesCase(d []int) Case {
	return newCase("top_probabilities", shapeName(d...), func(o *operands) *gpu.Tensor {
		return TopProbabilities(o.r, o.floats("x", d[0], d[1]*d[2]), d[2], d[3])
	})
}

var gatePairFamily = family{
	op: "gate_pair", dims: "ROWSxWIDTH", at: gatePairCase,
	bench: [][]int{{300, 256}}, // D-FINE
	test: func() []Case {
		return casesOf(gatePairCase, []int{1, 1}, []int{7, 13}, []int{35, 40})
	},
}

func gatePairCase(d []int) Case {
	return newCase("gate_pair", shapeName(d...), func(o *operands) *gpu.Tensor {
		return GatePair(o.r, o.activation("a", 1, d...), o.activation("b", 1, d...), o.activation("gates", 2, d[0], 2*d[1]))
	})
}
