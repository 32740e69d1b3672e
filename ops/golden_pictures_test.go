package ops

import (
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
)

// The goldens of operations on pictures, which are NCHW.

// inputs are the ways in which a golden's input is given: the one of a
// convolution without groups dense too, as models give it pictures.
func inputs(c golden.OpCase) []bool {
	if c.Op == "conv2d" && c.Inputs["weight"].Shape[1] == c.Inputs["x"].Shape[1] {
		return []bool{false, true}
	}
	return []bool{false}
}

// pixels declares an input [N, C, H, W] and packs it as [N, H, W, C].
func (g *goldenCase) pixels(role string) *gpu.Tensor {
	x, ok := g.Inputs[role]
	require.True(g.t, ok, "%s has no input %s", g.Name, role)
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	g.in[role] = transposed(x.Data, c, h*w)
	return g.keep(role, Pack(g.r, g.r.Input(role, gpu.F32, n, h, w, c), 1))
}

// pictures gives the result y: [N, H, W, C].
func (g *goldenCase) pictures(y *gpu.Tensor) {
	g.picture = y
	g.r.Output("y", y)
}

// planes brings v, [N, H, W, C], to [N, C, H, W].
func planes(v []float32, shape []int) []float32 {
	return transposed(v, shape[1]*shape[2], shape[3])
}

// transposed transposes each of v's matrices of rows × columns.
func transposed(v []float32, rows, columns int) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		at := i % (rows * columns)
		out[i-at+at%columns*rows+at/columns] = x
	}
	return out
}

func (g *goldenCase) conv() {
	var p struct {
		Stride, Dilation [2]int
		Padding          [4]int
		Groups           int
		Eps              float64
		Activation       string
		ActivationLast   bool `json:"activation_last"`
	}
	require.NoError(g.t, g.Params(&p))
	w := g.Inputs["weight"].Shape
	_, bias := g.Inputs["bias"]
	var model struct {
		Conv Conv2d `w:"conv"`
	}
	model.Conv = g.b.Conv2d(Conv{In: w[1] * p.Groups, Out: w[0], Kernel: [2]int{w[2], w[3]}, Stride: p.Stride, Dilation: p.Dilation, Groups: p.Groups,
		Pad: Padding{Top: p.Padding[0], Left: p.Padding[1], Bottom: p.Padding[2], Right: p.Padding[3]}, Bias: bias, Norm: p.Eps})
	g.bind(&model, "conv", "weight", "bias", "norm_weight", "norm_bias", "norm_mean", "norm_var")
	var options []Epilogue
	if _, ok := g.Inputs["residual"]; ok {
		options = append(options, Residual(g.pixels("residual")))
	}
	if p.Activation != "" {
		a, err := ActivationByName(p.Activation)
		require.NoError(g.t, err)
		if then := Then(a); p.ActivationLast {
			options = append(options, then)
		} else {
			options = append([]Epilogue{then}, options...)
		}
	}
	var x *gpu.Tensor
	if g.dense {
		x = g.input("x")
	} else {
		x = g.pixels("x")
	}
	g.pictures(model.Conv.Forward(g.r, x, options...))
}

func (g *goldenCase) maxPool() {
	var p struct {
		Kernel, Stride, Padding [2]int
		CeilMode                bool `json:"ceil_mode"`
	}
	require.NoError(g.t, g.Params(&p))
	g.pictures(MaxPool(g.r, g.pixels("x"), Pool{Kernel: p.Kernel, Stride: p.Stride, Pad: p.Padding, Ceil: p.CeilMode}))
}

func (g *goldenCase) avgPool() {
	var p struct {
		Kernel, Stride, Padding [2]int
		CeilMode                bool `json:"ceil_mode"`
		CountIncludePad         bool `json:"count_include_pad"`
	}
	require.NoError(g.t, g.Params(&p))
	g.pictures(AvgPool(g.r, g.pixels("x"), Pool{Kernel: p.Kernel, Stride: p.Stride, Pad: p.Padding, Ceil: p.CeilMode, ExcludePad: !p.CountIncludePad}))
}

func (g *goldenCase) scale() {
	var p struct{ Activation string }
	require.NoError(g.t, g.Params(&p))
	gates := g.activation("gates", 1)
	if p.Activation != "" {
		a, err := ActivationByName(p.Activation)
		require.NoError(g.t, err)
		gates = Apply(g.r, gates, a)
	}
	g.pictures(Scale(g.r, g.pixels("x"), gates))
}

func (g *goldenCase) groupNorm() {
	var p struct {
		Groups     int
		Eps        float64
		Activation string
	}
	require.NoError(g.t, g.Params(&p))
	a := Identity
	if p.Activation != "" {
		var err error
		a, err = ActivationByName(p.Activation)
		require.NoError(g.t, err)
	}
	var model struct {
		Norm GroupNorm `w:"norm"`
	}
	model.Norm = g.b.GroupNorm(p.Groups, g.Inputs["x"].Shape[1], p.Eps)
	g.bind(&model, "norm", "weight", "bias")
	g.pictures(model.Norm.Forward(g.r, g.pixels("x"), a))
}

func (g *goldenCase) convTranspose() {
	var p struct {
		Stride, Padding, OutputPadding, Dilation [2]int
		Groups                                   int
		Eps                                      float64
		Activation                               string
	}
	require.NoError(g.t, g.Params(&p))
	act := Identity
	if p.Activation != "" {
		var err error
		act, err = ActivationByName(p.Activation)
		require.NoError(g.t, err)
	}
	var model struct {
		Conv ConvTranspose2d `w:"conv"`
	}
	w := g.Inputs["weight"].Shape
	c := ConvTranspose{
		In: w[0], Out: w[1] * p.Groups, Kernel: [2]int{w[2], w[3]}, Stride: p.Stride, Pad: p.Padding, OutputPadding: p.OutputPadding,
		Dilation: p.Dilation, Groups: p.Groups, Norm: p.Eps,
	}
	_, c.Bias = g.Inputs["bias"]
	model.Conv = g.b.ConvTranspose2d(c)
	g.bind(&model, "conv", "weight", "bias", "norm_weight", "norm_bias", "norm_mean", "norm_var")
	g.pictures(model.Conv.Forward(g.r, g.pixels("x"), Then(act)))
}

func (g *goldenCase) grn() {
	var model struct {
		Norm GRN `w:"norm"`
	}
	model.Norm = g.b.GRN(g.Inputs["x"].Shape[1])
	g.bind(&model, "norm", "weight", "bias")
	g.pictures(model.Norm.Forward(g.r, g.pixels("x")))
}

func (g *goldenCase) rescaleGuidance() {
	var p struct{ Rescale float32 }
	require.NoError(g.t, g.Params(&p))
	factors := make([]float32, CombineFactors)
	factors[0] = p.Rescale
	g.in["factors"] = factors
	g.pictures(RescaleGuidance(g.r, g.pixels("cfg"), g.pixels("cond"), g.r.Input("factors", gpu.F32, 1, CombineFactors), 0))
}

// floats is an input as an f32 activation.
func (g *goldenCase) floats(role string) *gpu.Tensor {
	g.in["one"] = []float32{1, 0, 0, 0, 0, 0, 0}
	if g.one == nil {
		g.one = g.r.Input("one", gpu.F32, 1, CombineFactors)
	}
	return Combine(g.r, gpu.F32, g.Inputs[role].Shape[0], g.one, 0, Operand{X: g.input(role)})
}

func (g *goldenCase) deformable() {
	var p struct {
		Heads    int
		Levels   [][3]int
		Discrete bool
		Scale    float64
	}
	require.NoError(g.t, g.Params(&p))
	var levels []Level
	for _, l := range p.Levels {
		levels = append(levels, Level{l[0], l[1], l[2]})
	}
	how := Deformation{Scale: p.Scale, Discrete: p.Discrete}
	g.r.Output("y", DeformableAttention(g.r, g.activation("x", p.Heads), g.floats("boxes"), g.floats("offsets"), g.floats("logits"), g.b.Levels(levels...), how))
}

func (g *goldenCase) boxDistances() {
	var p struct {
		Bins, Top int
		Up, Scale float64
	}
	require.NoError(g.t, g.Params(&p))
	x := g.floats("x")
	g.r.Output("y", g.b.Bins(p.Scale, BinValues(p.Bins, p.Up, p.Scale)).Distances(g.r, x, g.floats("boxes")))
	g.r.Output("p", TopProbabilities(g.r, x, p.Bins+1, p.Top))
}
