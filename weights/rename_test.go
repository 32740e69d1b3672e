package weights

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table is part of what a ViT of transformers needs.
var table = []Rule{
	{"embeddings.cls_token", "cls_token"},
	{"encoder.layer.*.attention.attention.query.*", "blocks.*.attn.qkv.*#0"},
	{"encoder.layer.*.attention.attention.key.*", "blocks.*.attn.qkv.*#1"},
	{"encoder.layer.*.attention.attention.value.*", "blocks.*.attn.qkv.*#2"},
	{"encoder.layer.*.output.dense.*", "blocks.*.fc.*"},
	{"pooler.**", ""},
	{"**.num_batches_tracked", ""},
}

// hf are the tensors of a small model by transformers' names. The i-th has the
// value i.
func hf() []any {
	return []any{
		"vit.embeddings.cls_token", []int{1, 1, 4},
		"vit.encoder.layer.0.attention.attention.query.weight", []int{4, 4},
		"vit.encoder.layer.0.attention.attention.key.weight", []int{4, 4},
		"vit.encoder.layer.0.attention.attention.value.weight", []int{4, 4},
		"vit.encoder.layer.0.output.dense.weight", []int{4, 4},
		"vit.encoder.layer.0.output.dense.bias", []int{4},
		"vit.pooler.dense.weight", []int{4, 4},
		"bn.num_batches_tracked", []int{},
		"classifier.weight", []int{2, 4},
	}
}

type hfNet struct {
	Cls    token   `w:"cls_token"`
	Blocks []block `w:"blocks"`
	Head   linear  `w:"classifier"`
}

func newHFNet() *hfNet {
	return &hfNet{
		Cls:    token{width: 4},
		Blocks: []block{{QKV: linear{in: 4, out: 12, noBias: true}, FC: &linear{in: 4, out: 4}}},
		Head:   linear{in: 4, out: 2, noBias: true},
	}
}

func TestRename(t *testing.T) {
	c := source(t, hf()...)
	src := Rename(StripPrefix(c, "deit.", "vit"), table)
	assert.ElementsMatch(t, []string{
		"cls_token", "blocks.0.attn.qkv.weight", "blocks.0.fc.weight", "blocks.0.fc.bias", "classifier.weight",
	}, src.Names())

	x, ok := src.Tensor("blocks.0.fc.bias")
	require.True(t, ok)
	assert.Equal(t, "blocks.0.fc.bias", x.Name)
	assert.Equal(t, "vit.encoder.layer.0.output.dense.bias", x.Origin)
	direct, _ := c.Tensor(x.Origin)
	assert.Same(t, &direct.Data[0], &x.Data[0], "nothing is copied")

	x, ok = src.Tensor("blocks.0.attn.qkv.weight")
	require.True(t, ok)
	assert.Equal(t, []int{12, 4}, x.Shape)
	assert.Equal(t, F32, x.DType)
	assert.Len(t, x.Data, 12*4*4)
	v := float32sOf(t, x)
	assert.Equal(t, []float32{1, 2, 3}, []float32{v[0], v[16], v[32]}, "query, key, value")
	assert.Equal(t, "vit.encoder.layer.0.attention.attention.{query,key,value}.weight", x.Origin)

	_, ok = src.Tensor("vit.embeddings.cls_token")
	assert.False(t, ok, "the old name is gone")
	_, ok = src.Tensor("pooler.dense.weight")
	assert.False(t, ok)
}

func TestBindRenamed(t *testing.T) {
	n := newHFNet()
	bindings, err := Bind(n, Rename(StripPrefix(source(t, hf()...), "vit."), table))
	require.NoError(t, err)
	for _, b := range bindings {
		if b.Name == "blocks.0.attn.qkv.weight" {
			assert.Nil(t, b.Tensor.Data, "joined only when set")
			assert.Len(t, b.Tensor.Bytes(), 12*4*4)
			r, err := b.Tensor.Rows(4, 8)
			require.NoError(t, err)
			assert.Equal(t, float32(2), float32sOf(t, r)[0])
		}
		require.NoError(t, b.Set())
	}
	assert.Equal(t, float32(3), n.Blocks[0].QKV.weight[47])
	assert.Equal(t, float32(8), n.Head.weight[0])
}

func TestBindNamesOriginsInErrors(t *testing.T) {
	shapes := hf()
	shapes[2] = "vit.encoder.layer.0.attention.attention.quary.weight"
	shapes[8] = "vit.encoder.layer.0.outputs.weight"
	shapes[11] = []int{5}
	_, err := Bind(newHFNet(), Rename(StripPrefix(source(t, shapes...), "vit.", "module."), table))
	assert.EqualError(t, err, "the checkpoint does not fit the model: "+
		"1 wrong-shaped: vit.encoder.layer.0.output.dense.bias (our blocks.0.fc.bias): found [5], the config wants [4]; "+
		"2 missing: vit.encoder.layer.0.attention.attention.query.weight (our blocks.0.attn.qkv.weight), "+
		"vit.encoder.layer.0.output.dense.weight (our blocks.0.fc.weight); "+
		"2 unknown: vit.encoder.layer.0.attention.attention.quary.weight, vit.encoder.layer.0.outputs.weight")

	shapes = append(hf()[:2:2], hf()[8:]...) // no query, key and value
	_, err = Bind(newHFNet(), Rename(StripPrefix(source(t, shapes...), "vit."), table))
	assert.EqualError(t, err, "the checkpoint does not fit the model: "+
		"1 missing: vit.encoder.layer.0.attention.attention.{query,key,value}.weight (our blocks.0.attn.qkv.weight)")
}

func TestBindPartsThatCannotBeJoined(t *testing.T) {
	for at, shape := range map[int][]int{3: {4, 5}, 5: {16}, 7: {}} {
		shapes := hf()
		shapes[at] = shape
		_, err := Bind(newHFNet(), Rename(StripPrefix(source(t, shapes...), "vit."), table))
		assert.ErrorContains(t, err, "1 wrong-shaped: blocks.0.attn.qkv.weight: found parts F32 [")
		assert.ErrorContains(t, err, "that cannot be joined, the config wants [12 4]")
	}
	a, b := filled(t, "a", 1, 2), filled(t, "b", 1, 2)
	b.DType, b.Shape = F16, []int{4}
	_, ok := Rename(tensors{a, b}, []Rule{{"a", "c#0"}, {"b", "c#1"}}).Tensor("c")
	assert.False(t, ok, "of two types")
}

func TestRenameCollisions(t *testing.T) {
	src := Rename(source(t, "a", []int{1}, "b", []int{1}, "c", []int{1}, "d", []int{1}),
		[]Rule{{"a", "x"}, {"b", "x"}, {"c", "y#0"}, {"d", "y#0"}})
	assert.ElementsMatch(t, []string{"x", "b", "y", "d"}, src.Names())
}

func TestRenameStars(t *testing.T) {
	names := func(from, to, name string) string {
		return Rename(tensors{filled(t, name, 0, 1)}, []Rule{{from, to}}).Names()[0]
	}
	assert.Equal(t, "b.7.c", names("a.*.c", "b.*.c", "a.7.c"))
	assert.Equal(t, "b.x_y", names("a.*", "b.*", "a.x_y"))
	assert.Equal(t, "a.x.y", names("a.*", "b.*", "a.x.y"), "one star is one part")
	assert.Equal(t, "b.x.y", names("a.**", "b.**", "a.x.y"))
	assert.Equal(t, "a", names("a.**", "b.**", "a"), "two stars are at least one part")
	assert.Equal(t, "blocks.11.norm1.bias", names("encoder.layers.encoder_layer_*.ln_1.*", "blocks.*.norm1.*", "encoder.layers.encoder_layer_11.ln_1.bias"))
	assert.Equal(t, "layer_x", names("layer_*", "l.*", "layer_x"), "a star inside a part is digits")
	assert.Equal(t, "aXb", names("a.b", "c", "aXb"), "a dot is a dot")
}

func TestRenamePanicsOnBadRules(t *testing.T) {
	for _, r := range []Rule{{"a.*", "b"}, {"a.*", "b.**"}, {"a", "b.*"}, {"a.x**", "b.x**"}, {"a", "b#x"}, {"a", "b#"}, {"a", "b#-1"}} {
		assert.Panics(t, func() { Rename(tensors{}, []Rule{r}) }, r)
	}
}

// The name by which a tensor is missed is the one that the rules would take.
func TestRenameExplainsBothWays(t *testing.T) {
	src := Rename(tensors{}, table)
	for ours, want := range map[string]string{
		"blocks.3.fc.weight":     "encoder.layer.3.output.dense.weight",
		"blocks.3.attn.qkv.bias": "encoder.layer.3.attention.attention.{query,key,value}.bias",
		"cls_token":              "embeddings.cls_token",
		"no.rule":                "no.rule",
	} {
		got, problem := explain(src, ours)
		assert.Equal(t, want, got)
		assert.Empty(t, problem)
	}
	got, _ := explain(Rename(tensors{}, []Rule{{"a", "x#0"}, {"c", "x#2"}}), "x")
	assert.Equal(t, "a, x#1, c", got, "a gap in the rules is named")
}

// A model of 24 blocks, the size of ViT-L.
func BenchmarkRenameAndBind(b *testing.B) {
	model := newHFNet()
	var shapes []any
	all := hf()
	for i := range 24 {
		model.Blocks = append(model.Blocks[:i], newHFNet().Blocks...)
		for j := 0; j < len(all); j += 2 {
			if name := all[j].(string); i == 0 || strings.Contains(name, "layer") {
				shapes = append(shapes, strings.Replace(name, ".0.", "."+strconv.Itoa(i)+".", 1), all[j+1])
			}
		}
	}
	src := source(b, shapes...)
	for b.Loop() {
		if _, err := Bind(model, Rename(StripPrefix(src, "vit."), table)); err != nil {
			b.Fatal(err)
		}
	}
}
