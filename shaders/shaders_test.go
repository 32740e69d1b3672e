package shaders

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `const TM = 1u;
const TN = 1u;
alias Packed = vec2<u32>;
@group(0) @binding(1) var<storage, read> a: array<Packed>;
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn two(a: f32) -> f32 {
    return a + three(a);
}
fn three(a: f32) -> f32 { return a * 3.0; }

// form window
@group(0) @binding(1) var<uniform> a_window: array<Packed, 8>;
fn two_window(a: f32) -> f32 {
    return three_window(a);
}
fn three_window(a: f32) -> f32 { return a * 4.0; }
// end

// form f32
alias Packed_f32 = vec4<f32>;
@group(0) @binding(1) var<uniform> a_window_f32: array<Packed_f32, 4>;
// end

@compute @workgroup_size(8, 1, 1)
fn main() {
    // unroll r TM
    let row_r = first + 0u /*r*/;
    // unroll c TN
    acc_r_c += row_r * col_c_r + arc_rr;
    // end
    // end
}
`

func TestSpecialise(t *testing.T) {
	got, err := specialise(sample, Spec{
		Const:     map[string]int{"TM": 2, "TN": 2},
		Forms:     []string{"f32", "window"},
		Funcs:     map[string]string{"activate": "fn activate() {\n}\n"},
		Workgroup: [3]int{64, 2, 1},
	})
	require.NoError(t, err)
	assert.Equal(t, `const TM = 2u;
const TN = 2u;
alias Packed = vec4<f32>;
@group(0) @binding(1) var<uniform> a: array<Packed, 4>;
fn activate() {
}
fn two(a: f32) -> f32 {
    return three(a);
}
fn three(a: f32) -> f32 { return a * 4.0; }

@compute @workgroup_size(64, 2, 1)
fn main() {
    let row_0 = first + 0u;
    acc_0_0 += row_0 * col_0_0 + arc_rr;
    acc_0_1 += row_0 * col_1_0 + arc_rr;
    let row_1 = first + 1u;
    acc_1_0 += row_1 * col_0_1 + arc_rr;
    acc_1_1 += row_1 * col_1_1 + arc_rr;
}
`, got)
}

func TestSpecialiseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		spec Spec
		want string
	}{
		"unknown const":      {sample, Spec{Const: map[string]int{"TK": 2}}, "const TK = …u; is declared 0 times"},
		"const twice":        {sample + sample, Spec{Const: map[string]int{"TM": 2}}, "declared 2 times"},
		"negative const":     {sample, Spec{Const: map[string]int{"TM": -1}}, "at least 0"},
		"unknown function":   {sample, Spec{Funcs: map[string]string{"pack": "x"}}, "is declared 0 times"},
		"many-line function": {sample, Spec{Funcs: map[string]string{"two": "x"}}, "declared 0 times"},
		"unknown form":       {sample, Spec{Forms: []string{"f64"}}, "form f64: it is not there (there are window, f32)"},
		"form taken twice":   {sample, Spec{Forms: []string{"f32", "f32"}}, "form f32: it is not there (there are window)"},
		"form of nothing":    {sample + "// form x\nalias No_x = u32;\n// end\n", Spec{Forms: []string{"x"}}, "No is declared 0 times"},
		"name of no form":    {sample + "// form x\nalias Packed_y = u32;\n// end\n", Spec{Forms: []string{"x"}}, "want a name that ends in _x"},
		"form twice":         {sample + "// form f32\nalias Packed_f32 = u32;\n// end\n", Spec{Forms: []string{"f32"}}, "it stands there twice"},
		"no workgroup":       {"fn main() {}", Spec{Workgroup: [3]int{1, 1, 1}}, "declared 0 times"},
		"bad workgroup":      {sample, Spec{Workgroup: [3]int{8, 0, 1}}, "at least 1"},
		"missing end":        {"const A = 1u;\n// unroll r A\nx", Spec{}, "without `// end`"},
		"stray end":          {"x\n// end", Spec{}, "closes no unroll block"},
		"unroll without var": {"// unroll TM", Spec{}, "want `// unroll <var> <CONST>`"},
		"unroll by unknown":  {"// unroll r TM\n// end", Spec{}, "declared 0 times"},
		"too many copies":    {"const A = 999u;\n// unroll r A\n// end", Spec{}, "at most 256"},
	} {
		_, err := specialise(c.text, c.spec)
		assert.ErrorContains(t, err, c.want, name)
	}
}

func TestTakeFunc(t *testing.T) {
	got, err := takeFuncs(sample, []string{"two"}, "activate", true)
	require.NoError(t, err)
	assert.Equal(t, "fn activate(a: f32) -> f32 {\n    return a + three(a);\n}\n\nfn three(a: f32) -> f32 { return a * 3.0; }\n", got)

	_, err = takeFuncs(sample, []string{"four"}, "", true)
	assert.ErrorContains(t, err, "fn four is not declared")
	_, err = takeFuncs(sample+"fn two() {}\n", []string{"two"}, "", true)
	assert.ErrorContains(t, err, "declared twice")
}

func TestAlone(t *testing.T) {
	got, err := Alone("matmul_reduce", "epilogue")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(got, "fn epilogue(") && strings.HasSuffix(got, "\n}\n"), got)
	assert.NotContains(t, got, "fn activate")
	_, err = Alone("matmul_reduce", "prologue")
	assert.ErrorContains(t, err, "fn prologue is not declared (there are activate, epilogue, main, pack, unpack)")
	_, err = Alone("nosuch", "x")
	assert.ErrorContains(t, err, "no such file")
}

func TestNames(t *testing.T) {
	names := Names()
	assert.Contains(t, names, "matmul")
	for _, name := range names {
		text, err := Source(name, Spec{})
		require.NoError(t, err)
		assert.NotContains(t, text, "// unroll", name)
		raw, err := fs.ReadFile(Files(), name+".wgsl")
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(raw), "//"), "%s: no header comment", name)
		assert.NotRegexp(t, `var<.*> dx:`, string(raw), "%s: a buffer of the name of DXC's namespace", name)
	}
	_, err := Source("nosuch", Spec{})
	assert.ErrorContains(t, err, "no such file")
	_, err = Func("nosuch", "x")
	assert.ErrorContains(t, err, "no such file")
}

// A form in need of an extension has the text enable it, once, where it is taken.
func TestFormsEnable(t *testing.T) {
	const text = sample + "// form halves enables f16\nalias Packed_halves = vec4<f16>;\n// end\n" +
		"// form more enables f16\nfn three_more(a: f32) -> f32 { return a; }\n// end\n"
	got, err := specialise(text, Spec{Forms: []string{"halves", "more"}})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(got, "enable f16;\nconst TM"), got)
	assert.Equal(t, 1, strings.Count(got, "enable"), got)
	assert.Contains(t, got, "alias Packed = vec4<f16>;")
	assert.Equal(t, []string{"f16"}, Extensions(got))

	got, err = specialise(text, Spec{})
	require.NoError(t, err)
	assert.Empty(t, Extensions(got))
	assert.NotContains(t, got, "f16")

	got, err = Whole("layernorm")
	require.NoError(t, err)
	assert.NotContains(t, got, "subgroup")
	got, err = Whole("layernorm", "subgroups")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(got, "enable subgroups;\n"), got)
	assert.Contains(t, got, "fn total_subgroups(")
	assert.Contains(t, got, "fn unpack_f32(")
}

func TestFuncIn(t *testing.T) {
	got, err := FuncIn("layernorm", "subgroups", "total")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(got, "fn total(") && strings.Contains(got, "subgroupAdd"), got)
	_, err = FuncIn("layernorm", "halves", "total")
	assert.ErrorContains(t, err, "form halves: it is not there")
}
