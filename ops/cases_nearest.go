package ops

import (
	"saccade/gpu"
)

var nearestFamily = family{
	op: "nearest", dims: "ROWSxBANKxWIDTHxBEST", at: func(d []int) Case { return nearestCase(Distance, "", d) },
	bench: [][]int{{784, 2000, 1536, 1}, {1, 100000, 512, 10}},
	test: func() []Case {
		var cases []Case
		for _, d := range [][]int{{1, 1, 1, 1}, {3, 7, 5, 7}, {9, 70, 33, 1}, {35, 200, 17, 9}, {2, 1003, 20, 5}, {70, 130, 40, 64}} {
			cases = append(cases, nearestCase(Distance, "", d), nearestCase(Product, "product", d))
		}
		return append(cases, nearestCase(Distance, "table", []int{33, 150, 23, 3}), nearestCase(Product, "table product", []int{2, 150, 23, 3}), nearestCase(Distance, "equal", []int{40, 300, 3, 4}))
	},
}

// nearestCase has a bank that is an activation or a table, or one of whole numbers, of which
// many are equal.
func nearestCase(by Measure, kind string, d []int) Case {
	name := shapeName(d...)
	if kind != "" {
		name += " " + kind
	}
	return newCase("nearest", name, func(o *operands) *gpu.Tensor {
		x := o.activation("x", 1, d[0], d[2])
		if kind == "table" || kind == "table product" {
			return o.table(d[1], d[2]).Nearest(o.r, x, d[3], by)
		}
		bank := o.activation("bank", 1, d[1], d[2])
		if v, ok := o.in["bank"].([]float32); ok && kind == "equal" {
			for i := range v {
				v[i] = float32(int(v[i]))
			}
		}
		return Nearest(o.r, x, bank, d[3], by)
	})
}
