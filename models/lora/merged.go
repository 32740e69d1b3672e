package lora

import (
	"encoding/binary"
	"math"
	"strings"

	"saccade/weights"
)

// Merged shows a source with deltas added to weights, by their names, as F32. What
// else a module with such a weight has is F32 too: the projections of q, k and v
// are joined where they are read, which takes one data type.
func Merged(src weights.Source, deltas map[string]*Delta) weights.Source {
	m := &merged{src: src, deltas: deltas, wide: map[string]bool{}}
	for name := range deltas {
		m.wide[moduleOf(name)] = true
	}
	return m
}

type merged struct {
	src    weights.Source
	deltas map[string]*Delta
	wide   map[string]bool // modules with a delta in them
}

// moduleOf is the module that holds a layer's weight or bias: attn1 of
// attn1.to_q.weight.
func moduleOf(name string) string {
	for range 2 {
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	return name
}

// Names implements [weights.Source].
func (m *merged) Names() []string { return m.src.Names() }

// Tensor implements [weights.Source].
func (m *merged) Tensor(name string) (*weights.Tensor, bool) {
	t, ok := m.src.Tensor(name)
	if !ok || !m.wide[moduleOf(name)] {
		return t, ok
	}
	d := m.deltas[name]
	return weights.Computed(t, weights.F32, func() []byte {
		values := make([]float32, t.Len())
		if t.Float32s(values) != nil || d != nil && !d.add(values) {
			return nil // whoever reads the tensor reports that bytes are missing
		}
		data := make([]byte, 0, 4*len(values))
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		return data
	}), true
}
