package weights

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linear is a leaf as ops has them.
type linear struct {
	in, out int
	noBias  bool
	weight  []float32
	bias    []float32
}

func (l *linear) Params() []Param {
	return []Param{
		{Name: "weight", Shape: []int{l.out, l.in}, Set: into(&l.weight)},
		{Name: "bias", Shape: []int{l.out}, Optional: l.noBias, Set: into(&l.bias)},
	}
}

// token is a leaf that is a tensor itself.
type token struct {
	width int
	value []float32
}

func (p *token) Params() []Param {
	return []Param{{Shape: []int{1, -1, p.width}, Set: into(&p.value)}}
}

func into(dst *[]float32) func(*Tensor) error {
	return func(t *Tensor) error {
		*dst = make([]float32, t.Len())
		return t.Float32s(*dst)
	}
}

type block struct {
	QKV linear  `w:"attn.qkv"`
	FC  *linear `w:"fc"`
}

type common struct {
	Cls token `w:"cls_token"`
}

type net struct {
	common
	Name   string
	Blocks []block   `w:"blocks"`
	Pair   [2]Module `w:"pair"`
	Head   *linear   `w:"head"`
	Pooler *linear   `w:"pooler,optional"`
	Tied   linear    `w:"-"`
}

func newNet() *net {
	n := &net{Blocks: make([]block, 2), Head: &linear{in: 4, out: 2}, Pooler: &linear{in: 4, out: 4}}
	n.Cls.width = 4
	for i := range n.Blocks {
		n.Blocks[i] = block{QKV: linear{in: 4, out: 12, noBias: true}, FC: &linear{in: 4, out: 4}}
	}
	n.Pair[1] = &linear{in: 1, out: 1}
	return n
}

// netShapes are the tensors of newNet without its optional ones.
func netShapes() []any {
	shapes := []any{"cls_token", []int{1, 3, 4}, "head.weight", []int{2, 4}, "head.bias", []int{2},
		"pair.1.weight", []int{1, 1}, "pair.1.bias", []int{1}}
	for i := range 2 {
		p := fmt.Sprintf("blocks.%d.", i)
		shapes = append(shapes, p+"attn.qkv.weight", []int{12, 4}, p+"fc.weight", []int{4, 4}, p+"fc.bias", []int{4})
	}
	return shapes
}

func TestBindInTheOrderOfTheStruct(t *testing.T) {
	n := newNet()
	shapes := append(netShapes(), "pooler.weight", []int{4, 4}, "pooler.bias", []int{4}, "blocks.1.attn.qkv.bias", []int{12})
	bindings, err := Bind(n, source(t, shapes...))
	require.NoError(t, err)
	var names []string
	for _, b := range bindings {
		names = append(names, b.Name)
		assert.Equal(t, b.Name, b.Tensor.Name)
	}
	assert.Equal(t, []string{
		"cls_token",
		"blocks.0.attn.qkv.weight", "blocks.0.fc.weight", "blocks.0.fc.bias",
		"blocks.1.attn.qkv.weight", "blocks.1.attn.qkv.bias", "blocks.1.fc.weight", "blocks.1.fc.bias",
		"pair.1.weight", "pair.1.bias", "head.weight", "head.bias", "pooler.weight", "pooler.bias",
	}, names)
	assert.Nil(t, n.Head.weight, "Bind sets nothing")
	for _, b := range bindings {
		require.NoError(t, b.Set())
	}
	assert.Equal(t, []float32{1, 1, 1, 1, 1, 1, 1, 1}, n.Head.weight)
	assert.Len(t, n.Cls.value, 12)
	assert.Nil(t, n.Blocks[0].QKV.bias)
	assert.Len(t, n.Blocks[1].QKV.bias, 12)
	assert.NotNil(t, n.Pooler)
}

func TestBindWithoutOptionalField(t *testing.T) {
	n := newNet()
	_, err := Bind(n, source(t, netShapes()...))
	require.NoError(t, err)
	assert.Nil(t, n.Pooler, "an optional pointer of which nothing is there becomes nil")

	_, err = Bind(newNet(), source(t, append(netShapes(), "pooler.bias", []int{4})...))
	assert.EqualError(t, err, "the checkpoint does not fit the model: 1 missing: pooler.weight")
	_, err = Bind(newNet(), source(t, append(netShapes(), "pooler.bias", []int{5})...))
	assert.EqualError(t, err, "the checkpoint does not fit the model: 1 wrong-shaped: pooler.bias: found [5], the config wants [4]; 1 missing: pooler.weight")
}

func TestBindReportsEverythingAtOnce(t *testing.T) {
	n := newNet()
	n.Blocks = append(n.Blocks, newNet().Blocks...)
	shapes := append(netShapes(), "extra.0", []int{1}, "extra.1", []int{2})
	shapes[1] = []int{3, 4}     // cls_token of another rank
	shapes[3] = []int{2, 5}     // head.weight
	shapes[6] = "pair.1.waight" // misspelt
	_, err := Bind(n, source(t, shapes...))
	var e *BindError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, []Wrong{
		{Name: "cls_token", Origin: "cls_token", Found: []int{3, 4}, Want: []int{1, -1, 4}},
		{Name: "head.weight", Origin: "head.weight", Found: []int{2, 5}, Want: []int{2, 4}},
	}, e.Wrong)
	assert.Len(t, e.Missing, 7)
	assert.ElementsMatch(t, []string{"extra.0", "extra.1", "pair.1.waight"}, e.Unused)
	assert.EqualError(t, err, "the checkpoint does not fit the model: "+
		"2 wrong-shaped: cls_token: found [3 4], the config wants [1 any 4], head.weight: found [2 5], the config wants [2 4]; "+
		"7 missing: blocks.2.attn.qkv.weight, blocks.2.fc.weight, blocks.2.fc.bias, blocks.3.attn.qkv.weight and 3 more; "+
		"3 unknown: extra.0, extra.1, pair.1.waight")
}

func TestBindRefusesNaN(t *testing.T) {
	var n struct {
		A linear `w:"a"`
	}
	n.A = linear{in: 2, out: 1}
	bad, err := FromFloat32s("a.weight", []float32{1, float32(nan())}, 1, 2)
	require.NoError(t, err)
	bindings, err := Bind(&n, tensors{bad, filled(t, "a.bias", 0, 1)})
	require.NoError(t, err)
	assert.EqualError(t, bindings[0].Set(), "tensor a.weight: NaN at [0 1] of [1 2]; the checkpoint is damaged")
	assert.Nil(t, n.A.weight)
	assert.NoError(t, bindings[1].Set())
}

func TestBindTiedTensors(t *testing.T) {
	var n struct {
		A linear `w:"a"`
		B linear `w:"a"`
	}
	n.A, n.B = linear{in: 2, out: 1}, linear{in: 2, out: 1}
	bindings, err := Bind(&n, source(t, "a.weight", []int{1, 2}, "a.bias", []int{1}))
	require.NoError(t, err)
	assert.Len(t, bindings, 4)
}

func TestBindRefusesModels(t *testing.T) {
	none := tensors{}
	check := func(model any, want string) {
		_, err := Bind(model, none)
		assert.ErrorContains(t, err, want)
	}
	check(nil, "<nil> is not a pointer to a struct")
	check(net{}, "weights.net is not a pointer to a struct")
	check((*net)(nil), "*weights.net is not a pointer to a struct")
	check(&struct {
		N int `w:"n"`
	}{}, "n: a int holds no parameters")
	check(&struct {
		a linear `w:"a"`
	}{}, "a has a tag but is not exported")
	check(&struct{ A linear }{}, "A has parameters but no tag")
	check(&struct{ A []*linear }{}, "A has parameters but no tag")
	check(&struct {
		A linear `w:"a,omitempty"`
	}{}, `A has an unknown option "omitempty" in its tag`)
}

// A model that is a leaf itself is bound under the names of its parameters.
func TestBindALeaf(t *testing.T) {
	bindings, err := Bind(&linear{in: 2, out: 1}, source(t, "weight", []int{1, 2}, "bias", []int{1}))
	require.NoError(t, err)
	assert.Len(t, bindings, 2)
}

// Names that a stranger chose make no long line and no control characters.
func TestBindErrorIsShort(t *testing.T) {
	long := &BindError{}
	for range 10 {
		name := "\x1b[31m" + strings.Repeat("x", 100_000)
		long.Missing = append(long.Missing, Missing{Name: name, Origin: name + "y"})
		long.Unused = append(long.Unused, name)
		long.Wrong = append(long.Wrong, Wrong{Name: name, Origin: name, Found: []int{1}, Want: []int{-1, 2}})
	}
	checkLine(t, long)
	assert.ErrorContains(t, long, "10 wrong-shaped: ")
	assert.ErrorContains(t, long, "; 10 unknown: ")
	assert.ErrorContains(t, long, `\x1b[31m`)
}
