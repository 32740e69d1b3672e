package ops

import "saccade/gpu"

// The operations that make sequences.

var tokensFamily = family{
	op: "tokens", dims: "BATCHxPATCHESxTOKENSxWIDTH", at: tokensCase,
	bench: [][]int{{1, 196, 197, 768}},
	test: func() []Case {
		return append(casesOf(tokensCase, []int{1, 1, 1, 5}, []int{3, 35, 36, 15}, []int{2, 9, 11, 22}), repeatCase(3, 2, 15), addTableCase(3, 35, 35, 15), addTableCase(2, 9, 1, 22))
	},
}

func tokensCase(d []int) Case {
	return newCase("tokens", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Tokens(o.r, o.activation("x", 1, d[0], d[1], d[3]), o.table(d[2], d[3]))
	})
}

var embeddingFamily = family{
	op: "embedding", dims: "BATCHxTOKENSxROWSxWIDTH", at: embeddingCase,
	bench: [][]int{{1, 77, 4096, 512}}, // CLIP's text tower but for its 49,408 rows, on which the time does not depend
	test: func() []Case {
		return casesOf(embeddingCase, []int{1, 1, 1, 5}, []int{2, 7, 31, 15}, []int{1, 77, 50, 33})
	},
}

func embeddingCase(d []int) Case {
	return newCase("embedding", shapeName(d...), func(o *operands) *gpu.Tensor {
		return embed(o, o.ids("ids", d[2], d[0], d[1]), d[2], d[3])
	})
}

func embed(o *operands, ids *gpu.Tensor, rows, width int) *gpu.Tensor {
	var model struct {
		Embedding Embedding `w:"embedding"`
	}
	model.Embedding = o.b.Embedding(rows, width)
	table := o.table(ids.Shape[1], width)
	o.layers(&model)
	return model.Embedding.Forward(o.r, ids, table)
}

var takeFamily = family{
	op: "take", dims: "BATCHxTOKENSxWIDTH", at: takeCase,
	bench: [][]int{{8, 77, 512}},
	test: func() []Case {
		return casesOf(takeCase, []int{1, 1, 5}, []int{3, 7, 33}, []int{5, 13, 8})
	},
}

func takeCase(d []int) Case {
	return newCase("take", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Take(o.r, o.activation("x", 1, d...), o.ids("at", d[1], d[0], 1))
	})
}

var normalizeFamily = family{
	op: "normalize", dims: "ROWSxWIDTH", at: normalizeCase,
	bench: [][]int{{64, 512}},
	test: func() []Case {
		return casesOf(normalizeCase, []int{1, 1}, []int{3, 5}, []int{67, 33}, []int{2, 512})
	},
}

func normalizeCase(d []int) Case {
	return newCase("normalize", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Normalize(o.r, o.activation("x", 1, d...))
	})
}

// repeatCase is [Table.Repeat], an operation tokens without patches.
func repeatCase(n, rows, width int) Case {
	return newCase("tokens", shapeName(n, 0, rows, width), func(o *operands) *gpu.Tensor {
		return o.table(rows, width).Repeat(o.r, n)
	})
}

// addTableCase is [AddTable] to a map.
func addTableCase(n, pixels, rows, width int) Case {
	return newCase("tokens", shapeName(n, pixels, rows, width)+" add_table", func(o *operands) *gpu.Tensor {
		return AddTable(o.r, o.activation("x", 1, n, 1, pixels, width), o.table(rows, width))
	})
}
