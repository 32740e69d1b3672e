package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ScaleRows shows a source in which the rows of some tensors are multiplied, row
// i by element i of another tensor: a scale after a linear layer, folded into
// it. Each rule names the factors [Out] in From and what they multiply, a tensor
// [Out, …], in To, without parts:
//
//	{"**.layer_scale1.lambda1", "**.attention.output.dense.weight"}
//	{"**.layer_scale1.lambda1", "**.attention.output.dense.bias"}
//
// The factors are shown no more. A tensor that a rule multiplies and whose
// factors are missing, or are of another number, is an error. The products are
// F32, computed by Tensor.Bytes each time.
func ScaleRows(src Source, rules []Rule) (Source, error) {
	s := &scaledRows{src: src, factors: map[string]string{}}
	var compiled []rule
	for _, r := range rules {
		compiled = append(compiled, compile(r))
	}
	for _, name := range src.Names() {
		isFactor := false
		for _, r := range compiled {
			if _, ok := r.forward(name); ok {
				isFactor = true
			}
			if by, ok := r.backward(name); ok {
				s.factors[name] = by
			}
		}
		if !isFactor {
			s.names = append(s.names, name)
		}
	}
	for _, name := range s.names {
		by, scaled := s.factors[name]
		if !scaled {
			continue
		}
		t, _ := headOf(src, name)
		f, ok := headOf(src, by)
		switch {
		case !ok:
			return nil, fmt.Errorf("tensor %s is missing, which scales %s", Printable(by), Printable(name))
		case len(t.Shape) == 0 || len(f.Shape) != 1 || f.Shape[0] != t.Shape[0]:
			return nil, fmt.Errorf("tensor %s: found shape %v, which does not scale the rows of %s %v", Printable(by), f.Shape, Printable(name), t.Shape)
		}
	}
	return s, nil
}

type scaledRows struct {
	src     Source
	names   []string
	factors map[string]string // of a tensor
}

func (s *scaledRows) Names() []string { return append([]string{}, s.names...) }

func (s *scaledRows) Tensor(name string) (*Tensor, bool) {
	t, ok := headOf(s.src, name)
	by, scaled := s.factors[name]
	if !ok || !scaled {
		return t, ok
	}
	factors, ok := s.src.Tensor(by)
	if !ok {
		return nil, false
	}
	product := *t
	product.DType, product.Data = F32, nil
	product.join = func() []byte { return scaleRows(t, factors) }
	return &product, true
}

// scaleRows computes the product as F32; nil where a tensor's bytes are no
// numbers, which its reader then reports.
func scaleRows(t, factors *Tensor) []byte {
	values, by := make([]float32, t.Len()), make([]float32, factors.Len())
	if t.Float32s(values) != nil || factors.Float32s(by) != nil {
		return nil
	}
	data := make([]byte, 0, 4*len(values))
	row := len(values) / max(1, len(by))
	for i, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v*by[i/row]))
	}
	return data
}
