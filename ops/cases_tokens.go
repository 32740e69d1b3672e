package ops

import "saccade/gpu"

// The operations that make sequences.

var tokensFamily = family{
	op: "tokens", dims: "BATCHxPATCHESxTOKENSxWIDTH", at: tokensCase,
	bench: [][]int{{1, 196, 197, 768}},
	test: func() []Case {
		return casesOf(tokensCase, []int{1, 1, 1, 5}, []int{3, 35, 36, 15}, []int{2, 9, 11, 22})
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
