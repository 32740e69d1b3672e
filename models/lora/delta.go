package lora

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"saccade/weights"
)

// Delta is what an adapter adds to a weight: factor·change, and of DoRA the length that
// each row then has.
type Delta struct {
	Key string // the file's name for the layer

	change    change
	factor    float32
	magnitude *weights.Tensor // nil: as long as the sum is
}

// Delta is what the layer adds to its weight, scale times.
func (l *Layer) Delta(scale float64) (*Delta, error) {
	product, rank, err := newChange(l)
	if err != nil {
		return nil, err
	}
	d := &Delta{Key: l.Key, change: product, factor: float32(scale * l.scaling(rank)), magnitude: l.tensors[magnitude]}
	if m := d.magnitude; m != nil && m.Len() != product.shape()[0] {
		return nil, fmt.Errorf("its layer %s has a lora_magnitude_vector %v; expected one number for each of %d rows", l.Key, m.Shape, product.shape()[0])
	}
	return d, nil
}

// Shape is that of a weight that it can be added to.
func (d *Delta) Shape() []int { return d.change.shape() }

// Fits says that it can be added to a weight: of the same shape, or of as many rows and values, as a convolution's that is written flat.
func (d *Delta) Fits(weight []int) bool {
	shape := d.Shape()
	size := func(s []int) int {
		n := 1
		for _, v := range s {
			n *= v
		}
		return n
	}
	return slices.Equal(squeeze(shape), squeeze(weight)) || len(shape) == 2 && len(weight) == 4 && shape[0] == weight[0] && size(shape) == size(weight)
}

// squeeze leaves out the ones at the end: a 1×1 convolution is a matrix.
func squeeze(shape []int) []int {
	for len(shape) > 2 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
}

// change is a product of small factors that is as large as a weight.
type change interface {
	// shape is the product's, with which a weight has to agree.
	shape() []int
	// addTo adds factor times the product to a weight's values; false where a factor
	// can't be read.
	addTo(values []float32, factor float32) bool
}

// newChange tells the product of a layer's tensors, and its rank.
func newChange(l *Layer) (change, int, error) {
	switch {
	case l.tensors[down] != nil || l.tensors[up] != nil || l.tensors[magnitude] != nil:
		t, err := l.of([]string{down, up}, []string{magnitude})
		if err != nil {
			return nil, 0, err
		}
		return newLowRank(l.Key, t[1], t[0])
	case l.tensors[hadaW1A] != nil:
		t, err := l.of([]string{hadaW1A, hadaW1B, hadaW2A, hadaW2B}, []string{hadaT1, hadaT2})
		if err != nil {
			return nil, 0, err
		}
		return newHadamard(l.Key, t)
	}
	t, err := l.of(nil, []string{lokrW1, lokrW1A, lokrW1B, lokrW2, lokrW2A, lokrW2B, lokrT2})
	if err != nil {
		return nil, 0, err
	}
	return newKronecker(l.Key, t)
}

// scaling is what a product of that rank, 0 where there is none, is multiplied with.
func (l *Layer) scaling(rank int) float64 {
	switch {
	case math.IsNaN(l.alpha) || rank == 0:
		return 1
	case l.root:
		return l.alpha / math.Sqrt(float64(rank))
	}
	return l.alpha / float64(rank)
}

// add adds the delta to a weight's values; false where a factor can't be read.
func (d *Delta) add(values []float32) bool {
	if !d.change.addTo(values, d.factor) {
		return false
	}
	if d.magnitude == nil {
		return true
	}
	lengths := make([]float32, d.magnitude.Len())
	if d.magnitude.Float32s(lengths) != nil || len(lengths) == 0 {
		return false
	}
	for i, row := range slices.Collect(slices.Chunk(values, len(values)/len(lengths))) {
		sum := 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		scale := float32(float64(lengths[i]) / math.Sqrt(sum))
		for k := range row {
			row[k] *= scale
		}
	}
	return true
}

// lowRank is up·down (Hu et al. 2021).
type lowRank struct{ up, down *weights.Tensor } // [out, rank, …] and [rank, in, …]

func newLowRank(key string, up, down *weights.Tensor) (change, int, error) {
	rank := down.Shape[0]
	if up.Shape[1] != rank || up.Len() != up.Shape[0]*rank {
		return nil, 0, unfit(key, up, down)
	}
	return lowRank{up, down}, rank, nil
}

// unfit is the error for factors that have no product.
func unfit(key string, a, b *weights.Tensor) error {
	return fmt.Errorf("its layer %s has the factors %v and %v, which do not fit each other", key, a.Shape, b.Shape)
}

func (l lowRank) shape() []int { return append([]int{l.up.Shape[0]}, l.down.Shape[1:]...) }

func (l lowRank) addTo(values []float32, factor float32) bool {
	return product{l.up, l.down}.addTo(values, factor)
}

// product is a product of matrices: a's rows of b.Shape[0] by b's rows.
type product struct{ a, b *weights.Tensor }

func (p product) addTo(values []float32, factor float32) bool {
	a, b := make([]float32, p.a.Len()), make([]float32, p.b.Len())
	if p.a.Float32s(a) != nil || p.b.Float32s(b) != nil {
		return false
	}
	rank := p.b.Shape[0]
	rows, columns := len(a)/rank, len(b)/rank
	if len(values) != rows*columns || len(values) == 0 {
		return false
	}
	multiply(values, factor, a, b, rank)
	return true
}

// multiply adds factor·a·b, matrices whose inner dimension is rank, to values.
func multiply(values []float32, factor float32, a, b []float32, rank int) {
	rows, columns := len(a)/rank, len(b)/rank
	blas32.Gemm(blas.NoTrans, blas.NoTrans, factor,
		blas32.General{Rows: rows, Cols: rank, Stride: rank, Data: a},
		blas32.General{Rows: rank, Cols: columns, Stride: columns, Data: b},
		1, blas32.General{Rows: rows, Cols: columns, Stride: columns, Data: values})
}

// values are those of a product, nil where a factor can't be read.
func (p product) values() []float32 {
	out := make([]float32, p.a.Len()/p.b.Shape[0]*(p.b.Len()/p.b.Shape[0]))
	if !p.addTo(out, 1) {
		return nil
	}
	return out
}

// tucker is a convolution's weight in Tucker's form: core [r, s, h, w] with its
// first dimension brought to out by a [r, out] and its second to in by b [s, in].
type tucker struct{ core, a, b *weights.Tensor }

func newTucker(key string, core, a, b *weights.Tensor) (tucker, error) {
	if len(core.Shape) != 4 || core.Shape[0] != a.Shape[0] || core.Shape[1] != b.Shape[0] || len(a.Shape) != 2 || len(b.Shape) != 2 {
		return tucker{}, fmt.Errorf("its layer %s has the factors %v, %v and %v, which do not fit each other", key, core.Shape, a.Shape, b.Shape)
	}
	return tucker{core, a, b}, nil
}

func (t tucker) shape() []int {
	return []int{t.a.Shape[1], t.b.Shape[1], t.core.Shape[2], t.core.Shape[3]}
}

// values are those of the weight, nil where a factor can't be read.
func (t tucker) values() []float32 {
	core, a, b := make([]float32, t.core.Len()), make([]float32, t.a.Len()), make([]float32, t.b.Len())
	if t.core.Float32s(core) != nil || t.a.Float32s(a) != nil || t.b.Float32s(b) != nil {
		return nil
	}
	r, s := t.core.Shape[0], t.core.Shape[1]
	area, out, in := t.core.Shape[2]*t.core.Shape[3], t.a.Shape[1], t.b.Shape[1]
	half := make([]float32, r*in*area) // [r, in, h, w]
	for i := range r {
		for j := range s {
			for k := range in {
				f := b[j*in+k]
				for x := range area {
					half[(i*in+k)*area+x] += f * core[(i*s+j)*area+x]
				}
			}
		}
	}
	turned := make([]float32, len(a)) // [out, r]
	for i := range r {
		for o := range out {
			turned[o*r+i] = a[i*out+o]
		}
	}
	values := make([]float32, out*in*area)
	multiply(values, 1, turned, half, r)
	return values
}

// hadamard is the product value by value of two low-rank ones (LoHa, Hyeon-Woo et al.
// 2022).
type hadamard struct {
	of     []int
	first  func() []float32
	second func() []float32
}

// newHadamard takes w1_a, w1_b, w2_a, w2_b and, of Tucker's form, t1 and t2.
func newHadamard(key string, t []*weights.Tensor) (change, int, error) {
	rank := t[1].Shape[0]
	if t[4] != nil && t[5] != nil {
		first, err := newTucker(key, t[4], t[0], t[1])
		if err != nil {
			return nil, 0, err
		}
		second, err := newTucker(key, t[5], t[2], t[3])
		if err != nil {
			return nil, 0, err
		}
		if !slices.Equal(first.shape(), second.shape()) {
			return nil, 0, unfit(key, t[4], t[5])
		}
		return hadamard{first.shape(), first.values, second.values}, rank, nil
	}
	for i := 0; i < 4; i += 2 {
		if a, b := t[i], t[i+1]; t[4] != t[5] || a.Shape[1] != b.Shape[0] || a.Len() != a.Shape[0]*b.Shape[0] || a.Shape[0] != t[0].Shape[0] || b.Len()/b.Shape[0] != t[1].Len()/rank {
			return nil, 0, unfit(key, a, b)
		}
	}
	return hadamard{append([]int{t[0].Shape[0]}, t[1].Shape[1:]...), product{t[0], t[1]}.values, product{t[2], t[3]}.values}, rank, nil
}

func (h hadamard) shape() []int { return h.of }

func (h hadamard) addTo(values []float32, factor float32) bool {
	first, second := h.first(), h.second()
	if len(first) != len(values) || len(second) != len(values) {
		return false
	}
	for i, v := range first {
		values[i] += factor * v * second[i]
	}
	return true
}

// kronecker is the Kronecker product of two matrices, of which either may be one of
// low rank, and the second a convolution's weight (LoKr, Edalati et al. 2022).
type kronecker struct {
	a, b   []int // the shapes of both
	first  func() []float32
	second func() []float32
}

// newKronecker takes w1, w1_a, w1_b, w2, w2_a, w2_b and t2.
func newKronecker(key string, t []*weights.Tensor) (change, int, error) {
	rank := 0 // where both are whole there is none, and no scaling
	factor := func(whole, a, b, core *weights.Tensor, name string) ([]int, func() []float32, error) {
		switch {
		case whole != nil && a == nil && b == nil && core == nil:
			return whole.Shape, func() []float32 {
				v := make([]float32, whole.Len())
				if whole.Float32s(v) != nil {
					return nil
				}
				return v
			}, nil
		case whole != nil || a == nil || b == nil:
			return nil, nil, fmt.Errorf("its layer %s has neither lokr_%s nor its two factors alone; the file is damaged", key, name)
		}
		rank = b.Shape[0]
		if core != nil {
			k, err := newTucker(key, core, a, b)
			if err != nil {
				return nil, nil, err
			}
			return k.shape(), k.values, nil
		}
		if a.Shape[1] != b.Shape[0] || len(a.Shape) != 2 {
			return nil, nil, unfit(key, a, b)
		}
		return append([]int{a.Shape[0]}, b.Shape[1:]...), product{a, b}.values, nil
	}
	var k kronecker
	var err error
	if k.a, k.first, err = factor(t[0], t[1], t[2], nil, "w1"); err != nil {
		return nil, 0, err
	}
	if k.b, k.second, err = factor(t[3], t[4], t[5], t[6], "w2"); err != nil {
		return nil, 0, err
	}
	if k.a = squeeze(k.a); len(k.a) != 2 {
		return nil, 0, fmt.Errorf("its layer %s has a lokr_w1 of %v; expected a matrix", key, k.a)
	}
	return k, rank, nil
}

func (k kronecker) shape() []int {
	return append([]int{k.a[0] * k.b[0], k.a[1] * k.b[1]}, k.b[2:]...)
}

func (k kronecker) addTo(values []float32, factor float32) bool {
	first, second := k.first(), k.second()
	rows, columns := k.b[0], k.b[1]
	if first == nil || second == nil || len(values) != len(first)*len(second) {
		return false
	}
	area := len(second) / (rows * columns)
	for i, f := range first {
		row, column := i/k.a[1], i%k.a[1]
		for y := range rows {
			to := ((row*rows+y)*k.a[1] + column) * columns * area
			for x, v := range second[y*columns*area : (y+1)*columns*area] {
				values[to+x] += factor * f * v
			}
		}
	}
	return true
}
