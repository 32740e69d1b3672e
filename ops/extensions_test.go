package ops

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/shaders"
)

// extended are operations that have ways in halves or by subgroups, with sizes that are odd.
func extended() []Case {
	conv := func(c Conv) Case { return convCase{n: 1, h: 5, w: 4, conv: c, act: SiLU}.newCase() }
	return []Case{
		layerNormCase([]int{1, 1}), layerNormCase([]int{67, 33}), layerNormCase([]int{3, 770}),
		rmsNormCase(1, 0, []int{7, 39}), rmsNormCase(3, 0, []int{5, 771}),
		softmaxCase([]int{1, 2}), softmaxCase([]int{67, 9}), softmaxCase([]int{3, 257}), softmaxCase([]int{2, 2003}),
		groupNormCase(2, SiLU, []int{3, 9, 7, 21}), groupNormCase(1, Identity, []int{1, 20, 15, 40}),
		linearCase{m: 1, n: 130, k: 520, act: GELU}.newCase(), linearCase{m: 3, n: 7, k: 3}.newCase(), linearCase{m: 7, n: 45, k: 264, residual: true}.newCase(),
		linearCase{m: 20, n: 70, k: 39, act: GELU, residual: true}.newCase(),
		conv(Conv{In: 17, Out: 23, Kernel: Square(3), Stride: Square(2), Pad: Pad(1), Bias: true}), conv(Conv{In: 7, Out: 70, Kernel: Square(3), Pad: Pad(1)}),
		attentionCase{heads: 2, size: 16, tq: 21, tk: 21, batch: 2}.newCase(), attentionCase{heads: 1, size: 160, tq: 70, causal: true}.newCase(),
		attentionCase{heads: 2, size: 20, tq: 96, batch: 2, grid: [2]int{8, 12}}.newCase(),
	}
}

// Ways in halves and by subgroups are there where the adapter and the binding have them, and
// right; elsewhere no operation has any. The default binding has none, whatever the adapter.
func TestExtensions(t *testing.T) {
	var reports []gpu.Tuned
	d := gputest.Open(t, gpu.Options{Class: gpu.ClassNVIDIA, Debug: gpu.Debug{Poison: true}, Tuner: &gpu.Tuner{Report: func(_ gpu.Info, r gpu.Tuned) { reports = append(reports, r) }}})
	if strings.Contains(gpu.Binding(), "rajveermalviya") {
		require.Empty(t, d.Info().Extensions, "naga 0.13 refuses them")
	}
	traits := d.Traits()
	ways := map[string][]string{} // of a form and precision: operations
	for _, p := range precisions {
		for _, c := range extended() {
			result(t, d, p, c)
		}
	}
	for _, r := range reports {
		for _, x := range r.Trials {
			for _, form := range []string{inHalves, inSubgroups} {
				if strings.Contains(x.Way, " "+form) {
					assert.NoError(t, x.Err, "%s by %s", r.Key, x.Way)
					key := form + r.Key[strings.LastIndex(r.Key, " "):]
					op, _, _ := strings.Cut(x.Way, " ")
					ways[key] = append(ways[key], op)
				}
			}
		}
	}
	var tiles, sums []string
	if traits.Halves {
		tiles = []string{"attention_flash", "conv2d_shared", "matmul_shared"}
	}
	if traits.Subgroups {
		sums = []string{"groupnorm", "layernorm", "matmul_few", "rmsnorm", "softmax"}
	}
	assert.Empty(t, ways[inHalves+" f32"])
	for key, want := range map[string][]string{inHalves + " f16": tiles, inSubgroups + " f16": sums, inSubgroups + " f32": sums} {
		for _, op := range want {
			assert.Contains(t, ways[key], op, key)
		}
		assert.Subset(t, want, ways[key], key)
	}
}

// rowOf is layernorm's kernel in subgroups for rows of so many threads.
func rowOf(threads int, precision gpu.DType) (*gpu.Kernel, error) {
	text, err := shaders.Source("layernorm", shaders.Spec{
		Const: map[string]int{"W": threads, "WR": threads}, Forms: append(forms(precision), inSubgroups), Workgroup: [3]int{1, threads, 1},
	})
	if err != nil {
		return nil, err
	}
	return gpu.ParseKernel("layernorm", fmt.Sprint(precision, " ", threads), text)
}

// What adds up by subgroups is right in workgroups that hold no whole number of them.
func TestSubgroupsOfAnySize(t *testing.T) {
	d := poisonDevice.Open(t)
	if !d.Traits().Subgroups {
		k, err := rowOf(64, gpu.F16)
		require.NoError(t, err)
		require.Error(t, d.Check(k), "an adapter without the extension compiled it")
		return
	}
	for _, threads := range []int{1, 3, 8, 20, 64, 100} {
		for _, precision := range precisions {
			c := newCase("layernorm", fmt.Sprintf("by %d threads", threads), func(o *operands) *gpu.Tensor {
				x := o.activation("x", 1, 5, 771)
				var model struct {
					Norm LayerNorm `w:"layernorm"`
				}
				model.Norm = o.b.LayerNorm(771, 1e-5)
				o.layers(&model)
				y := o.r.New("y", 1, x.Shape...)
				k, err := rowOf(threads, precision)
				if err != nil {
					o.err = err
					return y
				}
				o.r.Do(gpu.Op{Kind: "layernorm", In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: model.Norm.twin, Dispatches: []gpu.Dispatch{{
					Kernel: k, Params: gpu.Params{"rows": x.Rows(), "stride": x.Stride(), "width": x.Width(), "eps": 1e-5},
					Bind: []gpu.View{gpu.All(x), gpu.All(model.Norm.gamma), gpu.All(model.Norm.beta), gpu.All(y)}, Groups: grid(x.Rows()),
				}}})
				return y
			})
			verified(t, d, precision, c)
		}
	}
}
